//! Kind `Overlay`: makes its folder a variant of others, such as `overlays/prod` of `base`.
//!
//! The other documents of the folder are laid over what the bases describe, member by member ([`merge`]). That happens on
//! trees, before a kind is read: a document may be partial, and every finding about the result carries the file, line and
//! column of the part that is to be changed. Why it works this way, and what it does not do: `docs/overlays.md`.

mod contents;
mod merge;
mod pieces;
mod sheet;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::workload::ApiVersion;

pub(crate) use contents::Contents;
pub(crate) use pieces::{Files, Piece, Pieces};
pub(crate) use sheet::Sheet;

/// The word in files.
pub(super) const KIND: &str = "Overlay";

/// Makes its folder a variant of other folders: their resources with another namespace, further labels, and whatever the
/// other documents of the folder change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Overlay {
    /// `cloudstation.io/v1`.
    pub api_version: ApiVersion,
    /// `Overlay`.
    pub kind: OverlayKind,
    /// A name for people; nothing refers to it.
    #[serde(default)]
    pub metadata: OverlayMetadata,
    /// What it is laid over, and what changes everywhere.
    pub spec: OverlaySpec,
}

/// The kind's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum OverlayKind {
    /// A variant of other folders.
    #[default]
    Overlay,
}

/// A name for people.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OverlayMetadata {
    /// Any text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// What it is laid over, and what changes everywhere.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OverlaySpec {
    /// Folders or files, relative to this folder, e.g. `../../base`. May be overlays themselves. Their resources are taken
    /// in this order.
    pub bases: Vec<String>,
    /// Nomad namespace of every resource of the bases, and of the new ones of this folder that name none. Default: what
    /// the documents say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Labels that every resource gets, unless a document of this folder gives it another value.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}
