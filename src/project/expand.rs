//! Names of the environment inside texts: `env("X")`, `$X`, `${X}`.
//!
//! The replaced program expanded them in texts of a hand-written file, after everything else. Only what was written by hand
//! is expanded here: a password that comes out of the environment keeps its `$`. Params of the platform never pass here.

/// Expands a text. `lookup` answers a variable; unset ones are empty. Names that were not set are added to `unset`.
pub(super) fn expand(
    text: &str,
    lookup: &dyn Fn(&str) -> Option<String>,
    unset: &mut Vec<String>,
) -> String {
    if !text.contains('$') && !text.contains("env(") {
        return text.to_owned();
    }
    let mut value = |name: &str| match lookup(name) {
        Some(value) => value,
        None => {
            unset.push(name.to_owned());
            String::new()
        }
    };
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['$', 'e']) {
        let (before, here) = rest.split_at(at);
        out.push_str(before);
        match reference(here) {
            Some((name, length)) => {
                out.push_str(&value(name));
                rest = &here[length..];
            }
            None => {
                out.push_str(&here[..1]);
                rest = &here[1..];
            }
        }
    }
    out.push_str(rest);
    out
}

/// The name that a text refers to at its beginning, and how many bytes the reference has.
fn reference(text: &str) -> Option<(&str, usize)> {
    if let Some(rest) = text.strip_prefix("env(") {
        let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        let name = &rest[1..][..rest[1..].find(quote)?];
        let tail = &rest[1 + name.len() + 1..];
        return (is_name(name) && tail.starts_with(')'))
            .then_some((name, "env(".len() + name.len() + 3));
    }
    let rest = text.strip_prefix('$')?;
    if let Some(inner) = rest.strip_prefix('{') {
        let name = &inner[..inner.find('}')?];
        return is_name(name).then_some((name, name.len() + 3));
    }
    let length = rest
        .bytes()
        .take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
        .count();
    let name = &rest[..length];
    is_name(name).then_some((name, length + 1))
}

/// Letters, digits and `_`, no digit first.
fn is_name(name: &str) -> bool {
    name.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && name
            .bytes()
            .next()
            .is_some_and(|byte| !byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(text: &str) -> (String, Vec<String>) {
        let mut unset = Vec::new();
        let lookup = |name: &str| match name {
            "A" => Some("alpha".to_owned()),
            "B_2" => Some("$A".to_owned()),
            _ => None,
        };
        let text = expand(text, &lookup, &mut unset);
        (text, unset)
    }

    #[test]
    fn names_are_replaced_once() {
        for (text, wanted) in [
            ("$A/${A}", "alpha/alpha"),
            ("x-env(\"A\")-env('A')", "x-alpha-alpha"),
            ("$B_2", "$A"),
            ("cost: 5$ or $5 or $$", "cost: 5$ or $5 or $$"),
            ("${not closed", "${not closed"),
            ("env(A) env(\"A' env()", "env(A) env(\"A' env()"),
            ("é$A€", "éalpha€"),
            ("${NOMAD_PORT.x}", "${NOMAD_PORT.x}"),
        ] {
            let (text, unset) = expanded(text);
            assert_eq!((text.as_str(), unset.len()), (wanted, 0));
        }
    }

    #[test]
    fn a_name_that_is_not_set_is_empty_and_told() {
        assert_eq!(
            expanded("a$NONE b"),
            ("a b".to_owned(), vec!["NONE".to_owned()])
        );
    }
}
