//! The table of cases and how a module of them is run.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write as _;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::{FutureExt as _, StreamExt as _};

use super::checks::Finding;
use super::run::{Run, Stop};
use super::target::Target;

/// One behaviour.
pub(super) struct Case {
    /// Rows that it checks, e.g. `E1-2 E9`.
    pub(super) rows: &'static str,
    /// The behaviour in one sentence.
    pub(super) says: &'static str,
    pub(super) needs: Needs,
    pub(super) check: Check,
}

/// Boxed form of `async fn(&Run) -> Result<(), Stop>`.
pub(super) type Check = for<'a> fn(&'a Run) -> BoxFuture<'a, Result<(), Stop>>;

/// What a case cannot do without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Needs {
    /// An agent.
    Api,
    /// A node whose tasks do what the test says: driver `mock_driver`.
    Mock,
    /// As [`Needs::Mock`], and nobody else on the target, because it touches the jobs of all.
    Alone,
}

/// Builds the table of a module: `"E1-2" Api missing_job: "sentence"`.
macro_rules! cases {
    ($($rows:literal $needs:ident $check:ident: $says:literal),* $(,)?) => {
        pub(super) const CASES: &[super::case::Case] = &[$(super::case::Case {
            rows: $rows,
            says: $says,
            needs: super::case::Needs::$needs,
            check: |run| Box::pin($check(run)),
        }),*];
    };
}
pub(super) use cases;

/// Cases at a time: enough to hide their waits, few enough that two cores keep Nomad's own deadlines.
const PARALLEL: usize = 8;

/// Longest run of one case.
const CASE_DEADLINE: Duration = Duration::from_secs(120);

/// Runs every case of a module and fails with the list of all that differs. Without a target it does nothing: the target
/// itself has said loudly why.
pub(super) fn run_module(target: Option<Target>, cases: &'static [Case], rows: &str) {
    let declared: BTreeSet<String> = cases.iter().flat_map(|case| expand(case.rows)).collect();
    assert_eq!(
        declared,
        expand(rows).collect(),
        "the table covers its rows"
    );
    let Some(target) = target else { return };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime can be built");
    let outcomes: Vec<Outcome> = runtime.block_on(
        futures::stream::iter(cases)
            .map(|case| run_case(&target, case))
            .buffer_unordered(PARALLEL)
            .collect(),
    );
    report(&target, &outcomes);
}

struct Outcome {
    case: &'static Case,
    skipped: Option<String>,
    findings: Vec<Finding>,
}

async fn run_case(target: &Target, case: &'static Case) -> Outcome {
    if case.needs != Needs::Api && !target.has_mock_driver {
        let reason = "no node offers mock_driver: this is a release build of Nomad".to_owned();
        return Outcome {
            case,
            skipped: Some(reason),
            findings: Vec::new(),
        };
    }
    let (_shared, _alone);
    if case.needs == Needs::Alone {
        _alone = target.exclusion.write().await;
    } else {
        _shared = target.exclusion.read().await;
    }
    let run = Run::new(target);
    let check = AssertUnwindSafe((case.check)(&run)).catch_unwind();
    let stopped = match tokio::time::timeout(CASE_DEADLINE, check).await {
        Ok(Ok(Ok(()))) => None,
        Ok(Ok(Err(Stop(reason)))) => Some(reason),
        Ok(Err(_panic)) => Some("the case panicked".to_owned()),
        Err(_elapsed) => Some(format!("the case took longer than {CASE_DEADLINE:?}")),
    };
    run.clean_up().await;
    let mut findings = run.checks.findings();
    match stopped {
        Some(reason) => findings.push(Finding::new(
            case.rows,
            "the case runs to its end",
            "it ends",
            reason,
        )),
        None => findings.extend(unchecked(case, &run.checks.checked())),
    }
    Outcome {
        case,
        skipped: None,
        findings,
    }
}

/// Rows that the case promises and did not look at, or the reverse: a case that forgets one must not pass.
fn unchecked(case: &Case, checked: &BTreeSet<String>) -> Vec<Finding> {
    let promised: BTreeSet<String> = expand(case.rows).collect();
    promised
        .symmetric_difference(checked)
        .map(|row| {
            Finding::new(
                row,
                "promised and checked rows agree",
                case.rows,
                format!("{checked:?}"),
            )
        })
        .collect()
}

fn report(target: &Target, outcomes: &[Outcome]) {
    for outcome in outcomes {
        if let Some(reason) = &outcome.skipped {
            say(&format!(
                "SKIPPED on {}: {} ({}): {reason}",
                target.name, outcome.case.rows, outcome.case.says
            ));
        }
    }
    let mut failed = String::new();
    for outcome in outcomes
        .iter()
        .filter(|outcome| !outcome.findings.is_empty())
    {
        writeln!(failed, "\n{}  {}", outcome.case.rows, outcome.case.says)
            .expect("a String takes all");
        for finding in &outcome.findings {
            writeln!(failed, "  {finding}").expect("a String takes all");
        }
    }
    assert!(failed.is_empty(), "{} differs:\n{failed}", target.name);
}

/// Says something that must be seen: the test harness keeps what a passing test prints to itself, but not this.
pub(super) fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// `E1-3 E9` → E1, E2, E3, E9.
fn expand(rows: &str) -> impl Iterator<Item = String> {
    rows.split_whitespace().flat_map(|part| {
        let (letter, numbers) = part.split_at(1);
        let (first, last) = numbers.split_once('-').unwrap_or((numbers, numbers));
        let number = |text: &str| text.parse::<u32>().expect("rows are a letter and numbers");
        (number(first)..=number(last)).map(move |n| format!("{letter}{n}"))
    })
}

#[test]
fn rows_expand_from_ranges_and_single_numbers() {
    assert_eq!(
        expand("E1-3 E9").collect::<Vec<_>>(),
        ["E1", "E2", "E3", "E9"]
    );
}

#[test]
fn a_row_that_is_promised_but_not_checked_is_a_finding() {
    let case = Case {
        rows: "E1-2",
        says: "",
        needs: Needs::Api,
        check: |_| Box::pin(async { Ok(()) }),
    };
    let checked = BTreeSet::from(["E1".to_owned()]);
    assert_eq!(unchecked(&case, &checked).len(), 1);
    assert!(unchecked(&case, &expand("E1-2").collect()).is_empty());
}
