//! The reference page of a kind.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::spec::schema::KindSchema;
use crate::spec::workload::API_VERSION;

use super::example;
use super::field::Field;

/// Writes the page of a kind: an example, then every field with type, default and meaning.
///
/// Each mapping has a section. Types that stand at several places, such as `SecretRef`, have theirs at the end.
#[must_use]
pub fn page(kind: &KindSchema) -> String {
    let top = Field::of_kind(kind);
    let word = kind.word();
    let mut page = Page {
        kind,
        shared: shared(&top),
        text: String::new(),
    };
    page.paragraph(&format!(
        "<!-- Generated: cs explain {word} -o markdown > docs/spec/{word}.md -->\n# {}\n{}",
        kind.name, top.description
    ));
    page.paragraph(&format!(
        "`apiVersion: {API_VERSION}` · schema: [schemas/{file}](../../schemas/{file}) · on a terminal: `cs explain {word}.spec`. \
         A field is written as it stands here; an unknown one is an error. A field without a value counts as left out.",
        file = kind.file()
    ));
    if let Some(example) = example::whole(kind) {
        page.paragraph(&format!("## Example\nFrom `{}`:", example.source));
        page.code(&example.text);
    }
    page.paragraph("## Fields");
    page.table(&top.fields);
    page.sections(&top.fields);
    for (name, field) in page.shared.clone() {
        page.section(&name, field, "");
    }
    page.text
}

/// Types with fields that stand at more than one place, each with one of its places.
fn shared(top: &Field) -> BTreeMap<String, &Field> {
    let mut seen: BTreeMap<String, Vec<&Field>> = BTreeMap::new();
    top.walk(&mut |field| {
        if let Some(name) = field.shared.as_ref().filter(|_| !field.fields.is_empty()) {
            seen.entry(name.clone()).or_default().push(field);
        }
    });
    seen.into_iter()
        .filter(|(_, fields)| fields.len() > 1)
        .map(|(name, fields)| (name, fields[0]))
        .collect()
}

struct Page<'f> {
    kind: &'f KindSchema,
    shared: BTreeMap<String, &'f Field>,
    text: String,
}

impl<'f> Page<'f> {
    fn paragraph(&mut self, text: &str) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        self.text.push_str(text.trim_end());
        self.text.push('\n');
    }

    fn code(&mut self, yaml: &str) {
        let _ = writeln!(self.text, "```yaml\n{yaml}\n```");
    }

    fn is_shared(&self, field: &Field) -> bool {
        field
            .shared
            .as_ref()
            .is_some_and(|name| self.shared.contains_key(name))
    }

    /// The sections of everything below that has fields of its own.
    fn sections(&mut self, fields: &'f [Field]) {
        for field in fields.iter().filter(|field| !field.fields.is_empty()) {
            if self.is_shared(field) {
                continue;
            }
            // The names that users choose have no section: their values have.
            let only_names = field.fields.len() == 1 && field.fields[0].name == "*";
            if !only_names {
                self.section(&heading(field), field, &field.path);
            }
            self.sections(&field.fields);
        }
    }

    fn section(&mut self, title: &str, field: &'f Field, path: &str) {
        let is_shared = path.is_empty();
        let told = if is_shared { "" } else { &field.description };
        self.paragraph(&format!("### {title}\n{told}"));
        if let Some(constraint) = &field.constraint {
            self.paragraph(&format!("It {constraint}."));
        }
        // The whole example above shows the top of the document.
        let is_top = !field.path.contains('.');
        if !is_top && let Some(example) = example::of_field(self.kind, &field.path) {
            self.paragraph(&format!("From `{}`:", example.source));
            self.code(&example.text);
        }
        self.table(&field.fields);
    }

    fn table(&mut self, fields: &[Field]) {
        self.paragraph("| Field | Type | Default | Meaning |\n|---|---|---|---|");
        for field in fields {
            let row = format!(
                "| `{}` | {} | {} | {} |\n",
                field.name,
                self.type_cell(field),
                default_cell(field),
                meaning_cell(field)
            );
            self.text.push_str(&row);
        }
    }

    /// The type, leading to the section of its fields.
    fn type_cell(&self, field: &Field) -> String {
        let name = escaped(&field.type_name);
        let section = match &field.shared {
            Some(shared) if self.is_shared(field) => shared.clone(),
            _ if !field.fields.is_empty() => {
                let inner = field.fields.iter().find(|inner| inner.name == "*");
                match inner.and_then(|inner| inner.shared.as_ref()) {
                    Some(shared) if self.shared.contains_key(shared) => shared.clone(),
                    _ => heading(inner.unwrap_or(field)),
                }
            }
            _ => return name,
        };
        format!(
            "[{}]({})",
            name.replace('[', "\\[").replace(']', "\\]"),
            anchor(&section)
        )
    }
}

fn heading(field: &Field) -> String {
    match field.type_name.starts_with("[]") {
        true => format!("{}[]", field.path),
        false => field.path.clone(),
    }
}

/// The link to a heading, as GitHub and GitLab make them.
fn anchor(heading: &str) -> String {
    let kept = |c: &char| c.is_alphanumeric() || *c == '-' || *c == '_';
    let slug: String = heading.to_lowercase().chars().filter(kept).collect();
    format!("#{slug}")
}

fn default_cell(field: &Field) -> String {
    match &field.default {
        Some(default) => escaped(default),
        None if field.required => "**required**".to_owned(),
        None => String::new(),
    }
}

fn meaning_cell(field: &Field) -> String {
    let mut cell = escaped(&field.description.replace("\n\n", "<br>"));
    // Of what has fields, its section tells.
    if let Some(constraint) = &field.constraint
        && field.fields.is_empty()
        && !says(&field.description, constraint)
    {
        let _ = write!(cell, "<br>It {constraint}.");
    }
    // The only value there is has been named.
    for choice in field.values.iter().filter(|_| field.values.len() > 1) {
        let _ = write!(cell, "<br>`{}`: {}", choice.value, escaped(&choice.meaning));
    }
    cell
}

/// Whether a description names the bounds already.
fn says(description: &str, constraint: &str) -> bool {
    let bounds = constraint
        .trim_start_matches("must be ")
        .trim_start_matches("from ");
    description.contains(bounds)
}

/// A text inside a table.
fn escaped(text: &str) -> String {
    text.replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::schema::KINDS;

    #[test]
    fn every_link_leads_to_a_heading_and_every_heading_is_there_once() {
        for kind in &KINDS {
            let page = page(kind);
            let mut headings: Vec<String> = page
                .lines()
                .filter_map(|line| line.strip_prefix("## ").or(line.strip_prefix("### ")))
                .map(anchor)
                .collect();
            let links = page
                .split("](#")
                .skip(1)
                .filter_map(|rest| rest.split(')').next());
            for link in links {
                assert!(
                    headings.contains(&format!("#{link}")),
                    "{}: {link}",
                    kind.name
                );
            }
            let all = headings.len();
            headings.sort();
            headings.dedup();
            assert_eq!(headings.len(), all, "{}", kind.name);
        }
    }

    #[test]
    fn every_field_has_its_row() {
        for kind in &KINDS {
            let page = page(kind);
            Field::of_kind(kind).walk(&mut |field| {
                if !field.path.is_empty() && field.name != "*" {
                    let row = format!("| `{}` |", field.name);
                    assert!(page.contains(&row), "{}.{}", kind.name, field.path);
                }
            });
        }
    }

    #[test]
    fn a_table_keeps_its_columns() {
        for kind in &KINDS {
            for line in page(kind).lines().filter(|line| line.starts_with("| `")) {
                let columns = line.replace("\\|", "").matches('|').count();
                assert_eq!(columns, 5, "{line}");
            }
        }
    }
}
