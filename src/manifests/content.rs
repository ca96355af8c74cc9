//! What a file holds, by what it is.

use std::path::Path;
use std::sync::Arc;

use super::NativeFormat;
use super::bare::{self, Head, Json, Values};
use super::findings::about;
use crate::spec::nomad_job::{NomadJob, NomadJobKind, NomadJobSpec};
use crate::spec::overlay::{Contents, Files};
use crate::spec::parse::{self, Expected, File};
use crate::spec::workload::{ApiVersion, Metadata};
use crate::spec::{Diagnostic, Document, Resource};

/// How a file came to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Met {
    /// By its name: it must hold specs.
    Named,
    /// By a pattern: files of other tools are passed over.
    Globbed,
    /// In a folder: only names that are a spec's are looked at, files of other tools are passed over.
    Found,
}

/// What a file is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    Yaml,
    Hcl,
    Json,
}

/// What a file holds.
#[derive(Debug, Default)]
pub(super) struct Content {
    pub(super) documents: Vec<Document>,
    pub(super) findings: Vec<Diagnostic>,
    /// It makes its folder an overlay.
    pub(super) has_overlay: bool,
    /// It holds policies.
    pub(super) has_policies: bool,
    /// It belongs to another tool.
    pub(super) is_foreign: bool,
}

impl Met {
    /// Whether a file of this name may hold specs at all.
    pub(super) fn takes(self, name: &str) -> bool {
        match self {
            Self::Named => true,
            Self::Globbed => by_name(name).is_some(),
            Self::Found => {
                let endings = [".yaml", ".yml", ".nomad.hcl", ".nomad", ".nomad.json"];
                endings.into_iter().any(|ending| name.ends_with(ending))
            }
        }
    }

    fn expects(self) -> Expected {
        match self {
            Self::Named => Expected::Documents,
            Self::Globbed => Expected::Anything,
            Self::Found => Expected::PartOfFolder,
        }
    }
}

fn by_name(name: &str) -> Option<Language> {
    let languages = [
        (".yaml", Language::Yaml),
        (".yml", Language::Yaml),
        (".hcl", Language::Hcl),
        (".nomad", Language::Hcl),
        (".json", Language::Json),
    ];
    languages
        .into_iter()
        .find(|(ending, _)| name.ends_with(ending))
        .map(|(_, language)| language)
}

/// The language of a file, by its name, else by how it begins.
fn language(name: &str, text: &str) -> Language {
    by_name(name).unwrap_or_else(|| {
        let mut lines = text
            .trim_start_matches('\u{feff}')
            .lines()
            .map(str::trim_start);
        let first = lines.find(|line| !line.is_empty() && !line.starts_with(['#', '/', '*']));
        let first = first.unwrap_or_default();
        let begins_block = ["job", "variable", "locals"].into_iter().any(|word| {
            let rest = first.strip_prefix(word);
            rest.is_some_and(|rest| rest.starts_with([' ', '\t', '"', '{']))
        });
        if first.starts_with('{') {
            Language::Json
        } else if begins_block && first.contains('{') {
            Language::Hcl
        } else {
            Language::Yaml
        }
    })
}

/// In which language a job specification is written.
pub(super) fn native_format(name: &str, text: &str) -> NativeFormat {
    match language(name, text) {
        Language::Json => NativeFormat::Json,
        // A job cannot be written in YAML.
        Language::Hcl | Language::Yaml => NativeFormat::Hcl,
    }
}

/// What a file turned out to be before its documents are read.
enum Sort {
    Yaml,
    Job(Head),
    Foreign,
    Broken(Diagnostic),
}

fn sort(file: &File, path: Option<&Path>, met: Met, values: Values<'_>) -> Sort {
    let name = path.and_then(Path::file_name).unwrap_or_default();
    let name = name.to_string_lossy();
    if file.text.trim_start_matches('\u{feff}').trim().is_empty() && met != Met::Named {
        // Perhaps whoever wrote it last ran out of disk. Were it passed over, its jobs would count as removed.
        let help = "remove the file if its jobs are meant to go, else restore it";
        return Sort::Broken(about(
            &*file.name,
            "empty-file",
            "the file is empty",
            Some(help),
        ));
    }
    match language(&name, &file.text) {
        Language::Yaml => Sort::Yaml,
        Language::Hcl => match bare::of_hcl(&file.name, &file.text, values) {
            Ok(head) => Sort::Job(head),
            Err(finding) => {
                let is_nomads = met == Met::Named || Met::Found.takes(&name);
                if finding.code == "no-job" && !is_nomads {
                    Sort::Foreign
                } else {
                    Sort::Broken(finding)
                }
            }
        },
        Language::Json => match bare::of_json(&file.name, &file.text) {
            Ok(Json::Job(head)) => Sort::Job(head),
            Ok(Json::Spec) => Sort::Yaml,
            Ok(Json::Foreign) if met != Met::Named && !name.ends_with(".nomad.json") => {
                Sort::Foreign
            }
            Ok(Json::Foreign) => {
                let message = "is neither a Nomad job (with `ID`, or with it inside of `Job`) nor a spec (with `apiVersion`)";
                Sort::Broken(about(&*file.name, "no-job", message, None))
            }
            Err(finding) => Sort::Broken(finding),
        },
    }
}

impl Content {
    /// Reads the documents of a file.
    pub(super) fn of(file: &Arc<File>, path: Option<&Path>, met: Met, values: Values<'_>) -> Self {
        match sort(file, path, met, values) {
            Sort::Foreign => Self {
                is_foreign: true,
                ..Self::default()
            },
            Sort::Broken(finding) => Self {
                findings: vec![finding],
                ..Self::default()
            },
            Sort::Job(head) => {
                let job = Resource::NomadJob(Box::new(bare_job(head, path)));
                Self {
                    documents: vec![Document::of_whole(job, Arc::clone(file))],
                    ..Self::default()
                }
            }
            Sort::Yaml => {
                let reading = parse::read(file, met.expects());
                Self {
                    documents: reading.documents,
                    findings: reading.findings,
                    has_overlay: reading.has_overlay,
                    has_policies: reading.has_policies,
                    is_foreign: reading.is_foreign,
                }
            }
        }
    }
}

/// The same for files that overlays are made of: their trees.
pub(super) fn trees(
    files: &mut Files,
    file: &Arc<File>,
    path: &Path,
    met: Met,
    values: Values<'_>,
) -> Contents {
    match sort(file, Some(path), met, values) {
        Sort::Foreign => Contents {
            is_foreign: true,
            ..Contents::default()
        },
        Sort::Broken(finding) => Contents {
            findings: vec![finding],
            ..Contents::default()
        },
        Sort::Job(head) => {
            let path = file_name(Some(path)).unwrap_or_default();
            Contents::of_job(files, file, &head.name, head.namespace.as_deref(), &path)
        }
        Sort::Yaml => Contents::of_yaml(files, file, met.expects()),
    }
}

fn file_name(path: Option<&Path>) -> Option<String> {
    Some(path?.file_name()?.to_string_lossy().into_owned())
}

fn bare_job(head: Head, path: Option<&Path>) -> NomadJob {
    NomadJob {
        api_version: ApiVersion::V1,
        kind: NomadJobKind::NomadJob,
        metadata: Metadata {
            name: head.name,
            namespace: head.namespace,
            ..Metadata::default()
        },
        spec: NomadJobSpec {
            path: file_name(path),
            ..NomadJobSpec::default()
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_specs_under_these_names_only() {
        for name in ["a.yaml", "a.yml", "a.nomad.hcl", "a.nomad", "a.nomad.json"] {
            assert!(Met::Found.takes(name), "{name}");
        }
        for name in [
            "a.json",
            "a.hcl",
            "a.txt",
            "README.md",
            "yaml",
            "a.yaml.bak",
            "a.tf",
        ] {
            assert!(!Met::Found.takes(name), "{name}");
            assert!(Met::Named.takes(name), "{name}");
        }
        assert!(Met::Globbed.takes("a.json") && !Met::Globbed.takes("README.md"));
    }

    #[test]
    fn without_a_telling_name_the_beginning_tells() {
        for (text, wanted) in [
            ("apiVersion: cloudstation.io/v1\n", Language::Yaml),
            ("# x\n\n// y\njob \"a\" {\n", Language::Hcl),
            ("\u{feff}variable \"x\" {}\njob \"a\" {}\n", Language::Hcl),
            ("\n  {\"ID\": \"a\"}\n", Language::Json),
            ("job: a\n", Language::Yaml),
            ("jobs {}\n", Language::Yaml),
            ("", Language::Yaml),
        ] {
            assert_eq!(language("x", text), wanted, "{text:?}");
        }
        assert_eq!(language("x.yaml", "job \"a\" {"), Language::Yaml);
    }
}
