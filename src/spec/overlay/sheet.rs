//! The document that makes a folder an overlay, and what it does to the resources of its bases.

use std::collections::BTreeMap;

use super::Overlay;
use super::merge::{Misfit, merge};
use super::pieces::{Files, Piece, Pieces, Unmatched, diagnostic};
use crate::spec::diagnostic::Diagnostic;
use crate::spec::document::collect_places;
use crate::spec::path;
use crate::spec::suggest::closest;
use crate::spec::tree::{Node, Place, Value};

/// The document that makes a folder an overlay.
#[derive(Debug)]
pub(crate) struct Sheet {
    pub(crate) overlay: Overlay,
    pub(super) root: Node<'static>,
}

impl Sheet {
    /// A finding about the overlay's own document.
    pub(crate) fn diagnostic(
        &self,
        files: &Files,
        code: &'static str,
        path: &str,
        message: String,
        help: Option<String>,
    ) -> Diagnostic {
        let mut places = BTreeMap::new();
        collect_places(&self.root, "", &mut places);
        let mut nearest = Some(path);
        let place = loop {
            match nearest {
                None => break self.root.place,
                Some(step) => match places.get(step) {
                    Some(place) => break *place,
                    None => nearest = path::parent(step),
                },
            }
        };
        diagnostic(files, place, code, path, message, help)
    }

    /// Where the document begins, as a finding's file and line would say it.
    pub(crate) fn name<'f>(&self, files: &'f Files) -> &'f str {
        files.name(self.root.place)
    }

    /// Lays the other documents of the folder over the resources of its bases.
    pub(crate) fn lay(&self, files: &Files, bases: Vec<Piece>, changes: Vec<Piece>) -> Pieces {
        let mut result = Pieces::default();
        let names: Vec<Piece> = bases.clone();
        let mut pieces = bases;
        for piece in &mut pieces {
            self.mark(piece, true);
        }
        for change in changes {
            let meant: Vec<usize> = (0..names.len())
                .filter(|index| names[*index].is_meant_by(&change))
                .collect();
            let target = match meant.as_slice() {
                [] => {
                    let mut new = change;
                    new.unmatched = Some(unmatched(&names, &new));
                    self.mark(&mut new, false);
                    result.pieces.push(new);
                    continue;
                }
                [one] => Some(*one),
                several => several
                    .iter()
                    .copied()
                    .find(|index| names[*index].namespace == change.namespace),
            };
            match target {
                Some(target) => {
                    patch(files, &mut pieces[target], change, &mut result.findings);
                }
                None => result.findings.push(ambiguous(files, &change)),
            }
        }
        pieces.append(&mut result.pieces);
        result.pieces = pieces;
        result
    }

    /// Gives a resource the namespace and labels of the overlay. Its own ones win in documents of the overlay's folder.
    fn mark(&self, piece: &mut Piece, wins: bool) {
        let spec = self.root.get("spec").map(|member| &member.node);
        if let Some(namespace) = spec.and_then(|spec| spec.get("namespace"))
            && self.overlay.spec.namespace.is_some()
        {
            piece.set(&["metadata"], "namespace", namespace.node.clone(), wins);
        }
        let labels = spec.and_then(|spec| spec.get("labels"));
        if let Some(Value::Map(labels)) = labels.map(|labels| &labels.node.value) {
            for label in labels {
                piece.set(
                    &["metadata", "labels"],
                    &label.key,
                    label.node.clone(),
                    wins,
                );
            }
        }
        piece.namespace = piece
            .root
            .get("metadata")
            .and_then(|metadata| metadata.node.text_of("namespace"))
            .map(str::to_owned);
    }
}

fn patch(files: &Files, piece: &mut Piece, change: Piece, findings: &mut Vec<Diagnostic>) {
    let mut misfits = Vec::new();
    let base = std::mem::replace(
        &mut piece.root,
        Node {
            value: Value::Null,
            place: Place::default(),
        },
    );
    let root = merge(base, change.root, &mut misfits);
    findings.extend(misfits.into_iter().map(|misfit| told(files, misfit)));
    if let Some(mut merged) = Piece::of(&root) {
        merged.unmatched = piece.unmatched.take();
        *piece = merged;
    } else {
        piece.root = root;
    }
}

fn told(files: &Files, misfit: Misfit) -> Diagnostic {
    let Misfit {
        path,
        place,
        code,
        message,
        help,
    } = misfit;
    diagnostic(files, place, code, &path, message, Some(help.to_owned()))
}

fn unmatched(bases: &[Piece], piece: &Piece) -> Unmatched {
    let names: Vec<&str> = bases
        .iter()
        .filter(|base| base.kind == piece.kind)
        .map(|base| base.name.as_str())
        .collect();
    let help = match closest(&piece.name, names.iter().copied()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None if names.is_empty() => format!("the bases have no {} at all", piece.kind),
        None => {
            let shown: Vec<String> = names
                .iter()
                .take(5)
                .map(|name| format!("`{name}`"))
                .collect();
            let more = if names.len() > shown.len() {
                ", …"
            } else {
                ""
            };
            format!("the bases have {}{more}", shown.join(", "))
        }
    };
    Unmatched {
        place: piece.name_place(),
        help,
    }
}

fn ambiguous(files: &Files, change: &Piece) -> Diagnostic {
    diagnostic(
        files,
        change.name_place(),
        "patch-ambiguous",
        "metadata.name",
        format!(
            "the bases have several {} `{}`, in different namespaces",
            change.kind,
            change.name.escape_debug()
        ),
        Some("name the namespace that the one to be changed has in its base".to_owned()),
    )
}
