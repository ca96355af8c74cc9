//! What a file of an overlay or of a base holds, before any kind is read.

use std::sync::Arc;

use super::pieces::{Files, Piece};
use super::sheet::Sheet;
use crate::spec::diagnostic::Diagnostic;
use crate::spec::document::File;
use crate::spec::parse::{self, Expected, Read};
use crate::spec::resource::Kind;
use crate::spec::tree::{Member, Node, Place, Value};
use crate::spec::workload::API_VERSION;

/// What a file of an overlay or of a base holds.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    pub(crate) pieces: Vec<Piece>,
    pub(crate) sheets: Vec<Sheet>,
    pub(crate) findings: Vec<Diagnostic>,
    /// A document makes the folder an overlay, well written or not.
    pub(crate) has_overlay: bool,
    /// It holds policies, which are not looked at here.
    pub(crate) has_policies: bool,
    /// The file belongs to another tool.
    pub(crate) is_foreign: bool,
}

impl Contents {
    /// Reads a file of YAML as trees.
    pub(crate) fn of_yaml(files: &mut Files, file: &Arc<File>, expected: Expected) -> Self {
        let mut contents = Self::default();
        let roots = match parse::roots(file) {
            Ok(roots) => roots,
            Err(finding) => {
                contents.findings.push(finding);
                return contents;
            }
        };
        if expected != Expected::Documents && parse::is_foreign(&file.text, &roots) {
            contents.is_foreign = true;
            return contents;
        }
        let number = files.add(Arc::clone(file));
        for root in roots {
            if parse::is_policies(&root) {
                contents.has_policies = true;
                continue;
            }
            contents.has_overlay |= parse::is_overlay(&root);
            contents.take(root.into_owned(number), &file.name, expected);
        }
        contents
    }

    fn take(&mut self, root: Node<'static>, file: &str, expected: Expected) {
        let problems = parse::envelope(&root);
        let problems = if !problems.is_empty() {
            problems
        } else if let Some(piece) = Piece::of(&root) {
            self.pieces.push(piece);
            return;
        } else {
            match parse::read_kind(&root) {
                Ok(Read::Overlay(overlay)) if expected == Expected::PartOfFolder => {
                    self.sheets.push(Sheet { overlay, root });
                    return;
                }
                Ok(Read::Overlay(_)) => {
                    self.findings.push(parse::not_alone(file, root.place));
                    return;
                }
                // Without a name there is no resource.
                Ok(Read::Resource(_)) => return,
                Err(problems) => problems,
            }
        };
        let found = problems.into_iter();
        self.findings
            .extend(found.map(|problem| problem.into_diagnostic(file)));
    }

    /// Takes a file that as a whole is a job in Nomad's own words. `path` is its name in its folder.
    pub(crate) fn of_job(
        files: &mut Files,
        file: &Arc<File>,
        name: &str,
        namespace: Option<&str>,
        path: &str,
    ) -> Self {
        let place = Place {
            line: 1,
            column: 1,
            file: files.add(Arc::clone(file)),
        };
        let text = |text: &str| Node {
            value: Value::Text(text.to_owned().into()),
            place,
        };
        let map = |members: Vec<(&str, Node<'static>)>| Node {
            value: Value::Map(
                members
                    .into_iter()
                    .map(|(key, node)| Member {
                        key: key.to_owned().into(),
                        key_place: place,
                        node,
                    })
                    .collect(),
            ),
            place,
        };
        let mut metadata = vec![("name", text(name))];
        metadata.extend(namespace.map(|namespace| ("namespace", text(namespace))));
        let root = map(vec![
            ("apiVersion", text(API_VERSION)),
            ("kind", text(Kind::NomadJob.as_str())),
            ("metadata", map(metadata)),
            ("spec", map(vec![("path", text(path))])),
        ]);
        Self {
            pieces: Piece::of(&root).into_iter().collect(),
            ..Self::default()
        }
    }
}
