//! JUnit's XML: one test case a file. It fails when the file has an error; warnings stand in its output.

use std::fmt::Write as _;

use super::{Validated, number};
use crate::spec::{Diagnostic, Severity};

pub(in crate::cli) fn suites(validated: &Validated) -> String {
    let cases: Vec<Case<'_>> = validated
        .files
        .iter()
        .map(|file| Case::of(file, validated))
        .collect();
    let failures = cases.iter().filter(|case| !case.errors.is_empty()).count();
    let counts = format!(
        "tests=\"{}\" failures=\"{failures}\" errors=\"0\"",
        cases.len()
    );
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ = writeln!(xml, "<testsuites name=\"cs validate\" {counts}>");
    let _ = writeln!(
        xml,
        "  <testsuite name=\"cs validate\" {counts} skipped=\"0\">"
    );
    for case in &cases {
        case.write(&mut xml);
    }
    xml.push_str("  </testsuite>\n</testsuites>\n");
    xml
}

struct Case<'v> {
    file: &'v str,
    errors: Vec<&'v Diagnostic>,
    warnings: Vec<&'v Diagnostic>,
}

impl<'v> Case<'v> {
    fn of(file: &'v str, validated: &'v Validated) -> Self {
        // Sorted by file.
        let findings = &validated.findings;
        let start = findings.partition_point(|one| one.file.as_str() < file);
        let of_file = findings[start..].iter().take_while(|one| one.file == file);
        let (errors, warnings) = of_file.partition(|one| one.severity == Severity::Error);
        Self {
            file,
            errors,
            warnings,
        }
    }

    fn write(&self, xml: &mut String) {
        let Self {
            file,
            errors,
            warnings,
        } = self;
        let file = escaped(file);
        let _ = write!(
            xml,
            "    <testcase classname=\"cs.validate\" name=\"{file}\" file=\"{file}\">"
        );
        if let Some(first) = errors.first() {
            let message = match errors.len() {
                1 => first.message.clone(),
                several => format!("{}, the first: {}", number(several, "error"), first.message),
            };
            let _ = write!(
                xml,
                "\n      <failure type=\"{}\" message=\"{}\">{}</failure>",
                escaped(first.code),
                escaped(&message),
                escaped(&listed(errors))
            );
        }
        if !warnings.is_empty() {
            let _ = write!(
                xml,
                "\n      <system-out>{}</system-out>",
                escaped(&listed(warnings))
            );
        }
        if !errors.is_empty() || !warnings.is_empty() {
            xml.push_str("\n    ");
        }
        xml.push_str("</testcase>\n");
    }
}

fn listed(findings: &[&Diagnostic]) -> String {
    let line = |one: &&Diagnostic| match &one.help {
        Some(help) => format!("{one}\n  help: {help}"),
        None => one.to_string(),
    };
    let lines: Vec<String> = findings.iter().map(line).collect();
    lines.join("\n")
}

/// Text inside an element or an attribute. XML 1.0 has no way at all to write most control characters.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            '\n' => escaped.push_str("&#10;"),
            '\t' => escaped.push_str("&#9;"),
            '\u{fffe}' | '\u{ffff}' => escaped.push(char::REPLACEMENT_CHARACTER),
            c if crate::plain::steers(c) => escaped.push(char::REPLACEMENT_CHARACTER),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::super::samples::{finding, validated};
    use super::*;

    #[test]
    fn a_file_is_a_case_and_fails_with_all_its_errors() {
        let mut warning = finding("a.yaml", 9, "odd");
        warning.severity = Severity::Warning;
        warning.help = None;
        let found = vec![
            finding("a.yaml", 1, "a < b"),
            finding("a.yaml", 2, "\"c\""),
            warning,
        ];
        assert_eq!(
            suites(&validated(found)),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <testsuites name=\"cs validate\" tests=\"2\" failures=\"1\" errors=\"0\">\n  \
             <testsuite name=\"cs validate\" tests=\"2\" failures=\"1\" errors=\"0\" skipped=\"0\">\n    \
             <testcase classname=\"cs.validate\" name=\"a.yaml\" file=\"a.yaml\">\n      \
             <failure type=\"port-twice\" message=\"2 errors, the first: a &lt; b\">\
             a.yaml:1:1: error[port-twice]: a &lt; b (`spec.ports[1].port`)&#10;  help: remove one&#10;\
             a.yaml:2:2: error[port-twice]: &quot;c&quot; (`spec.ports[1].port`)&#10;  help: remove one</failure>\n      \
             <system-out>a.yaml:9:9: warning[port-twice]: odd (`spec.ports[1].port`)</system-out>\n    \
             </testcase>\n    \
             <testcase classname=\"cs.validate\" name=\"good.yaml\" file=\"good.yaml\"></testcase>\n  \
             </testsuite>\n</testsuites>\n"
        );
    }

    #[test]
    fn characters_that_xml_cannot_write_are_replaced() {
        assert_eq!(
            escaped("a\0\u{1b}[1m\u{ffff}é\n'&'"),
            "a\u{fffd}\u{fffd}[1m\u{fffd}é&#10;&apos;&amp;&apos;"
        );
    }
}
