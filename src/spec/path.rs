//! Paths inside a document, as people write them: `spec.ports[1].check.timeout`, `metadata.labels["app.example/name"]`.
//!
//! One spelling for the reader, the validator and the report, so that a problem found by one can be placed by another.

/// The path of a member. Keys that are not plain words are quoted, so that a dot inside of one is no separator.
#[must_use]
pub fn member(path: &str, key: &str) -> String {
    let plain = !key.is_empty()
        && key
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
    if !plain {
        format!("{path}[{key:?}]")
    } else if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

/// The path of an element, counted from 0.
#[must_use]
pub fn element(path: &str, index: usize) -> String {
    format!("{path}[{index}]")
}

/// The path of what a path is in; the top is the empty path and is in nothing.
#[must_use]
pub fn parent(path: &str) -> Option<&str> {
    if path.is_empty() {
        return None;
    }
    let cut = if path.ends_with("\"]") {
        path.rfind("[\"")
    } else if path.ends_with(']') {
        path.rfind('[')
    } else {
        path.rfind('.')
    };
    Some(&path[..cut.unwrap_or(0)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_built_and_taken_apart_step_by_step() {
        let timeout = member(
            &member(&element(&member("spec", "ports"), 1), "check"),
            "timeout",
        );
        assert_eq!(timeout, "spec.ports[1].check.timeout");
        let mut steps = vec![timeout.as_str()];
        while let Some(up) = parent(steps[steps.len() - 1]) {
            steps.push(up);
        }
        assert_eq!(
            steps,
            [
                "spec.ports[1].check.timeout",
                "spec.ports[1].check",
                "spec.ports[1]",
                "spec.ports",
                "spec",
                ""
            ]
        );
    }

    #[test]
    fn a_key_with_a_dot_stays_one_step() {
        let label = member("metadata.labels", "app.example/name");
        assert_eq!(label, r#"metadata.labels["app.example/name"]"#);
        assert_eq!(parent(&label), Some("metadata.labels"));
    }
}
