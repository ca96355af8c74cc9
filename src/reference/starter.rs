//! A first spec file: short, valid as it is, and with a comment at every field. The comments are those of the schema.

use crate::spec::schema::KindSchema;
use crate::spec::workload::API_VERSION;

use super::field::Field;

/// What goes into a first spec of kind `Workload`.
#[derive(Debug, Clone, Copy)]
pub struct WorkloadStarter<'s> {
    /// Name of the workload, one that [`JobId`](crate::ids::JobId) takes.
    pub name: &'s str,
    /// Image; a placeholder below `registry.example.com` when there is none.
    pub image: Option<&'s str>,
    /// Port inside the container; without one, ports are shown as a comment only.
    pub port: Option<u16>,
}

/// Widest line of a comment.
const WIDTH: usize = 100;

/// A first spec of kind `Workload`, without modeline.
#[must_use]
pub fn workload(given: &WorkloadStarter<'_>) -> String {
    workload_with(given, Optional::AsComment)
}

/// How fields are written that may be left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Optional {
    AsComment,
    /// For tests: what stands in a comment must be valid, too.
    #[cfg(test)]
    Written,
}

fn workload_with(given: &WorkloadStarter<'_>, optional: Optional) -> String {
    let name = quoted(given.name);
    let placeholder = || {
        let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
        let stem: String = given.name.chars().map(plain).collect();
        let stem = stem.trim_matches('-').to_ascii_lowercase();
        let stem = if stem.is_empty() { "app" } else { &stem };
        format!("registry.example.com/{stem}:1.0.0")
    };
    let image = quoted(&given.image.map_or_else(placeholder, str::to_owned));
    let mut page = Page::new("Workload", optional);
    page.required(2, "metadata.name", &format!("name: {name}"));
    page.optional(2, "metadata.namespace", "namespace: default");
    page.line("spec:");
    page.optional(2, "spec.type", "type: service");
    page.optional(2, "spec.replicas", "replicas: 1");
    page.line("  source:");
    page.required(4, "spec.source.image", &format!("image: {image}"));
    page.required(2, "spec.resources", "resources: {cpu: 200, memory: 256}");
    match given.port {
        Some(port) => {
            page.line("  ports:");
            page.required(4, "spec.ports.port", &format!("- port: {port}"));
            page.required(6, "spec.ports.check", "check: {type: http, path: /}");
        }
        None => page.optional(2, "spec.ports", "ports: [{port: 8080}]"),
    }
    page.optional(2, "spec.service.provider", "service: {provider: nomad}");
    page.optional(2, "spec.env", "env: {LOG_LEVEL: info}");
    page.optional(2, "spec.dependsOn", "dependsOn: [{name: database}]");
    page.text
}

/// A first spec of kind `NomadJob`, without modeline. The name stands in a quoted text of HCL: it must not have a quote, a
/// backslash, `$` or `%`.
#[must_use]
pub fn nomad_job(name: &str) -> String {
    nomad_job_with(name, Optional::AsComment)
}

fn nomad_job_with(name: &str, optional: Optional) -> String {
    let mut page = Page::new("NomadJob", optional);
    page.required(2, "metadata.name", &format!("name: {}", quoted(name)));
    page.optional(2, "metadata.namespace", "namespace: default");
    page.line("spec:");
    page.required(2, "spec.hcl", "hcl: |");
    page.line(&format!("    job \"{name}\" {{"));
    page.line(JOB);
    page.optional(2, "spec.variables", "variables: {}");
    page.optional(2, "spec.variableFiles", "variableFiles: []");
    page.optional(2, "spec.dependsOn", "dependsOn: [{name: database}]");
    page.text
}

/// The rest of a job of one task.
const JOB: &str = r#"      group "main" {
        task "main" {
          driver = "docker"
          config {
            image = "registry.example.com/app:1.0.0"
          }
          resources {
            cpu    = 200
            memory = 256
          }
        }
      }
    }"#;

/// What `cs new` prints for a kind that no example file has.
pub(super) fn example(kind: &KindSchema) -> Option<String> {
    (kind.name == "NomadJob").then(|| nomad_job("shop"))
}

/// A spec that is being written.
struct Page {
    kind: Field,
    optional: Optional,
    text: String,
}

impl Page {
    /// Begins with the envelope, up to the members of `metadata`.
    fn new(kind: &str, optional: Optional) -> Self {
        let kind = KindSchema::named(kind).expect("a kind of this build");
        let mut page = Self {
            kind: Field::of_kind(kind),
            optional,
            text: String::new(),
        };
        page.line(&format!("apiVersion: {API_VERSION}"));
        page.line(&format!("kind: {}", kind.name));
        page.line("metadata:");
        page
    }

    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    /// A field with its comment above.
    fn required(&mut self, depth: usize, path: &str, yaml: &str) {
        self.comment(depth, path);
        self.line(&format!("{:depth$}{yaml}", ""));
    }

    /// A field that is there to be found.
    fn optional(&mut self, depth: usize, path: &str, yaml: &str) {
        match self.optional {
            Optional::AsComment => {
                self.comment(depth, path);
                self.line(&format!("{:depth$}# {yaml}", ""));
            }
            #[cfg(test)]
            Optional::Written => self.required(depth, path, yaml),
        }
    }

    fn comment(&mut self, depth: usize, path: &str) {
        let field = self.kind.find(path).expect("a field of the kind");
        let lines = wrapped(field.summary(), WIDTH.saturating_sub(depth + 2));
        for line in lines {
            self.line(&format!("{:depth$}# {line}", ""));
        }
    }
}

/// Breaks a text into lines of at most so many characters, at spaces; a longer word gets a line of its own.
#[must_use]
pub fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// A text as a YAML scalar that is read back as this very text.
fn quoted(text: &str) -> String {
    const WORDS: [&str; 9] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let is_plain = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && !text.ends_with(':')
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"._/@:-".contains(&b))
        && !WORDS.contains(&text.to_ascii_lowercase().as_str());
    if is_plain {
        text.to_owned()
    } else {
        // JSON is YAML.
        serde_json::Value::from(text).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desired::validate::{Options, validate};
    use crate::spec::{Resource, parse};

    fn checked(text: &str) -> Resource {
        let mut documents =
            parse("new.yaml", text).unwrap_or_else(|found| panic!("{found:?}\n{text}"));
        assert_eq!(documents.len(), 1);
        let document = documents.remove(0);
        if let Some(workload) = document.workload() {
            let options = Options::new("tests".parse().unwrap());
            validate(workload, &options).unwrap_or_else(|issues| panic!("{issues:?}\n{text}"));
        }
        document.resource
    }

    #[test]
    fn a_first_workload_is_valid_with_and_without_what_its_comments_propose() {
        for (image, port) in [(None, None), (Some("nginx:1.27"), Some(80))] {
            let given = WorkloadStarter {
                name: "shop",
                image,
                port,
            };
            for optional in [Optional::AsComment, Optional::Written] {
                let text = workload_with(&given, optional);
                let Resource::Workload(workload) = checked(&text) else {
                    panic!("another kind");
                };
                assert_eq!(workload.metadata.name, "shop");
                let image = image.unwrap_or("registry.example.com/shop:1.0.0");
                assert_eq!(workload.spec.source.image.as_deref(), Some(image));
                if optional == Optional::AsComment {
                    assert_eq!(workload.spec.ports.len(), port.iter().count());
                }
            }
        }
    }

    #[test]
    fn a_first_nomad_job_is_valid_and_carries_hcl_that_parses() {
        for optional in [Optional::AsComment, Optional::Written] {
            let Resource::NomadJob(job) = checked(&nomad_job_with("shop", optional)) else {
                panic!("another kind");
            };
            let body: hcl::Body = hcl::from_str(job.spec.hcl.as_deref().unwrap()).unwrap();
            assert_eq!(body.blocks().next().unwrap().labels()[0].as_str(), "shop");
        }
    }

    #[test]
    fn names_that_yaml_would_take_for_something_else_are_quoted() {
        for name in [
            "on", "123", "1e3", "a#b", "0x1F", "~", "-", "null", "é", "a\"b", "a:",
        ] {
            let text = workload(&WorkloadStarter {
                name,
                image: Some("x"),
                port: None,
            });
            let documents =
                parse("new.yaml", &text).unwrap_or_else(|found| panic!("{found:?}\n{text}"));
            assert_eq!(documents[0].resource.metadata().name, name);
        }
        assert_eq!(
            quoted("registry.example.com:5000/a/b@sha256:0f"),
            "registry.example.com:5000/a/b@sha256:0f"
        );
    }

    #[test]
    fn lines_are_broken_at_spaces() {
        assert_eq!(wrapped("aa bb cc", 5), ["aa bb", "cc"]);
        assert_eq!(wrapped("aaaaaaaa b", 3), ["aaaaaaaa", "b"]);
        assert_eq!(wrapped("", 3), Vec::<String>::new());
    }
}
