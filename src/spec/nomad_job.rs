//! Kind `NomadJob`: a job in Nomad's own words, as HCL or JSON, inline or in a file.
//!
//! A bare `*.nomad.hcl` or `*.nomad` file and a JSON job among the paths of a command are taken as one.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::relations::{Dependency, Hook, OnFailure};
use super::schema::one_of;
use super::workload::{ApiVersion, Metadata};

/// A native Nomad job: HCL or JSON, inline or in a file, with variables.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NomadJob {
    /// `cloudstation.io/v1`, the only one of this build.
    pub api_version: ApiVersion,
    /// `NomadJob`: a job in Nomad's own words.
    pub kind: NomadJobKind,
    /// Name, namespace and labels. The name is the job's id.
    pub metadata: Metadata,
    /// What is wanted.
    pub spec: NomadJobSpec,
}

/// The kind's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum NomadJobKind {
    /// A job in Nomad's own words.
    #[default]
    NomadJob,
}

/// What is wanted: exactly one of `hcl`, `path` and `job`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("allOf" = one_of(&["hcl", "path", "job"])))]
pub struct NomadJobSpec {
    /// The job specification as HCL 2, best as a block (`|`). Nomad itself parses it; without a cluster only its syntax is
    /// checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hcl: Option<String>,
    /// Path of a file with the job, relative to this one, e.g. `shop.nomad.hcl`. `*.hcl` and `*.nomad` hold HCL, `*.json` a
    /// JSON job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The job as JSON, as `nomad job inspect` prints it, with or without the outer `Job`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<Value>,
    /// Values of the specification's HCL variables, by name: texts, numbers, booleans, lists and mappings.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub variables: BTreeMap<String, Value>,
    /// Paths of files with such values in HCL, relative to this one, e.g. `prod.hcl`; later ones win over earlier ones, and
    /// `variables` over all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub variable_files: Vec<String>,
    /// What must be ready before anything of this one is written. Cycles are refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<Dependency>,
    /// Makes it a hook: it runs before or after others, once for each generation of what it serves. Only for `batch` and
    /// `sysbatch` jobs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hook: Option<Hook>,
    /// What follows when it does not become healthy in time. Default: `keep`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_failure: Option<OnFailure>,
    /// Places in the Nomad job that belong to somebody else: no difference there is shown or written. JSON pointers into the
    /// job as Nomad's API writes it, with names for entries of lists and `*` for any, e.g. `/TaskGroups/web/Count`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ignore_fields: Vec<String>,
}
