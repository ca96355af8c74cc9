//! One tree over another.
//!
//! Mappings are merged member by member, `null` removes a member. Lists whose entries have a name of their own are merged
//! entry by entry ([`KEYED`]), and an entry with `$patch: delete` removes the one of its name. Everything else is replaced.
//! What stays as it is keeps its place; what changes gets the place of the change.

use crate::spec::path;
use crate::spec::tree::{Member, Node, Place, Value};

/// The member that holds an instruction instead of a value.
const DIRECTIVE: &str = "$patch";
const DELETE: &str = "delete";

/// Lists that are merged entry by entry, by their path, and the member that names an entry.
const KEYED: [(&str, &str); 8] = [
    ("spec.ports", "port"),
    ("spec.volumes", "csi"),
    ("spec.files", "path"),
    ("spec.links", "variable"),
    ("spec.connections", "variable"),
    ("spec.certificates", "commonName"),
    ("spec.container.exports", "name"),
    ("spec.dependsOn", "name"),
];

/// A part of a patch that makes no sense.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Misfit {
    pub(super) path: String,
    pub(super) place: Place,
    pub(super) code: &'static str,
    pub(super) message: String,
    pub(super) help: &'static str,
}

/// Lays a patch over a document.
pub(super) fn merge(
    base: Node<'static>,
    patch: Node<'static>,
    misfits: &mut Vec<Misfit>,
) -> Node<'static> {
    Merge { misfits }.over(base, patch, "")
}

struct Merge<'m> {
    misfits: &'m mut Vec<Misfit>,
}

impl Merge<'_> {
    fn over(&mut self, base: Node<'static>, patch: Node<'static>, at: &str) -> Node<'static> {
        let key = KEYED.iter().find(|(list, _)| *list == at);
        let value = match (base.value, patch.value, key) {
            (Value::Map(members), Value::Map(changes), _) => {
                Value::Map(self.members(members, changes, at))
            }
            (Value::List(entries), Value::List(changes), Some((_, key))) => {
                Value::List(self.entries(entries, changes, at, key))
            }
            (before, after, _) if before == after => before,
            (_, after, _) => {
                return self.fresh(
                    Node {
                        value: after,
                        place: patch.place,
                    },
                    at,
                );
            }
        };
        Node {
            value,
            place: base.place,
        }
    }

    fn members(
        &mut self,
        mut members: Vec<Member<'static>>,
        changes: Vec<Member<'static>>,
        at: &str,
    ) -> Vec<Member<'static>> {
        for change in changes {
            let below = path::member(at, &change.key);
            if change.key == DIRECTIVE {
                self.misplaced(below, change.key_place);
                continue;
            }
            let position = members.iter().position(|member| member.key == change.key);
            match (position, &change.node.value) {
                (Some(position), Value::Null) => {
                    members.remove(position);
                }
                (Some(position), _) => {
                    let before = members.remove(position);
                    let place = before.node.place;
                    let node = self.over(before.node, change.node, &below);
                    // What was replaced as a whole stands where the patch has it.
                    let key_place = if node.place == place {
                        before.key_place
                    } else {
                        change.key_place
                    };
                    let member = Member {
                        key: before.key,
                        key_place,
                        node,
                    };
                    members.insert(position, member);
                }
                (None, Value::Null) => {}
                (None, _) => members.push(Member {
                    node: self.fresh(change.node, &below),
                    ..change
                }),
            }
        }
        members
    }

    fn entries(
        &mut self,
        mut entries: Vec<Node<'static>>,
        changes: Vec<Node<'static>>,
        at: &str,
        key: &str,
    ) -> Vec<Node<'static>> {
        for (index, mut change) in changes.into_iter().enumerate() {
            let below = path::element(at, index);
            let is_deleted = self.take_directive(&mut change, &below);
            let name = change.get(key).map(|member| &member.node.value);
            let position = entries.iter().position(|entry| {
                name.is_some() && entry.get(key).map(|member| &member.node.value) == name
            });
            match (position, is_deleted) {
                (Some(position), true) => {
                    entries.remove(position);
                }
                (Some(position), false) => {
                    let before = entries.remove(position);
                    let merged = self.over(before, change, &below);
                    entries.insert(position, merged);
                }
                (None, true) => self.misfits.push(Misfit {
                    path: below,
                    place: change.place,
                    code: "patch-without-target",
                    message: format!("no entry of this list has this `{key}`, so none is removed"),
                    help: "an entry is removed by the member that names it, as the base has it",
                }),
                (None, false) => {
                    let entry = self.fresh(change, &below);
                    entries.push(entry);
                }
            }
        }
        entries
    }

    /// Takes `$patch: delete` out of an entry and says whether it was there.
    fn take_directive(&mut self, entry: &mut Node<'static>, at: &str) -> bool {
        let Value::Map(members) = &mut entry.value else {
            return false;
        };
        let Some(position) = members.iter().position(|member| member.key == DIRECTIVE) else {
            return false;
        };
        let directive = members.remove(position);
        if directive.node.value == Value::Text(DELETE.into()) {
            return true;
        }
        self.misplaced(path::member(at, DIRECTIVE), directive.key_place);
        false
    }

    /// What the base does not have: without the members that are to be removed.
    fn fresh(&mut self, node: Node<'static>, at: &str) -> Node<'static> {
        let value = match node.value {
            Value::Map(members) => {
                let mut kept = Vec::with_capacity(members.len());
                for member in members {
                    let below = path::member(at, &member.key);
                    if member.key == DIRECTIVE {
                        self.misplaced(below, member.key_place);
                    } else if member.node.value != Value::Null {
                        kept.push(Member {
                            node: self.fresh(member.node, &below),
                            ..member
                        });
                    }
                }
                Value::Map(kept)
            }
            Value::List(nodes) => {
                let nodes = nodes.into_iter().enumerate();
                let fresh = nodes.map(|(index, node)| self.fresh(node, &path::element(at, index)));
                Value::List(fresh.collect())
            }
            other => other,
        };
        Node {
            value,
            place: node.place,
        }
    }

    fn misplaced(&mut self, path: String, place: Place) {
        let lists: Vec<&str> = KEYED
            .iter()
            .map(|(list, _)| list.rsplit('.').next().unwrap_or(list))
            .collect();
        self.misfits.push(Misfit {
            path,
            place,
            code: "patch-directive",
            message: format!(
                "`{DIRECTIVE}` means something only as `{DELETE}`, in entries of {}",
                lists.join(", ")
            ),
            help: "write `null` to remove a member; other lists are replaced as a whole",
        });
    }
}

#[cfg(test)]
mod tests;
