//! Rules for single texts that several themes share. Each returns what is wrong, worded to follow the text's place.

use super::issues::Issues;

/// Adds an issue when a rule is broken.
pub(super) fn check(
    issues: &mut Issues,
    code: &'static str,
    path: impl Into<String>,
    broken: Option<&'static str>,
) {
    if let Some(rule) = broken {
        issues.add(code, path, rule);
    }
}

/// Something must be there, on one line. NUL is reported for the whole spec at once, see [`super::nul`].
pub(super) fn one_line(text: &str) -> Option<&'static str> {
    if text.trim().is_empty() {
        Some("must not be empty")
    } else {
        no_control(text)
    }
}

/// May be empty; on one line.
pub(super) fn no_control(text: &str) -> Option<&'static str> {
    text.chars()
        .any(|c| c.is_control() && c != '\0')
        .then_some("must not contain line breaks or other control characters")
}

/// As [`one_line`], and no white space at all.
pub(super) fn one_word(text: &str) -> Option<&'static str> {
    one_line(text).or_else(|| {
        text.chars()
            .any(char::is_whitespace)
            .then_some("must not contain white space")
    })
}

/// A variable that stands in the job as it is.
pub(super) fn plain_variable(name: &str) -> Option<&'static str> {
    one_line(name).or_else(|| name.contains('=').then_some("must not contain `=`"))
}

/// A variable that Nomad reads from a rendered file, or that a shell exports.
///
/// Nomad's reader of such files wants a letter or `_` first and cuts at `=` and white space; shells want the same.
/// Dots and hyphens are left to those who know what reads them.
/// Source: hashicorp/go-envparse, `parseLine`.
pub(super) fn rendered_variable(name: &str) -> Option<&'static str> {
    let mut characters = name.chars();
    let starts_well = characters
        .next()
        .is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    let goes_on_well = characters.all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c));
    (!starts_well || !goes_on_well)
        .then_some("must be letters, digits, `_`, `-` or `.`, with a letter or `_` first")
}

/// A name that a template binds, `$NAME`.
pub(super) fn template_variable(name: &str) -> Option<&'static str> {
    let valid = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    (!valid).then_some("must be letters, digits or `_`")
}

/// A DNS name, with `*` allowed as its first label.
pub(super) fn host_name(name: &str) -> Option<&'static str> {
    let label_is_valid = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let labels = name.strip_prefix("*.").unwrap_or(name);
    let valid = name.len() <= 253 && labels.split('.').all(label_is_valid);
    (!valid).then_some("must be labels of letters, digits and hyphens with dots between them, each at most 63 characters")
}

/// A service name that Nomad accepts for both providers.
///
/// Nomad puts a placeholder where it will put values at run time, then wants an RFC 1123 label; letters of any case.
/// Source: Nomad, `Service.Validate` (tried: `a_b`, `-a`, `a.b` and 64 characters are refused, `X` and `${…}` are not).
pub(super) fn service_label(name: &str) -> Option<&'static str> {
    let label = without_interpolation(name);
    let valid = (1..=63).contains(&label.len())
        && label
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-');
    (!valid).then_some(
        "must be letters, digits and hyphens, at most 63 characters, with neither a hyphen first nor last",
    )
}

fn without_interpolation(name: &str) -> String {
    let mut label = String::new();
    let mut rest = name;
    while let Some((before, after)) = rest.split_once("${") {
        let Some((_, after)) = after.split_once('}') else {
            break;
        };
        label.push_str(before);
        label.push_str("ENV-VAR");
        rest = after;
    }
    label + rest
}

/// A path below the task's directory; returned without leading slashes and empty or `.` parts.
pub(super) fn relative_path(path: &str) -> Result<String, &'static str> {
    if let Some(rule) = one_line(path) {
        return Err(rule);
    }
    if path.ends_with('/') {
        return Err("must name a file, not a directory");
    }
    let parts: Vec<&str> = path
        .split('/')
        .filter(|part| !part.is_empty() && *part != ".")
        .collect();
    if parts.is_empty() {
        Err("must name a file")
    } else if parts.contains(&"..") {
        Err("must not contain `..`")
    } else {
        Ok(parts.join("/"))
    }
}
