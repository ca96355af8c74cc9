//! JSON as leniently as Go's `encoding/json` reads it, with every type error collected.
//!
//! Keys match whatever their case, the last duplicate wins, unknown keys are ignored and `null` leaves the default.
//! Duplicates of an object are merged, as Go does by decoding each into the same struct. What a field may hold is
//! contract 1.4: `FI` is [`Object::number`], `FS` [`Object::flexible_text`], `S` [`Object::text`], `I`
//! [`Object::integer`], `B` and `B?` [`Object::flag`].

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::error::Problem;
use crate::secret::Secret;

/// Any JSON value. Objects keep order and duplicates, and integers stay apart from other numbers.
///
/// No `Debug`: it holds secrets.
#[derive(Clone, PartialEq)]
pub(super) enum Tree {
    Null,
    Bool(bool),
    /// A number without fraction or exponent that fits.
    Int(i64),
    /// Every other number.
    Float(f64),
    Text(String),
    List(Vec<Self>),
    Object(Vec<(String, Self)>),
}

impl Tree {
    /// What it is, in words for a message.
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Int(_) => "a number",
            Self::Float(_) => "a fraction or a number out of range",
            Self::Text(_) => "a string",
            Self::List(_) => "a list",
            Self::Object(_) => "an object",
        }
    }
}

struct TreeVisitor;

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Tree, E> {
        Ok(Tree::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Tree, E> {
        Ok(Tree::Int(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Tree, E> {
        // Beyond 64 signed bits Go falls back to a double; the cast is that rounding.
        Ok(i64::try_from(value).map_or(Tree::Float(value as f64), Tree::Int))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Tree, E> {
        // serde_json reads the integer `-0` as a float.
        let minus_zero = value == 0.0 && value.is_sign_negative();
        Ok(if minus_zero {
            Tree::Int(0)
        } else {
            Tree::Float(value)
        })
    }

    fn visit_str<E>(self, value: &str) -> Result<Tree, E> {
        Ok(Tree::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Tree, E> {
        Ok(Tree::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Tree, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Tree::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Tree, A::Error> {
        let mut object = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            object.push(entry);
        }
        Ok(Tree::Object(object))
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TreeVisitor)
    }
}

/// Parses one JSON document. The document `null` counts as an empty object.
///
/// Nesting is bounded at 127 levels by serde_json, so no input can exhaust the stack.
///
/// # Errors
/// What is wrong and where: serde_json words syntax errors without any of the text.
pub(super) fn parse(json: &str) -> Result<Vec<(String, Tree)>, String> {
    match serde_json::from_str(json) {
        Ok(Tree::Object(entries)) => Ok(entries),
        Ok(Tree::Null) => Ok(Vec::new()),
        Ok(other) => Err(format!("expected an object, found {}", other.kind())),
        Err(error) => Err(error.to_string()),
    }
}

/// The entries of the outermost object that can be read before the syntax breaks, if it does.
pub(super) fn salvage(json: &str) -> Vec<(String, Tree)> {
    let mut entries = Vec::new();
    // The error is told by `parse`; here only counts what came before it.
    let _ = Salvage(&mut entries).deserialize(&mut serde_json::Deserializer::from_str(json));
    entries
}

struct Salvage<'a>(&'a mut Vec<(String, Tree)>);

impl<'de> DeserializeSeed<'de> for Salvage<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Salvage<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        while let Some(entry) = entries.next_entry()? {
            self.0.push(entry);
        }
        Ok(())
    }
}

/// Type errors in the order in which they were met.
#[derive(Default)]
pub(super) struct Problems(RefCell<Vec<Problem>>);

impl Problems {
    fn mistyped(&self, place: String, expected: &str, found: &Tree) {
        let text = format!("expected {expected}, found {}", found.kind());
        self.0.borrow_mut().push(Problem::refused(place, text));
    }

    pub(super) fn into_inner(self) -> Vec<Problem> {
        self.0.into_inner()
    }
}

/// What one occurrence of a key does to its field.
enum Reading<T> {
    Unchanged,
    Cleared,
    Value(T),
    Mistyped,
}

/// An object, or several of the same key merged, that is read field by field.
pub(super) struct Object<'a> {
    entries: Vec<(&'a str, &'a Tree)>,
    path: String,
    problems: &'a Problems,
}

impl<'a> Object<'a> {
    /// The outermost object.
    pub(super) fn top(entries: &'a [(String, Tree)], problems: &'a Problems) -> Self {
        let entries = entries.iter().map(|(k, v)| (k.as_str(), v)).collect();
        Self {
            entries,
            path: String::new(),
            problems,
        }
    }

    /// `S`: text only.
    pub(super) fn text(&self, key: &str) -> String {
        self.last(key, "a string", |value| match value {
            Tree::Null => Reading::Unchanged,
            Tree::Text(text) => Reading::Value(text.clone()),
            _ => Reading::Mistyped,
        })
        .unwrap_or_default()
    }

    /// `S` that must not be shown.
    pub(super) fn secret(&self, key: &str) -> Secret {
        Secret::new(self.text(key))
    }

    /// `FS`: text, or a number that is printed without a fraction.
    pub(super) fn flexible_text(&self, key: &str) -> String {
        self.last(key, "a string or a number", |value| match value {
            Tree::Null => Reading::Cleared,
            Tree::Text(text) => Reading::Value(text.clone()),
            Tree::Int(number) => Reading::Value(number.to_string()),
            // Half to even, as Go's `strconv.FormatFloat(f, 'f', 0, 64)`.
            Tree::Float(number) => Reading::Value(format!("{number:.0}")),
            _ => Reading::Mistyped,
        })
        .unwrap_or_default()
    }

    /// `FI`: an integer, or text that holds one. Absent, `null` and empty text give `None`.
    pub(super) fn number(&self, key: &str) -> Option<i64> {
        let expected = "a whole number of 64 bits, or a string that holds one";
        self.last(key, expected, |value| match value {
            Tree::Null => Reading::Cleared,
            Tree::Int(number) => Reading::Value(*number),
            Tree::Text(text) if text.is_empty() => Reading::Cleared,
            Tree::Text(text) => text.parse().map_or(Reading::Mistyped, Reading::Value),
            _ => Reading::Mistyped,
        })
    }

    /// `I`: an integer only.
    pub(super) fn integer(&self, key: &str) -> Option<i64> {
        self.last(key, "a whole number of 64 bits", |value| match value {
            Tree::Null => Reading::Unchanged,
            Tree::Int(number) => Reading::Value(*number),
            _ => Reading::Mistyped,
        })
    }

    /// `B` and `B?`.
    pub(super) fn flag(&self, key: &str) -> Option<bool> {
        self.last(key, "true or false", |value| match value {
            Tree::Null => Reading::Unchanged,
            Tree::Bool(flag) => Reading::Value(*flag),
            _ => Reading::Mistyped,
        })
    }

    /// An object; absent ones are empty.
    pub(super) fn object(&self, key: &str) -> Self {
        self.optional_object(key).unwrap_or_else(|| Object {
            entries: Vec::new(),
            path: self.place(key),
            problems: self.problems,
        })
    }

    /// An object, if there is one.
    pub(super) fn optional_object(&self, key: &str) -> Option<Self> {
        let mut merged: Option<Vec<_>> = None;
        for value in self.occurrences(key) {
            match value {
                Tree::Null => {}
                Tree::Object(entries) => merged
                    .get_or_insert_default()
                    .extend(entries.iter().map(|(k, v)| (k.as_str(), v))),
                other => self.problems.mistyped(self.place(key), "an object", other),
            }
        }
        merged.map(|entries| Object {
            entries,
            path: self.place(key),
            problems: self.problems,
        })
    }

    /// A list of objects; `null` among them is an empty one.
    pub(super) fn objects(&self, key: &str) -> Vec<Self> {
        self.list(key, "a list of objects", "an object", |item, path| {
            let entries = match item {
                Tree::Null => Vec::new(),
                Tree::Object(entries) => entries.iter().map(|(k, v)| (k.as_str(), v)).collect(),
                _ => return None,
            };
            Some(Object {
                entries,
                path: path.to_owned(),
                problems: self.problems,
            })
        })
    }

    /// A list of texts; `null` among them is an empty one.
    pub(super) fn texts(&self, key: &str) -> Vec<String> {
        self.list(key, "a list of strings", "a string", |item, _| match item {
            Tree::Null => Some(String::new()),
            Tree::Text(text) => Some(text.clone()),
            _ => None,
        })
    }

    /// An object whose values are all texts; its keys keep their case.
    pub(super) fn text_map(&self, key: &str) -> BTreeMap<String, String> {
        let Some(object) = self.optional_object(key) else {
            return BTreeMap::new();
        };
        let mut map = BTreeMap::new();
        for (index, (name, value)) in object.entries.iter().enumerate() {
            match value {
                Tree::Text(text) => map.insert((*name).to_owned(), text.clone()),
                Tree::Null => map.insert((*name).to_owned(), String::new()),
                other => {
                    // By number: the name is the sender's and may hold anything.
                    let place = format!("{} entry {}", object.path, index + 1);
                    self.problems.mistyped(place, "a string", other);
                    None
                }
            };
        }
        map
    }

    fn list<T>(
        &self,
        key: &str,
        expected: &str,
        expected_item: &str,
        read: impl Fn(&'a Tree, &str) -> Option<T>,
    ) -> Vec<T> {
        let mut list = Vec::new();
        for value in self.occurrences(key) {
            list.clear();
            match value {
                Tree::Null => {}
                Tree::List(items) => {
                    for (index, item) in items.iter().enumerate() {
                        let path = format!("{}[{index}]", self.place(key));
                        match read(item, &path) {
                            Some(read) => list.push(read),
                            None => self.problems.mistyped(path, expected_item, item),
                        }
                    }
                }
                other => self.problems.mistyped(self.place(key), expected, other),
            }
        }
        list
    }

    fn last<T>(&self, key: &str, expected: &str, read: impl Fn(&Tree) -> Reading<T>) -> Option<T> {
        let mut last = None;
        for value in self.occurrences(key) {
            match read(value) {
                Reading::Unchanged => {}
                Reading::Cleared => last = None,
                Reading::Value(value) => last = Some(value),
                Reading::Mistyped => self.problems.mistyped(self.place(key), expected, value),
            }
        }
        last
    }

    fn occurrences(&self, name: &str) -> impl Iterator<Item = &'a Tree> {
        self.entries
            .iter()
            .filter(move |(key, _)| folds_to(key, name))
            .map(|(_, value)| *value)
    }

    pub(super) fn place(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        }
    }
}

/// Whether Go takes `key` for the field `name`: ASCII letters match in either case, and so do the two letters beyond
/// ASCII whose case folds into it (`ſ`, and the sign for kelvin).
fn folds_to(key: &str, name: &str) -> bool {
    let fold = |c: char| match c {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        other => other.to_ascii_lowercase(),
    };
    key.chars().map(fold).eq(name.chars().map(fold))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<T>(json: &str, field: impl Fn(&Object<'_>) -> T) -> (T, Vec<String>) {
        let entries = parse(json).unwrap();
        let problems = Problems::default();
        let value = field(&Object::top(&entries, &problems));
        let problems = problems
            .into_inner()
            .iter()
            .map(Problem::to_string)
            .collect();
        (value, problems)
    }

    #[test]
    fn flexible_integers_take_numbers_and_texts_that_hold_one() {
        for (json, wanted) in [
            ("5678", Some(5678)),
            ("\"5678\"", Some(5678)),
            ("\"+5\"", Some(5)),
            ("\"-5\"", Some(-5)),
            ("\"007\"", Some(7)),
            ("-0", Some(0)),
            ("9223372036854775807", Some(i64::MAX)),
            ("\"\"", None),
            ("null", None),
        ] {
            let (value, problems) = read(&format!("{{\"n\":{json}}}"), |o| o.number("n"));
            assert_eq!(value, wanted, "{json}");
            assert!(problems.is_empty(), "{json}: {problems:?}");
        }
    }

    #[test]
    fn flexible_integers_refuse_everything_else_without_repeating_it() {
        for json in [
            "1.0",
            "1e2",
            "true",
            "\" 5\"",
            "\"12a\"",
            "[77]",
            "{\"a\":77}",
            "9223372036854775808",
        ] {
            let (value, problems) = read(&format!("{{\"n\":{json}}}"), |o| o.number("n"));
            assert_eq!(value, None, "{json}");
            assert_eq!(problems.len(), 1, "{json}");
            assert!(
                problems[0].starts_with("n: expected a whole number"),
                "{problems:?}"
            );
            assert!(!problems[0].contains("12a") && !problems[0].contains("77"));
        }
    }

    #[test]
    fn flexible_texts_print_numbers_without_a_fraction() {
        for (json, wanted) in [
            ("\"a\"", "a"),
            ("3694", "3694"),
            ("-3", "-3"),
            ("3694.0", "3694"),
            ("3694.6", "3695"),
            ("2.5", "2"),
            ("3.5", "4"),
            ("1e3", "1000"),
            ("9223372036854775808", "9223372036854775808"),
            (
                "123456789012345678901234567890",
                "123456789012345677877719597056",
            ),
            ("null", ""),
        ] {
            let (value, problems) = read(&format!("{{\"s\":{json}}}"), |o| o.flexible_text("s"));
            assert_eq!(value, wanted, "{json}");
            assert!(problems.is_empty(), "{json}: {problems:?}");
        }
        for json in ["true", "{}", "[]"] {
            let (_, problems) = read(&format!("{{\"s\":{json}}}"), |o| o.flexible_text("s"));
            assert_eq!(problems.len(), 1, "{json}");
        }
    }

    #[test]
    fn strict_types_stay_strict() {
        for json in ["5", "true", "[]"] {
            let (_, problems) = read(&format!("{{\"x\":{json}}}"), |o| o.text("x"));
            assert_eq!(problems.len(), 1, "text {json}");
        }
        for json in ["\"5\"", "1.5", "\"\"", "5.0"] {
            let (_, problems) = read(&format!("{{\"x\":{json}}}"), |o| o.integer("x"));
            assert_eq!(problems.len(), 1, "integer {json}");
        }
        for json in ["\"true\"", "1", "\"\""] {
            let (_, problems) = read(&format!("{{\"x\":{json}}}"), |o| o.flag("x"));
            assert_eq!(problems.len(), 1, "flag {json}");
        }
    }

    #[test]
    fn keys_match_in_any_case_and_the_last_duplicate_wins() {
        let json = r#"{"JOBID":"a","jobId":"b","jobid":"c","tas\u212A":"d"}"#;
        assert_eq!(read(json, |o| o.text("jobId")).0, "c");
        assert_eq!(read(json, |o| o.text("task")).0, "d");
        assert_eq!(read(json, |o| o.text("jobId2")).0, "");
    }

    #[test]
    fn null_leaves_a_text_alone_and_clears_a_flexible_number() {
        let json = r#"{"s":"a","s":null,"n":1,"n":null}"#;
        assert_eq!(read(json, |o| o.text("s")).0, "a");
        assert_eq!(read(json, |o| o.number("n")).0, None);
    }

    #[test]
    fn duplicates_of_an_object_are_merged_and_those_of_a_list_replace_it() {
        let json = r#"{"o":{"a":"1","b":"2"},"O":{"A":"3"},"l":["x"],"l":["y"]}"#;
        let (o, _) = read(json, |o| {
            let o = o.object("o");
            (o.text("a"), o.text("b"))
        });
        assert_eq!(o, ("3".to_owned(), "2".to_owned()));
        assert_eq!(read(json, |o| o.texts("l")).0, ["y"]);
    }

    #[test]
    fn every_type_error_is_collected_with_its_path() {
        let json = r#"{"a":[{"b":{"n":true}},5],"c":7,"m":{"k":1}}"#;
        let ((), problems) = read(json, |o| {
            for item in o.objects("a") {
                item.object("b").number("n");
            }
            o.text("c");
            o.text_map("m");
        });
        assert_eq!(problems.len(), 4, "{problems:?}");
        for part in [
            "a[1]: expected an object",
            "a[0].b.n: ",
            "c: expected a string, found a number",
            "m entry 1: ",
        ] {
            assert!(
                problems.iter().any(|p| p.starts_with(part)),
                "{part} in {problems:?}"
            );
        }
    }

    #[test]
    fn syntax_errors_tell_the_place_and_not_the_text() {
        for bad in [
            "",
            "{",
            "{\"k\":canary}",
            "{\"canary\":1} canary",
            "{\"a\":\"canary\u{1}\"}",
            "[\"canary\"]",
            "\"canary\"",
        ] {
            let Err(error) = parse(bad) else {
                panic!("{bad} was accepted")
            };
            assert!(!error.contains("canary"), "{error}");
        }
        assert!(parse("null").unwrap().is_empty());
        assert!(parse(" {} \n\t ").unwrap().is_empty());
    }

    #[test]
    fn deep_nesting_is_refused_and_does_not_exhaust_the_stack() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
        let Err(error) = parse(&deep) else {
            panic!("accepted")
        };
        assert!(error.contains("recursion limit"), "{error}");
        assert!(salvage(&deep).is_empty());
    }

    #[test]
    fn entries_before_a_syntax_error_can_be_salvaged() {
        let entries = salvage(r#"{"a":"1","b":{"c":2},"d":"unfinis"#);
        let names: Vec<&str> = entries.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["a", "b"]);
    }
}
