//! Resources as trees, from the files that they stand in to the documents that an overlay makes of them.
//!
//! Pure: which files there are, and which folder is whose base, is `manifests::overlay`'s business.

use std::sync::Arc;

use crate::spec::diagnostic::{Diagnostic, Severity};
use crate::spec::document::{Document, File};
use crate::spec::parse::{self, Problem, Read};
use crate::spec::reader::place_of;
use crate::spec::resource::Kind;
use crate::spec::tree::{Member, Node, Place, Value};

/// The files that trees are put together from. A place knows its file by its number here.
#[derive(Debug, Default)]
pub(crate) struct Files(Vec<Arc<File>>);

impl Files {
    pub(super) fn add(&mut self, file: Arc<File>) -> u32 {
        self.0.push(file);
        u32::try_from(self.0.len() - 1).expect("the files of a set are bounded")
    }

    pub(super) fn name(&self, place: Place) -> &str {
        let file = usize::try_from(place.file)
            .ok()
            .and_then(|number| self.0.get(number));
        &file.expect("the places of a tree are in its files").name
    }
}

/// A resource whose kind is not read yet: perhaps only a part of one.
#[derive(Debug, Clone)]
pub(crate) struct Piece {
    pub(super) root: Node<'static>,
    pub(super) kind: Kind,
    pub(super) name: String,
    /// As its own documents say; overlays above may say otherwise.
    pub(super) namespace: Option<String>,
    /// What to tell when it turns out not to be whole.
    pub(super) unmatched: Option<Unmatched>,
}

/// A document of an overlay that no base knows.
#[derive(Debug, Clone)]
pub(super) struct Unmatched {
    pub(super) place: Place,
    pub(super) help: String,
}

/// Some resources, and what is wrong with how they came about.
#[derive(Debug, Default)]
pub(crate) struct Pieces {
    pub(crate) pieces: Vec<Piece>,
    pub(crate) findings: Vec<Diagnostic>,
}

impl Piece {
    pub(super) fn of(root: &Node<'static>) -> Option<Self> {
        let kind = root.text_of("kind")?;
        let kind = Kind::ALL.into_iter().find(|own| own.as_str() == kind)?;
        let metadata = &root.get("metadata")?.node;
        Some(Self {
            kind,
            name: metadata.text_of("name")?.to_owned(),
            namespace: metadata.text_of("namespace").map(str::to_owned),
            root: root.clone(),
            unmatched: None,
        })
    }

    pub(super) fn is_meant_by(&self, patch: &Self) -> bool {
        self.kind == patch.kind && self.name == patch.name
    }

    pub(super) fn name_place(&self) -> Place {
        let name = self.root.get("metadata").and_then(|m| m.node.get("name"));
        name.map_or(self.root.place, place_of)
    }

    /// Sets a member of `metadata`, or of a mapping inside.
    pub(super) fn set(&mut self, steps: &[&str], key: &str, node: Node<'static>, wins: bool) {
        let mut at = &mut self.root;
        for step in steps {
            let place = node.place;
            let Value::Map(members) = &mut at.value else {
                return;
            };
            let position = members.iter().position(|member| member.key == *step);
            let position = position.unwrap_or_else(|| {
                members.push(Member {
                    key: (*step).to_owned().into(),
                    key_place: place,
                    node: Node {
                        value: Value::Map(Vec::new()),
                        place,
                    },
                });
                members.len() - 1
            });
            at = &mut members[position].node;
            if at.value == Value::Null {
                at.value = Value::Map(Vec::new());
            }
        }
        let Value::Map(members) = &mut at.value else {
            return;
        };
        match members.iter_mut().find(|member| member.key == key) {
            Some(member) if wins => member.node = node,
            Some(_) => {}
            None => members.push(Member {
                key: key.to_owned().into(),
                key_place: node.place,
                node,
            }),
        }
    }
}

pub(super) fn diagnostic(
    files: &Files,
    place: Place,
    code: &'static str,
    path: &str,
    message: String,
    help: Option<String>,
) -> Diagnostic {
    Diagnostic {
        file: files.name(place).to_owned(),
        line: place.line.into(),
        column: place.column.into(),
        code,
        severity: Severity::Error,
        path: path.to_owned(),
        message,
        help,
    }
}

impl Pieces {
    /// Reads the kinds. What is not whole in the end is told with the place of the part that is wrong.
    pub(crate) fn into_documents(mut self, files: Files) -> (Vec<Document>, Vec<Diagnostic>) {
        let shared: Arc<[Arc<File>]> = files.0.iter().cloned().collect();
        let mut documents = Vec::with_capacity(self.pieces.len());
        for piece in self.pieces {
            match parse::read_kind(&piece.root) {
                Ok(Read::Resource(resource)) => {
                    let root = Arc::new(piece.root);
                    documents.push(Document::merged(resource, Arc::clone(&shared), root));
                }
                // A piece has the kind of a resource.
                Ok(Read::Overlay(_)) => {}
                Err(problems) => {
                    self.findings
                        .extend(hint(&files, piece.unmatched, piece.kind, &problems));
                    let found = problems.into_iter();
                    let found = found.map(|problem| {
                        let file = files.name(problem.place).to_owned();
                        problem.into_diagnostic(&file)
                    });
                    self.findings.extend(found);
                }
            }
        }
        (documents, self.findings)
    }
}

/// What to tell in front of the problems of a document that is perhaps a patch which found nothing to change.
fn hint(
    files: &Files,
    unmatched: Option<Unmatched>,
    kind: Kind,
    problems: &[Problem],
) -> Option<Diagnostic> {
    let unmatched = unmatched?;
    let is_partial = problems
        .iter()
        .any(|problem| problem.is_about_something_missing());
    is_partial.then(|| {
        diagnostic(
            files,
            unmatched.place,
            "patch-without-target",
            "metadata.name",
            format!("no base has a {kind} of this name, and as a new one it is not whole"),
            Some(unmatched.help),
        )
    })
}
