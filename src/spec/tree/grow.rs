//! Grows trees from the events of the YAML parser.

use std::borrow::Cow;

use cs_yaml::{Event, Events, ScalarStyle, Span};

use super::{Flaw, Member, Node, Place, Value, scalar};

/// Bounds against files that would eat memory or stack. A file of 4 MiB has at most some 100,000 sensible nodes; specs
/// use aliases sparingly, if at all; the deepest path of a kind has seven steps, a job as JSON some fifteen.
const MOST_DEPTH: usize = 32;
pub(super) const MOST_NODES: usize = 200_000;
pub(super) const MOST_DOCUMENTS: usize = 10_000;
/// Nodes that aliases may stand for, and nodes that are kept because an anchor names them.
const MOST_REPEATED: usize = 50_000;
/// Text that aliases may stand for, in bytes.
const MOST_REPEATED_TEXT: usize = 16 * 1024 * 1024;

/// Reads every document of a text. Empty documents are left out.
///
/// # Errors
/// The text is no YAML, repeats a key, or goes beyond the bounds.
pub(in crate::spec) fn documents(text: &str) -> Result<Vec<Node<'_>>, Flaw> {
    // Editors put it there without being asked. It has no column.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut grower = Grower::default();
    for next in Events::of(text) {
        let (event, span) = next.map_err(|error| Flaw::of_scan(&error, text))?;
        grower.take(event, &span)?;
    }
    Ok(grower.documents)
}

/// The tree as far as it is read.
#[derive(Debug, Default)]
struct Grower<'t> {
    documents: Vec<Node<'t>>,
    /// The collections that are open, the innermost last.
    open: Vec<Open<'t>>,
    /// What is in them so far. Moved out when one is complete, so that each takes one allocation of the right size.
    elements: Vec<Node<'t>>,
    members: Vec<Member<'t>>,
    nodes: usize,
    anchors: Vec<Anchor<'t>>,
    /// Of all anchors and aliases.
    repeated: Measure,
}

/// A node that aliases may name.
#[derive(Debug)]
struct Anchor<'t> {
    id: usize,
    node: Node<'t>,
    measure: Measure,
}

#[derive(Debug)]
struct Open<'t> {
    place: Place,
    anchor: usize,
    content: Content<'t>,
}

#[derive(Debug)]
enum Content<'t> {
    List {
        /// Where its elements begin in the grower's.
        start: usize,
    },
    Map {
        /// Where its members begin in the grower's.
        start: usize,
        key: Option<Key<'t>>,
        /// What merge keys bring in; it gives way to the mapping's own members.
        merged: Vec<Member<'t>>,
    },
}

#[derive(Debug)]
struct Key<'t> {
    text: Cow<'t, str>,
    place: Place,
    is_merge: bool,
}

impl<'t> Grower<'t> {
    fn take(&mut self, event: Event<'t>, span: &Span) -> Result<(), Flaw> {
        let place = Place::from(span.start);
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                if self.wants_key() {
                    if span.is_empty() {
                        let message = "there is no key in front of this colon";
                        return Err(Flaw::syntax(place, message));
                    }
                    let is_merge = style == ScalarStyle::Plain && text == "<<";
                    self.anchored(anchor, || Node {
                        value: Value::Text(text.clone()),
                        place,
                    })?;
                    self.key(text, place, is_merge);
                    return Ok(());
                }
                let value = scalar::resolve(text, style, tag.as_deref(), place)
                    .map_err(|flaw| flaw.at_tag(span))?;
                let node = Node { value, place };
                self.anchored(anchor, || node.clone())?;
                self.put(node)
            }
            Event::SequenceStart(_, anchor, tag) => {
                scalar::check_collection_tag(tag.as_deref(), "seq", span)?;
                let start = self.elements.len();
                self.begin(place, anchor, Content::List { start })
            }
            Event::MappingStart(_, anchor, tag) => {
                scalar::check_collection_tag(tag.as_deref(), "map", span)?;
                let content = Content::Map {
                    start: self.members.len(),
                    key: None,
                    merged: Vec::new(),
                };
                self.begin(place, anchor, content)
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            Event::Alias(id) => self.alias(id, place),
            Event::DocumentEnd => {
                self.anchors.clear();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn wants_key(&self) -> bool {
        matches!(
            self.open.last(),
            Some(Open {
                content: Content::Map { key: None, .. },
                ..
            })
        )
    }

    fn key(&mut self, text: Cow<'t, str>, place: Place, is_merge: bool) {
        if let Some(Open {
            content: Content::Map { key, .. },
            ..
        }) = self.open.last_mut()
        {
            *key = Some(Key {
                text,
                place,
                is_merge,
            });
        }
    }

    fn begin(&mut self, place: Place, anchor: usize, content: Content<'t>) -> Result<(), Flaw> {
        if self.wants_key() {
            return Err(Flaw::syntax(place, "a key must be text"));
        }
        if self.open.len() >= MOST_DEPTH {
            return Err(Flaw::too_complex(place));
        }
        self.open.push(Open {
            place,
            anchor,
            content,
        });
        Ok(())
    }

    fn end(&mut self) -> Result<(), Flaw> {
        let Some(open) = self.open.pop() else {
            return Ok(());
        };
        let value = match open.content {
            Content::List { start } => Value::List(self.elements.drain(start..).collect()),
            Content::Map { start, merged, .. } => {
                let mut members: Vec<Member<'t>> = self.members.drain(start..).collect();
                refuse_repeated(&members)?;
                for member in merged {
                    if !members.iter().any(|own| own.key == member.key) {
                        members.push(member);
                    }
                }
                Value::Map(members)
            }
        };
        let node = Node {
            value,
            place: open.place,
        };
        self.anchored(open.anchor, || node.clone())?;
        self.put(node)
    }

    /// Gives a node that is complete to what it is in.
    fn put(&mut self, node: Node<'t>) -> Result<(), Flaw> {
        self.nodes += 1;
        if self.nodes > MOST_NODES || self.documents.len() >= MOST_DOCUMENTS {
            return Err(Flaw::too_complex(node.place));
        }
        let Some(open) = self.open.last_mut() else {
            if node.value != Value::Null {
                self.documents.push(node);
            }
            return Ok(());
        };
        match &mut open.content {
            Content::List { .. } => self.elements.push(node),
            Content::Map { key, merged, .. } => {
                let key = key
                    .take()
                    .expect("a node without a key was taken as the key");
                if key.is_merge {
                    merge_into(merged, node)?;
                } else {
                    self.members.push(Member {
                        key: key.text,
                        key_place: key.place,
                        node,
                    });
                }
            }
        }
        Ok(())
    }

    fn anchored(&mut self, id: usize, node: impl FnOnce() -> Node<'t>) -> Result<(), Flaw> {
        if id == 0 {
            return Ok(());
        }
        let node = node();
        let measure = node.measure();
        self.repeat(&measure, node.place)?;
        self.anchors.push(Anchor { id, node, measure });
        Ok(())
    }

    fn repeat(&mut self, measure: &Measure, place: Place) -> Result<(), Flaw> {
        self.repeated.nodes += measure.nodes;
        self.repeated.text += measure.text;
        let is_too_much = self.repeated.nodes > MOST_REPEATED
            || self.repeated.text > MOST_REPEATED_TEXT
            || self.open.len() + measure.height > MOST_DEPTH;
        if is_too_much {
            return Err(Flaw::too_complex(place));
        }
        Ok(())
    }

    fn alias(&mut self, id: usize, place: Place) -> Result<(), Flaw> {
        let Some(anchor) = self.anchors.iter().rev().find(|anchor| anchor.id == id) else {
            // The parser refuses names that it does not know, so this one is still open.
            return Err(Flaw::syntax(
                place,
                "the alias stands inside its own anchor",
            ));
        };
        let (measure, mut node) = (anchor.measure, anchor.node.clone());
        self.repeat(&measure, place)?;
        if self.wants_key() {
            return match node.value {
                Value::Text(text) | Value::Switch(text) => {
                    self.key(text, place, false);
                    Ok(())
                }
                _ => Err(Flaw::syntax(place, "a key must be text")),
            };
        }
        node.place = place;
        self.put(node)
    }
}

/// What `<<` stands for: a mapping, or a list of mappings of which the earlier ones win.
fn merge_into<'t>(merged: &mut Vec<Member<'t>>, node: Node<'t>) -> Result<(), Flaw> {
    let place = node.place;
    match node.value {
        Value::Map(members) => {
            for member in members {
                if !merged.iter().any(|own| own.key == member.key) {
                    merged.push(member);
                }
            }
            Ok(())
        }
        Value::List(nodes) if nodes.iter().all(|node| matches!(node.value, Value::Map(_))) => nodes
            .into_iter()
            .try_for_each(|node| merge_into(merged, node)),
        _ => Err(Flaw::syntax(
            place,
            "`<<` takes a mapping, mostly an alias such as `*defaults`",
        )),
    }
}

/// Up to here keys are compared with each other, beyond they are sorted.
const FEW: usize = 24;

fn refuse_repeated(members: &[Member<'_>]) -> Result<(), Flaw> {
    let repeated = if members.len() <= FEW {
        members.iter().enumerate().find(|(index, member)| {
            members[..*index]
                .iter()
                .any(|earlier| earlier.key == member.key)
        })
    } else {
        let mut order: Vec<usize> = (0..members.len()).collect();
        order.sort_by(|a, b| members[*a].key.cmp(&members[*b].key));
        let pairs = order.windows(2);
        let later = pairs.filter(|pair| members[pair[0]].key == members[pair[1]].key);
        later
            .map(|pair| pair[1])
            .min()
            .map(|index| (index, &members[index]))
    };
    match repeated {
        None => Ok(()),
        Some((_, member)) => Err(Flaw::repeated_key(&member.key, member.key_place)),
    }
}

/// How much a node is.
#[derive(Debug, Clone, Copy, Default)]
struct Measure {
    nodes: usize,
    text: usize,
    /// Collections inside each other, the node itself not counted.
    height: usize,
}

impl Measure {
    fn add(&mut self, child: &Self) {
        self.nodes += child.nodes;
        self.text += child.text;
        self.height = self.height.max(child.height + 1);
    }
}

impl Node<'_> {
    fn measure(&self) -> Measure {
        let mut measure = Measure {
            nodes: 1,
            text: 0,
            height: 0,
        };
        match &self.value {
            Value::Text(text) | Value::Switch(text) => measure.text = text.len(),
            Value::List(nodes) => nodes.iter().for_each(|node| measure.add(&node.measure())),
            Value::Map(members) => {
                for member in members {
                    measure.text += member.key.len();
                    measure.add(&member.node.measure());
                }
            }
            _ => {}
        }
        measure
    }
}
