//! Whose output is shown, and how its lines are told apart.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;

use crate::clients::nomad::calls::log_stream::LogSource;
use crate::clients::nomad::calls::logs::LogKind;
use crate::clients::nomad::types::{Allocation, TaskState};
use crate::spec::suggest::closest;

use super::text::{list, short};

/// Longest line that is put together; a longer one is shown in pieces. 64 KiB, what Nomad sends at once.
pub const LONGEST_LINE: usize = 64 * 1024;

/// Most bytes that the last lines of one log may have together.
pub const TAIL_BYTES: usize = 4 * 1024 * 1024;

/// Whose output somebody wants to see.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// Beginning of an allocation's id.
    pub allocation: Option<String>,
    /// Only of this group.
    pub group: Option<String>,
    /// Only of this task.
    pub task: Option<String>,
    /// Of the allocations before those that run.
    pub previous: bool,
}

/// Allocations whose output is shown.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Chosen<'a> {
    /// In the order of their names.
    pub allocations: Vec<&'a Allocation>,
    /// None of them runs, although that was not asked for.
    pub is_past: bool,
}

/// Why there is no output to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoLogs {
    /// The job has no allocation that Nomad still knows.
    NoAllocations,
    /// No allocation's id begins so.
    NoSuchAllocation {
        /// What was given.
        prefix: String,
        /// Allocations that there are, newest first, at most some.
        known: Vec<String>,
    },
    /// Several allocations' ids begin so.
    Ambiguous {
        /// What was given.
        prefix: String,
        /// Those that do.
        matches: Vec<String>,
    },
    /// No allocation is of that group.
    NoSuchGroup {
        /// What was given.
        group: String,
        /// Groups that there are.
        known: Vec<String>,
    },
    /// No allocation has that task.
    NoSuchTask {
        /// What was given.
        task: String,
        /// Tasks that there are.
        known: Vec<String>,
    },
    /// There was none before.
    NoPrevious,
}

impl fmt::Display for NoLogs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAllocations => f.write_str("it has no allocation, so nothing has been written"),
            Self::NoSuchAllocation { prefix, known } => {
                write!(
                    f,
                    "no allocation of it begins with `{prefix}`; the newest are {}",
                    list(known)
                )
            }
            Self::Ambiguous { prefix, matches } => write!(
                f,
                "several allocations begin with `{prefix}`: {}",
                list(matches)
            ),
            Self::NoSuchGroup { group, known } => unknown(f, "group", group, known),
            Self::NoSuchTask { task, known } => unknown(f, "task", task, known),
            Self::NoPrevious => f.write_str(
                "there was no allocation before; a task that was restarted in place goes on in the same log",
            ),
        }
    }
}

fn unknown(f: &mut fmt::Formatter<'_>, what: &str, given: &str, known: &[String]) -> fmt::Result {
    write!(f, "no allocation of it has a {what} `{given}`")?;
    if !known.is_empty() {
        write!(f, "; known: {}", list(known))?;
    }
    match closest(given, known.iter().map(String::as_str)) {
        Some(meant) => write!(f, "; did you mean `{meant}`?"),
        None => Ok(()),
    }
}

/// Chooses allocations: those that have not ended; when there is none, the newest of each name, which says why nothing runs.
///
/// # Errors
/// There is none.
pub fn choose<'a>(
    allocations: &'a [Allocation],
    selection: &Selection,
) -> Result<Chosen<'a>, NoLogs> {
    let mut all: Vec<&Allocation> = allocations.iter().collect();
    if all.is_empty() {
        return Err(NoLogs::NoAllocations);
    }
    all.sort_by_key(|allocation| std::cmp::Reverse(allocation.create_index));
    if let Some(group) = &selection.group {
        let known = names(all.iter().map(|allocation| &allocation.task_group));
        all.retain(|allocation| allocation.task_group == *group);
        if all.is_empty() {
            let group = group.clone();
            return Err(NoLogs::NoSuchGroup { group, known });
        }
    }
    if let Some(task) = &selection.task {
        let known = names(all.iter().flat_map(|it| it.task_states.keys()));
        let has = |allocation: &&Allocation| allocation.task_states.contains_key(task);
        if !known.is_empty() && !all.iter().any(has) {
            let task = task.clone();
            return Err(NoLogs::NoSuchTask { task, known });
        }
    }
    let mut chosen = match &selection.allocation {
        Some(prefix) => named(&all, prefix, selection.previous)?,
        None => unnamed(&all, selection.previous)?,
    };
    chosen.allocations.sort_by(|one, other| {
        (&one.name, one.create_index).cmp(&(&other.name, other.create_index))
    });
    Ok(chosen)
}

/// What has been placed since: the allocations of a selection that are newer than an index, whether they still run or ended
/// between two looks.
pub fn news<'a>(
    allocations: &'a [Allocation],
    selection: &Selection,
    since: u64,
) -> impl Iterator<Item = &'a Allocation> {
    allocations.iter().filter(move |allocation| {
        let is_of_group = selection.group.as_ref();
        let is_named = selection.allocation.as_deref();
        allocation.create_index > since
            && is_of_group.is_none_or(|group| allocation.task_group == *group)
            && is_named.is_none_or(|prefix| allocation.id.starts_with(prefix))
    })
}

fn names<'a>(names: impl Iterator<Item = &'a String>) -> Vec<String> {
    let mut names: Vec<String> = names.cloned().collect();
    names.sort();
    names.dedup();
    names
}

fn named<'a>(all: &[&'a Allocation], prefix: &str, previous: bool) -> Result<Chosen<'a>, NoLogs> {
    let ids = |found: &[&Allocation]| {
        let ids = found
            .iter()
            .map(|allocation| short(&allocation.id).to_owned());
        ids.take(5).collect()
    };
    let found: Vec<&Allocation> = all
        .iter()
        .copied()
        .filter(|allocation| allocation.id.starts_with(prefix))
        .collect();
    let one = match found.as_slice() {
        [] => {
            let (prefix, known) = (prefix.to_owned(), ids(all));
            return Err(NoLogs::NoSuchAllocation { prefix, known });
        }
        [one] => *one,
        several => {
            let (prefix, matches) = (prefix.to_owned(), ids(several));
            return Err(NoLogs::Ambiguous { prefix, matches });
        }
    };
    let chosen = if previous {
        let before = all.iter().find(|before| before.next_allocation == one.id);
        *before.ok_or(NoLogs::NoPrevious)?
    } else {
        one
    };
    Ok(Chosen {
        allocations: vec![chosen],
        is_past: false,
    })
}

fn unnamed<'a>(all: &[&'a Allocation], previous: bool) -> Result<Chosen<'a>, NoLogs> {
    let live: Vec<&Allocation> = all
        .iter()
        .copied()
        .filter(|allocation| !allocation.is_terminal())
        .collect();
    if !previous && !live.is_empty() {
        return Ok(Chosen {
            allocations: live,
            is_past: false,
        });
    }
    let mut newest: BTreeMap<(&str, &str), &Allocation> = BTreeMap::new();
    for allocation in all.iter().copied().filter(|it| it.is_terminal()) {
        // Newest first: the first of a name stays. System jobs give all of them the same name.
        newest
            .entry((&allocation.name, &allocation.node_id))
            .or_insert(allocation);
    }
    // Nothing runs: then the last ones are what there is to see, and those before them what was before.
    if newest.is_empty() {
        return Err(NoLogs::NoPrevious);
    }
    Ok(Chosen {
        allocations: newest.into_values().collect(),
        is_past: !previous,
    })
}

/// The logs of an allocation: each task that has started, each output.
#[must_use]
pub fn sources(allocation: &Allocation, task: Option<&str>, kinds: &[LogKind]) -> Vec<LogSource> {
    let tasks = allocation
        .task_states
        .iter()
        .filter(|(name, state)| task.is_none_or(|task| task == *name) && has_started(state));
    tasks
        .flat_map(|(task, _)| {
            kinds.iter().map(|kind| LogSource {
                allocation: allocation.id.clone(),
                task: task.clone(),
                kind: *kind,
            })
        })
        .collect()
}

fn has_started(state: &TaskState) -> bool {
    state.state == "running"
        || state
            .events
            .iter()
            .any(|event| event.event_type == "Started" || event.event_type == "Terminated")
}

/// What stands before each line when there are several logs: `1a2b3c4d app | `, with `!` for standard error.
#[must_use]
pub fn prefix(source: &LogSource, width: usize) -> String {
    let mark = match source.kind {
        LogKind::Stdout => '|',
        LogKind::Stderr => '!',
    };
    let label = label(source);
    format!("{label:<width$} {mark} ")
}

/// Which task of which allocation, as people write it.
#[must_use]
pub fn label(source: &LogSource) -> String {
    format!("{} {}", short(&source.allocation), source.task)
}

/// Puts lines together from parts that were cut anywhere.
#[derive(Debug, Default)]
pub struct Lines {
    open: Vec<u8>,
}

impl Lines {
    /// Takes a part and hands out every line that is complete, without its line break.
    pub fn push(&mut self, data: &[u8], mut each: impl FnMut(Vec<u8>)) {
        for part in data.split_inclusive(|byte| *byte == b'\n') {
            if let Some(line) = part.strip_suffix(b"\n") {
                self.open.extend_from_slice(line);
                each(std::mem::take(&mut self.open));
                continue;
            }
            self.open.extend_from_slice(part);
            while self.open.len() >= LONGEST_LINE {
                let rest = self.open.split_off(LONGEST_LINE);
                each(std::mem::replace(&mut self.open, rest));
            }
        }
    }

    /// Hands out what is left of a line that was never ended.
    pub fn finish(&mut self) -> Option<Vec<u8>> {
        (!self.open.is_empty()).then(|| std::mem::take(&mut self.open))
    }
}

/// Keeps the last lines.
#[derive(Debug)]
pub struct Tail {
    keep: usize,
    bytes: usize,
    lines: VecDeque<Vec<u8>>,
}

impl Tail {
    /// Keeps at most so many lines, and of long ones fewer.
    #[must_use]
    pub const fn new(keep: usize) -> Self {
        Self {
            keep,
            bytes: 0,
            lines: VecDeque::new(),
        }
    }

    /// Takes the next line.
    pub fn push(&mut self, line: Vec<u8>) {
        self.bytes += line.len();
        self.lines.push_back(line);
        while self.lines.len() > self.keep || self.bytes > TAIL_BYTES {
            let Some(gone) = self.lines.pop_front() else {
                return;
            };
            self.bytes -= gone.len();
        }
    }

    /// The last lines, oldest first.
    #[must_use]
    pub fn into_lines(self) -> Vec<Vec<u8>> {
        self.lines.into()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn allocation(id: &str, name: &str, create_index: u64, status: &str, next: &str) -> Allocation {
        let state = json!({"State": "running"});
        serde_json::from_value(json!({
            "ID": id, "Name": name, "TaskGroup": "web", "CreateIndex": create_index, "ClientStatus": status,
            "NextAllocation": next, "TaskStates": {"app": state, "proxy": {"State": "pending"}},
        }))
        .unwrap()
    }

    fn fleet() -> Vec<Allocation> {
        vec![
            allocation("aaaa1111-0", "shop.web[0]", 1, "failed", "bbbb1111-0"),
            allocation("bbbb1111-0", "shop.web[0]", 3, "running", ""),
            allocation("bbbb2222-0", "shop.web[1]", 2, "running", ""),
        ]
    }

    fn ids(selection: &Selection) -> Result<Vec<String>, String> {
        let fleet = fleet();
        let chosen = choose(&fleet, selection).map_err(|none| none.to_string())?;
        let ids = chosen.allocations.iter().map(|it| short(&it.id).to_owned());
        Ok(ids.collect())
    }

    #[test]
    fn what_runs_is_shown_and_before_it_what_it_replaced() {
        let plain = Selection::default();
        assert_eq!(ids(&plain).unwrap(), ["bbbb1111", "bbbb2222"]);
        let previous = Selection {
            previous: true,
            ..plain.clone()
        };
        assert_eq!(ids(&previous).unwrap(), ["aaaa1111"]);
        let of_one = |prefix: &str, previous| {
            let allocation = Some(prefix.to_owned());
            ids(&Selection {
                allocation,
                previous,
                ..Selection::default()
            })
        };
        assert_eq!(of_one("aaaa", false).unwrap(), ["aaaa1111"]);
        assert_eq!(of_one("bbbb1", true).unwrap(), ["aaaa1111"]);
        assert!(
            of_one("bbbb2", true)
                .unwrap_err()
                .contains("no allocation before")
        );
    }

    #[test]
    fn when_nothing_runs_the_last_ones_are_shown() {
        let ended = [
            allocation("aaaa1111-0", "backup.run[0]", 1, "failed", ""),
            allocation("bbbb1111-0", "backup.run[0]", 2, "complete", ""),
            allocation("cccc1111-0", "backup.run[1]", 1, "complete", ""),
        ];
        let chosen = choose(&ended, &Selection::default()).unwrap();
        let ids: Vec<&str> = chosen.allocations.iter().map(|it| short(&it.id)).collect();
        assert_eq!((ids, chosen.is_past), (vec!["bbbb1111", "cccc1111"], true));
        assert_eq!(
            choose(&[], &Selection::default()).unwrap_err(),
            NoLogs::NoAllocations
        );
    }

    #[test]
    fn what_ended_between_two_looks_is_news_as_well() {
        let fleet = [
            allocation("aaaa1111-0", "shop.web[0]", 1, "running", ""),
            allocation("bbbb1111-0", "shop.web[0]", 2, "failed", ""),
            allocation("cccc1111-0", "shop.web[0]", 3, "running", ""),
        ];
        let found = |selection: &Selection| -> Vec<String> {
            news(&fleet, selection, 1)
                .map(|it| short(&it.id).to_owned())
                .collect()
        };
        let all = Selection::default();
        assert_eq!(found(&all), ["bbbb1111", "cccc1111"]);
        let named = Selection {
            allocation: Some("cc".to_owned()),
            ..all.clone()
        };
        assert_eq!(found(&named), ["cccc1111"]);
        let other = Selection {
            group: Some("api".to_owned()),
            ..all
        };
        assert!(found(&other).is_empty());
    }

    #[test]
    fn a_name_that_does_not_exist_is_answered_with_those_that_do() {
        let with = |change: fn(&mut Selection)| {
            let mut selection = Selection::default();
            change(&mut selection);
            ids(&selection).unwrap_err()
        };
        assert_eq!(
            with(|it| it.allocation = Some("ffff".to_owned())),
            "no allocation of it begins with `ffff`; the newest are bbbb1111, bbbb2222 and aaaa1111"
        );
        assert_eq!(
            with(|it| it.allocation = Some("bbbb".to_owned())),
            "several allocations begin with `bbbb`: bbbb1111 and bbbb2222"
        );
        assert_eq!(
            with(|it| it.group = Some("wbe".to_owned())),
            "no allocation of it has a group `wbe`; known: web; did you mean `web`?"
        );
        assert_eq!(
            with(|it| it.task = Some("ap".to_owned())),
            "no allocation of it has a task `ap`; known: app and proxy; did you mean `app`?"
        );
    }

    #[test]
    fn only_tasks_that_have_started_have_a_log() {
        let fleet = fleet();
        let kinds = [LogKind::Stdout, LogKind::Stderr];
        let found = sources(&fleet[1], None, &kinds);
        let tasks: Vec<(&str, LogKind)> = found
            .iter()
            .map(|source| (source.task.as_str(), source.kind))
            .collect();
        assert_eq!(tasks, [("app", LogKind::Stdout), ("app", LogKind::Stderr)]);
        assert_eq!(prefix(&found[0], 14), "bbbb1111 app   | ");
        assert_eq!(prefix(&found[1], 12), "bbbb1111 app ! ");
    }

    #[test]
    fn lines_are_put_together_and_long_ones_are_cut() {
        let mut lines = Lines::default();
        let mut seen = Vec::new();
        for part in ["on", "e\ntwo\n\nth", "ree"] {
            lines.push(part.as_bytes(), |line| seen.push(line));
        }
        assert_eq!(seen, [&b"one"[..], b"two", b""]);
        assert_eq!(lines.finish().unwrap(), b"three");
        assert_eq!(lines.finish(), None);
        let mut pieces = Vec::new();
        let long = vec![b'x'; 2 * LONGEST_LINE + 5];
        lines.push(&long, |line| pieces.push(line.len()));
        assert_eq!(pieces, [LONGEST_LINE, LONGEST_LINE]);
        assert_eq!(lines.finish().unwrap().len(), 5);
    }

    #[test]
    fn a_tail_is_bounded_in_lines_and_in_bytes() {
        let mut tail = Tail::new(2);
        for line in ["a", "b", "c"] {
            tail.push(line.into());
        }
        assert_eq!(tail.into_lines(), [b"b", b"c"]);
        let mut tail = Tail::new(1_000_000);
        for _ in 0..100 {
            tail.push(vec![b'x'; LONGEST_LINE]);
        }
        assert_eq!(tail.into_lines().len(), TAIL_BYTES / LONGEST_LINE);
    }
}
