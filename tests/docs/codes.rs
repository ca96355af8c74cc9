//! docs/errors.md has every code that the program can give, and no other.

use std::collections::BTreeSet;

use cs::reconcile::{Cause, CauseKind, Outcome};
use cs::validation::rules;

use super::markdown::Page;
use super::repository;
use super::variables::{product, sources};
use crate::support::env::TestEnv;

/// Words with a hyphen in the code of the bridge that are no codes of errors.
const NO_CODES: [&str; 8] = [
    "date-time",
    "idempotency-key",
    "last-event-id",
    "no-store",
    "not-ready",
    "run-failed",
    "x-accel-buffering",
    "x-forwarded-for",
];

/// Kinds of causes. One that is new does not compile until it stands in [`place`].
const CAUSES: [CauseKind; 8] = [
    CauseKind::Placement,
    CauseKind::Pull,
    CauseKind::Driver,
    CauseKind::Setup,
    CauseKind::Exit,
    CauseKind::OutOfMemory,
    CauseKind::Check,
    CauseKind::Stuck,
];

fn place(kind: CauseKind) -> usize {
    match kind {
        CauseKind::Placement => 0,
        CauseKind::Pull => 1,
        CauseKind::Driver => 2,
        CauseKind::Setup => 3,
        CauseKind::Exit => 4,
        CauseKind::OutOfMemory => 5,
        CauseKind::Check => 6,
        CauseKind::Stuck => 7,
    }
}

/// Every way in which a run ends. One that is new does not compile until it stands here.
fn outcomes() -> Vec<Outcome> {
    let text = String::new;
    let cause = || Cause::stuck("");
    let next = |outcome: &Outcome| match outcome {
        Outcome::Converged => Some(Outcome::Destroyed),
        Outcome::Destroyed => Some(Outcome::Stopped),
        Outcome::Stopped => Some(Outcome::Failed(text())),
        Outcome::Failed(_) => Some(Outcome::Usage(text())),
        Outcome::Usage(_) => Some(Outcome::Invalid(text())),
        Outcome::Invalid(_) => Some(Outcome::Deadline {
            waiting_for: text(),
            cause: None,
        }),
        Outcome::Deadline { .. } => Some(Outcome::Unhealthy(cause())),
        Outcome::Unhealthy(_) => Some(Outcome::RolledBack {
            cause: cause(),
            to_version: None,
        }),
        Outcome::RolledBack { .. } => Some(Outcome::Unplaceable(cause())),
        Outcome::Unplaceable(_) => Some(Outcome::Conflict(text())),
        Outcome::Conflict(_) => Some(Outcome::Refused(text())),
        Outcome::Refused(_) => Some(Outcome::Cancelled { doing: None }),
        Outcome::Cancelled { .. } => Some(Outcome::Superseded(text())),
        Outcome::Superseded(_) => None,
    };
    std::iter::successors(Some(Outcome::Converged), next).collect()
}

fn page() -> Page {
    Page::read("docs/errors.md")
}

/// The rows of the tables below a heading, as cells.
pub(super) fn rows(page: &Page, heading: &str) -> Vec<Vec<String>> {
    let prose = page.prose();
    let mut lines = prose
        .iter()
        .map(|(_, line)| *line)
        .skip_while(|line| *line != heading);
    assert!(
        lines.next().is_some(),
        "{} has no heading `{heading}`",
        page.name
    );
    let level = heading.chars().take_while(|c| *c == '#').count();
    let ends = |line: &&str| {
        let marks = line.chars().take_while(|c| *c == '#').count();
        (1..=level).contains(&marks)
    };
    lines
        .take_while(|line| !ends(line))
        .filter(|line| {
            line.starts_with("| `") || line.starts_with("| 1") || line.starts_with("| 0")
        })
        .map(|line| {
            let inner = line.trim_matches('|').replace("\\|", "\u{1}");
            let cells = inner.split('|');
            cells
                .map(|cell| cell.trim().replace('\u{1}', "|"))
                .collect()
        })
        .collect()
}

/// The words in backticks of a cell.
pub(super) fn words(cell: &str) -> Vec<String> {
    let parts = cell.split('`').skip(1).step_by(2);
    parts.map(str::to_owned).collect()
}

/// The words of the first cells below a heading.
fn codes(page: &Page, heading: &str) -> BTreeSet<String> {
    rows(page, heading)
        .iter()
        .flat_map(|row| words(&row[0]))
        .collect()
}

#[track_caller]
fn assert_same(what: &str, page: &BTreeSet<String>, code: &BTreeSet<String>) {
    let missing: Vec<&String> = code.difference(page).collect();
    let unknown: Vec<&String> = page.difference(code).collect();
    assert!(
        missing.is_empty() && unknown.is_empty(),
        "docs/errors.md, {what}: missing {missing:?}; not given by the program {unknown:?}"
    );
}

#[test]
fn every_outcome_is_there_with_its_exit_code() {
    let told: BTreeSet<(String, String)> = rows(&page(), "## Outcomes and exit codes")
        .iter()
        .flat_map(|row| {
            words(&row[0])
                .into_iter()
                .map(|word| (word, row[1].clone()))
        })
        .collect();
    let real: BTreeSet<(String, String)> = outcomes()
        .iter()
        .map(|outcome| (outcome.word().to_owned(), outcome.exit_code().to_string()))
        .collect();
    assert_eq!(told, real);
}

#[test]
fn every_cause_is_there_with_what_the_program_says_to_do() {
    let page = page();
    for (index, kind) in CAUSES.into_iter().enumerate() {
        assert_eq!(place(kind), index);
    }
    let words: BTreeSet<String> = CAUSES.iter().map(|kind| kind.word().to_owned()).collect();
    assert_same("causes", &codes(&page, "## Causes"), &words);
    for kind in CAUSES {
        let rows = rows(&page, "## Causes");
        let row = rows
            .iter()
            .find(|row| row[0] == format!("`{}`", kind.word()));
        assert_eq!(
            row.expect("looked at above")[2],
            kind.help(),
            "{}",
            kind.word()
        );
    }
}

/// The table of validation codes, from the rules.
fn validation() -> String {
    let mut text = String::new();
    for (title, rules) in rules::groups() {
        text.push_str(&format!(
            "### {title}\n| Code | Means | Fix |\n|---|---|---|\n"
        ));
        for rule in rules {
            let cell = |text: &str| text.replace('|', "\\|");
            let (title, fix) = (cell(rule.title), cell(rule.fix));
            text.push_str(&format!("| `{}` | {title} | {fix} |\n", rule.code));
        }
        text.push('\n');
    }
    text
}

const BEGIN: &str = "<!-- Generated from src/validation/rules.rs -->\n";
const END: &str = "<!-- End of what is generated -->\n";

#[test]
fn the_validation_codes_are_those_of_the_rules() {
    let page = page();
    let (before, rest) = page.text.split_once(BEGIN).expect("where it begins");
    let (_, after) = rest.split_once(END).expect("where it ends");
    let fresh = format!("{before}{BEGIN}{}{END}{after}", validation());
    super::assert_fresh("docs/errors.md", &fresh, "codes");
}

#[test]
fn a_validation_code_is_explained_on_the_terminal_as_on_the_page() {
    let env = TestEnv::new();
    let ended = env.cs(["explain", "port-twice"]).run();
    ended.assert_code(0);
    let rule = rules::rule("port-twice").expect("a rule");
    assert!(
        ended.stdout.contains(rule.title) && ended.stdout.contains(rule.fix),
        "{ended}"
    );
}

/// Files of the bridge without their tests.
fn bridge_sources() -> Vec<String> {
    let folders = ["src/server", "src/bridge", "src/clients/jenkins"];
    let files = folders
        .iter()
        .flat_map(|folder| sources(&repository(folder)));
    files
        .map(|path| {
            let text = std::fs::read_to_string(path).expect("part of the repository");
            product(&text).to_owned()
        })
        .collect()
}

#[test]
fn every_code_of_the_bridge_is_there() {
    let sources = bridge_sources();
    let mut given = BTreeSet::new();
    for text in &sources {
        let is_code = |word: &&str| {
            word.contains('-')
                && word.split('-').all(|part| {
                    !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase())
                })
        };
        let literals = text
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"));
        let literals = literals.flat_map(|line| line.split('"').skip(1).step_by(2));
        given.extend(literals.filter(is_code).map(str::to_owned));
    }
    given.retain(|word| !NO_CODES.contains(&word.as_str()));
    let told = codes(&page(), "## HTTP of `cs serve`");
    // Codes of one word cannot be told from other texts, so only the other way round is looked at.
    let single = |word: &&String| !word.contains('-');
    for word in told.iter().filter(single) {
        let quoted = format!("\"{word}\"");
        assert!(
            sources.iter().any(|text| text.contains(&quoted)),
            "nothing gives `{word}`"
        );
    }
    let told = told.into_iter().filter(|word| word.contains('-')).collect();
    assert_same("HTTP of cs serve", &told, &given);
}

#[test]
fn every_check_of_the_doctor_is_there() {
    let told = codes(&page(), "## Checks of `cs doctor`");
    let env = TestEnv::new();
    let report = env.cs(["doctor", "--all", "-o", "json"]).run().document();
    let results = report["results"].as_array().expect("a list");
    let mut given: BTreeSet<String> = results
        .iter()
        .map(|check| check["name"].as_str().expect("a name").to_owned())
        .collect();
    assert!(given.len() >= 8, "{report}");
    let mut texts = Vec::new();
    for path in sources(&repository("src/doctor/judge")) {
        let text = std::fs::read_to_string(path).expect("part of the repository");
        let tight: String = text.split_whitespace().collect();
        for way in [
            "ok", "skipped", "warn", "fail", "unseen", "right", "unknown",
        ] {
            for part in tight.split(&format!("{way}(\"")).skip(1) {
                let name: String = part.chars().take_while(|c| *c != '"').collect();
                if name
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte == b'-')
                {
                    given.insert(name);
                }
            }
        }
        texts.push(text);
    }
    for name in &told {
        let quoted = format!("\"{name}\"");
        if texts.iter().any(|text| text.contains(&quoted)) {
            given.insert(name.clone());
        }
    }
    assert_same("checks of the doctor", &told, &given);
}
