//! Annotations of GitHub Actions: one workflow command a finding.
//!
//! GitHub shows at most ten of each level a step, so large sets are better off with SARIF.

use super::{Validated, repository_path};
use crate::spec::{Diagnostic, Severity};

pub(in crate::cli) fn annotations(validated: &Validated) -> String {
    validated.findings.iter().map(annotation).collect()
}

fn annotation(finding: &Diagnostic) -> String {
    let level = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let mut properties = vec![format!("file={}", property(repository_path(&finding.file)))];
    if finding.line > 0 {
        properties.push(format!("line={}", finding.line));
    }
    if finding.column > 0 {
        properties.push(format!("col={}", finding.column));
    }
    properties.push(format!("title={}", property(finding.code)));
    let mut message = finding.message.clone();
    if !finding.path.is_empty() {
        message = format!("{message} (`{}`)", finding.path);
    }
    if let Some(help) = &finding.help {
        message = format!("{message}\nhelp: {help}");
    }
    format!("::{level} {}::{}\n", properties.join(","), data(&message))
}

/// Source: actions/toolkit, `escapeData`.
fn data(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

/// Source: actions/toolkit, `escapeProperty`.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::super::samples::{finding, validated};
    use super::*;

    #[test]
    fn a_finding_is_one_command_whatever_it_holds() {
        let odd = finding("./a,b:c%\n.yaml", 3, "50% of\r\n::error::it");
        assert_eq!(
            annotations(&validated(vec![odd])),
            "::error file=a%2Cb%3Ac%25%0A.yaml,line=3,col=3,title=port-twice::50%25 of%0D%0A::error::it \
             (`spec.ports[1].port`)%0Ahelp: remove one\n"
        );
    }

    #[test]
    fn a_finding_about_a_whole_file_names_no_line() {
        let mut whole = finding("a.yaml", 0, "is empty");
        whole.severity = Severity::Warning;
        whole.path.clear();
        whole.help = None;
        assert_eq!(
            annotations(&validated(vec![whole])),
            "::warning file=a.yaml,title=port-twice::is empty\n"
        );
    }
}
