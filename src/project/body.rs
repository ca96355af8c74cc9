//! Bodies of blocks: which attributes and blocks they have, and which they should not have.

use std::collections::BTreeMap;

use hcl::edit::Span as _;
use hcl::edit::expr::Expression;
use hcl::edit::parser::parse_body;
use hcl::edit::structure::{Block, Body, Structure};

use super::text::{At, Findings, meant, shown};

/// Longest text that is read: 1 MiB. Real files have some thousand bytes.
pub(super) const LONGEST: usize = 1 << 20;

/// Reads a text as HCL; `None` once what is wrong has been told. Bounded in length, and by the parser in depth.
pub(super) fn parse(text: &str, file: usize, findings: &mut Findings) -> Option<Body> {
    if text.len() > LONGEST {
        let message = format!("longer than {LONGEST} bytes");
        let at = At { file, offset: 0 };
        findings.error(at, "too-large", "", message, None);
        return None;
    }
    // A mark at the beginning is no part of the text, but its bytes count for places.
    let bare = text
        .strip_prefix('\u{feff}')
        .map(|bare| format!("   {bare}"));
    match parse_body(bare.as_deref().unwrap_or(text)) {
        Ok(body) => Some(body),
        Err(error) => {
            let at = At {
                file,
                offset: error.location().offset(),
            };
            let message = format!("not HCL: {}", error.message());
            findings.error(at, "hcl-syntax", "", message, None);
            None
        }
    }
}

/// The only label of a block, and where it stands.
pub(super) fn label(block: &Block, file: usize) -> Option<(String, At)> {
    match block.labels.as_slice() {
        [only] if !only.as_str().is_empty() => {
            Some((only.as_str().to_owned(), At::new(file, only.span())))
        }
        _ => None,
    }
}

/// What a body has of what it may have.
pub(super) struct Fields<'b> {
    attributes: BTreeMap<&'b str, (At, &'b Expression)>,
    blocks: Vec<(&'b str, &'b Block)>,
}

impl<'b> Fields<'b> {
    /// Reads a body. Whatever is neither among `attributes` nor among `blocks`, or there twice, is told.
    pub(super) fn read(
        body: &'b Body,
        file: usize,
        path: &str,
        attributes: &[&'static str],
        blocks: &[&'static str],
        findings: &mut Findings,
    ) -> Self {
        let mut fields = Self {
            attributes: BTreeMap::new(),
            blocks: Vec::new(),
        };
        for structure in body.iter() {
            match structure {
                Structure::Attribute(attribute) => {
                    let name = attribute.key.as_str();
                    let at = At::new(file, attribute.key.span());
                    if !attributes.contains(&name) {
                        stray(name, at, path, "attribute", attributes, blocks, findings);
                    } else if fields.attributes.contains_key(name) {
                        let message = format!("`{name}` is there a second time");
                        findings.error(at, "duplicate-field", path, message, None);
                    } else {
                        fields.attributes.insert(name, (at, &attribute.value));
                    }
                }
                Structure::Block(block) => {
                    let name = block.ident.as_str();
                    let at = At::new(file, block.ident.span());
                    if blocks.contains(&name) {
                        fields.blocks.push((name, block));
                    } else {
                        stray(name, at, path, "block", attributes, blocks, findings);
                    }
                }
            }
        }
        fields
    }

    pub(super) fn attribute(&self, name: &str) -> Option<&'b Expression> {
        self.attributes.get(name).map(|(_, value)| *value)
    }

    /// Where an attribute stands.
    pub(super) fn at(&self, name: &str) -> Option<At> {
        self.attributes.get(name).map(|(at, _)| *at)
    }

    pub(super) fn blocks(&self, name: &str) -> Vec<&'b Block> {
        let named = self.blocks.iter().filter(|(found, _)| *found == name);
        named.map(|(_, block)| *block).collect()
    }

    /// The only block of a name; a second one is told.
    pub(super) fn block(
        &self,
        name: &str,
        file: usize,
        path: &str,
        findings: &mut Findings,
    ) -> Option<&'b Block> {
        let blocks = self.blocks(name);
        if let Some(second) = blocks.get(1) {
            let at = At::new(file, second.ident.span());
            let message = format!("a second `{name}` block");
            findings.error(at, "duplicate-field", path, message, None);
        }
        blocks.first().copied()
    }
}

/// Something that does not belong there, and what was meant.
fn stray(
    name: &str,
    at: At,
    path: &str,
    sort: &str,
    attributes: &[&'static str],
    blocks: &[&'static str],
    findings: &mut Findings,
) {
    let (same, other, other_sort) = if sort == "block" {
        (blocks, attributes, "attribute")
    } else {
        (attributes, blocks, "block")
    };
    let help = if other.contains(&name) && other_sort == "attribute" {
        Some(format!("write it as an attribute: `{name} = …`"))
    } else if other.contains(&name) {
        Some(format!("write it as a block: `{name} {{ … }}`"))
    } else if same.is_empty() && other.is_empty() {
        None
    } else {
        let all = same.iter().chain(other).copied();
        Some(meant(name, all))
    };
    let message = format!("unknown {sort} `{}`", shown(name));
    findings.error(at, "unknown-field", path, message, help);
}
