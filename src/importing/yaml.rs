//! Documents as YAML for people.

use std::cmp::Ordering;

use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};
use serde_json::Value;

use crate::spec::nomad_job::NomadJob;

/// Lets editors check and complete the file.
pub const MODELINE: &str = "# yaml-language-server: $schema=../schemas/cloudstation.io_v1.json\n";

/// Between two documents.
pub const SEPARATOR: &str = "---\n";

/// A native job as one YAML document: what names things first, what is long last, the rest sorted.
#[must_use]
pub fn nomad_job(document: &NomadJob) -> String {
    let value = serde_json::to_value(document).expect("plain data with text keys");
    serde_saphyr::to_string(&Ordered(&value))
        .expect("a job is made of maps, lists and scalars, and a String takes every write")
}

/// Members that come first, in this order.
const FIRST: [&str; 12] = [
    "apiVersion",
    "kind",
    "metadata",
    "spec",
    "name",
    "ID",
    "Name",
    "Label",
    "Type",
    "Driver",
    "Region",
    "Count",
];

/// Members that come last, in this order.
const LAST: [&str; 3] = ["Services", "TaskGroups", "Tasks"];

struct Ordered<'a>(&'a Value);

impl Serialize for Ordered<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Object(members) => {
                let mut sorted: Vec<(&String, &Value)> = members.iter().collect();
                sorted.sort_by(|(a, _), (b, _)| order(a, b));
                let mut map = serializer.serialize_map(Some(sorted.len()))?;
                for (name, value) in sorted {
                    map.serialize_entry(name, &Ordered(value))?;
                }
                map.end()
            }
            Value::Array(items) => {
                let mut list = serializer.serialize_seq(Some(items.len()))?;
                for item in items {
                    list.serialize_element(&Ordered(item))?;
                }
                list.end()
            }
            scalar => scalar.serialize(serializer),
        }
    }
}

fn order(a: &str, b: &str) -> Ordering {
    let rank = |name: &str| {
        let first = FIRST.iter().position(|first| *first == name);
        let last = LAST.iter().position(|last| *last == name);
        match (first, last) {
            (Some(at), _) => (0, at),
            (None, None) => (1, 0),
            (None, Some(at)) => (2, at),
        }
    };
    rank(a).cmp(&rank(b)).then_with(|| a.cmp(b))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::importing::document::of_job;
    use crate::spec::{Resource, parse};

    #[test]
    fn what_is_written_is_read_back_and_reads_well() {
        let texts = json!({"A": "yes", "B": "007", "C": "line\n  two \n\ttab\n", "D": "a: b # c", "E": " x ", "F": "",
            "G": "1e3", "H": "null", "I": "~", "J": "- a", "K": "{{ x }}", "L": "é\u{7f}\u{0}", "M": "0x10", "N": "*a"});
        let job = json!({"TaskGroups": [{"Tasks": [{"Env": texts, "Name": "t"}], "Name": "g", "Count": 2}],
            "Type": "batch", "ID": "a", "Periodic": {"Spec": "@daily"}});
        let document = of_job(
            &json!({"ID": "a", "Namespace": "prod"}),
            job.clone(),
            vec!["/Meta".into()],
        );
        let text = nomad_job(&document);
        let read = parse("x", &text).unwrap_or_else(|found| panic!("{found:?}\n{text}"));
        let Resource::NomadJob(read) = &read[0].resource else {
            panic!("{text}")
        };
        assert_eq!(**read, document, "{text}");
        let start = "apiVersion: cloudstation.io/v1\nkind: NomadJob\nmetadata:\n  name: a\n  namespace: prod\nspec:\n";
        assert!(text.starts_with(start), "{text}");
        let places = [
            "ID:",
            "Type:",
            "Periodic:",
            "TaskGroups:",
            "Name: g",
            "Count: 2",
            "Tasks:",
        ];
        let places: Vec<usize> = places.iter().map(|word| text.find(word).unwrap()).collect();
        assert!(places.is_sorted(), "{text}");
    }

    #[test]
    fn hcl_stands_there_line_by_line() {
        let mut document = of_job(&json!({"ID": "a"}), json!(null), vec![]);
        document.spec.job = None;
        document.spec.hcl = Some("job \"a\" {\n  type = \"batch\"\n}\n".to_owned());
        let text = nomad_job(&document);
        assert!(
            text.contains("  hcl: |\n    job \"a\" {\n      type = \"batch\"\n    }\n"),
            "{text}"
        );
    }
}
