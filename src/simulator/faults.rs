//! What goes wrong on purpose: rules over requests, scripts for workloads, and things that happen by themselves.
//!
//! Read from a JSON or YAML file (`cs dev --faults FILE`), set at run time (`PUT /_cs/faults`) or through
//! [`super::Simulator::set_faults`]. The same seed and the same requests give the same faults.

use serde::{Deserialize, Serialize};

use super::world::time::{Nanos, parse_go};
use super::world::{Random, Script, glob};

/// All that goes wrong.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Faults {
    /// Seed of `chance`.
    pub seed: u64,
    /// Virtual seconds per real second, from now on; what [`super::Options::speed`] says when absent.
    pub speed: Option<f64>,
    /// What happens to requests. Every rule that matches has its effect, in order.
    pub rules: Vec<Rule>,
    /// How workloads behave; the first that matches counts.
    pub workloads: Vec<Script>,
    /// What happens by itself.
    pub actions: Vec<Action>,
}

/// Something that happens to requests.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rule {
    /// Which requests.
    #[serde(default)]
    pub on: Matcher,
    /// What happens to them.
    pub effect: Effect,
}

impl Rule {
    /// An effect on every request that matches.
    #[must_use]
    pub fn new(on: Matcher, effect: Effect) -> Self {
        Self { on, effect }
    }
}

/// Which requests a rule means. What is left out does not restrict.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Matcher {
    /// `GET`, `PUT`, …; `write` means `PUT`, `POST` and `DELETE`.
    pub method: String,
    /// Path, decoded, e.g. `/v1/job/*/plan`; `*` stands for anything.
    pub path: String,
    /// Namespace of the request.
    pub namespace: String,
    /// Leaves the first ones alone.
    pub skip: u64,
    /// Ends after this many.
    pub count: Option<u64>,
    /// Only each n-th.
    pub every: Option<u64>,
    /// Not before this long after the start (Go duration, virtual time).
    pub from: Option<String>,
    /// Not after this long after the start.
    pub until: Option<String>,
    /// With this probability, 0 to 1.
    pub chance: Option<f64>,
}

impl Matcher {
    /// Requests by method and path.
    #[must_use]
    pub fn new(method: &str, path: &str) -> Self {
        Self {
            method: method.to_owned(),
            path: path.to_owned(),
            ..Self::default()
        }
    }

    /// The first `count` of them.
    #[must_use]
    pub fn times(self, count: u64) -> Self {
        Self {
            count: Some(count),
            ..self
        }
    }
}

/// What happens to a request.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(
    tag = "kind",
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    deny_unknown_fields
)]
pub enum Effect {
    /// This answer, and nothing is done.
    Error {
        /// HTTP status.
        status: u16,
        /// Body.
        body: String,
    },
    /// It takes longer.
    Latency {
        /// By this much real time (Go duration).
        wait: String,
    },
    /// It is never answered.
    Hang,
    /// After a while (5 s by default): 500 `No cluster leader`; reads with `stale` are answered.
    NoLeader {
        /// Go duration, real time.
        #[serde(default)]
        wait: Option<String>,
    },
    /// 500 `Not ready to serve consistent reads`.
    NotReady,
    /// New connections are answered with the raw 429 before any request. Method and path do not count.
    TooManyConnections,
    /// The connection is reset before anything is done.
    Reset,
    /// The connection is reset in the middle of the answer.
    ResetMidBody,
    /// It is done, but the connection is reset before the answer.
    DropReply,
    /// An event stream ends cleanly after so many lines, the first `{}` included.
    TruncateStream {
        /// Lines.
        lines: u64,
    },
    /// An event stream stays open and says nothing, not even `{}`.
    SilentStream,
    /// Errors begin with `rpc error: `, as through a client agent.
    RpcPrefix,
    /// 403 `Permission denied`.
    Forbidden,
    /// The answer says that there is no known leader and that it is old.
    Stale,
    /// The index in the answer is too small by this much.
    IndexBackwards {
        /// By how much.
        by: u64,
    },
    /// Somebody else changes the job just before this write.
    Conflict,
}

/// Something that happens by itself.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Action {
    /// When, after the start (Go duration, virtual time).
    pub at: String,
    /// What.
    #[serde(rename = "do")]
    pub deed: Deed,
}

/// What happens by itself.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(
    tag = "kind",
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    deny_unknown_fields
)]
pub enum Deed {
    /// `PUT /system/gc`.
    Gc,
    /// A node goes away.
    NodeDown {
        /// Name or id.
        node: String,
    },
    /// A node loses its connection.
    NodeDisconnected {
        /// Name or id.
        node: String,
    },
    /// A node is back.
    NodeReady {
        /// Name or id.
        node: String,
    },
    /// Somebody stops a job.
    StopJob {
        /// Job.
        job: String,
        /// Namespace, `default` by default.
        #[serde(default)]
        namespace: String,
        /// For good.
        #[serde(default)]
        purge: bool,
    },
    /// Somebody scales a job.
    ScaleJob {
        /// Job.
        job: String,
        /// Namespace, `default` by default.
        #[serde(default)]
        namespace: String,
        /// Group.
        group: String,
        /// Count.
        count: i64,
    },
    /// The garbage collection takes a job, whatever its state.
    ForgetJob {
        /// Job.
        job: String,
        /// Namespace, `default` by default.
        #[serde(default)]
        namespace: String,
    },
    /// The event stream forgets what it has buffered.
    LoseEvents,
}

/// Faults, and how often each has happened.
#[derive(Debug)]
pub(super) struct FaultState {
    pub(super) faults: Faults,
    seen: Vec<u64>,
    random: Random,
    since: Nanos,
    next_action: usize,
}

impl FaultState {
    pub(super) fn new(mut faults: Faults, now: Nanos) -> Self {
        faults
            .actions
            .sort_by_key(|action| parse_go(&action.at).unwrap_or(0));
        Self {
            seen: vec![0; faults.rules.len()],
            random: Random::new(faults.seed),
            since: now,
            next_action: 0,
            faults,
        }
    }

    /// The effects on a request, in the order of the rules. Counts it.
    pub(super) fn on_request(
        &mut self,
        method: &str,
        path: &str,
        namespace: &str,
        now: Nanos,
    ) -> Vec<Effect> {
        let fits = |on: &Matcher| on.means(method, path, namespace);
        self.fire(now, |rule| {
            rule.effect != Effect::TooManyConnections && fits(&rule.on)
        })
    }

    /// Whether a new connection is turned away.
    pub(super) fn on_accept(&mut self, now: Nanos) -> bool {
        !self
            .fire(now, |rule| rule.effect == Effect::TooManyConnections)
            .is_empty()
    }

    fn fire(&mut self, now: Nanos, fits: impl Fn(&Rule) -> bool) -> Vec<Effect> {
        let elapsed = now - self.since;
        let mut effects = Vec::new();
        for (rule, seen) in self.faults.rules.iter().zip(&mut self.seen) {
            if !fits(rule) || !rule.on.in_time(elapsed) {
                continue;
            }
            *seen += 1;
            if !rule.on.counts(*seen) {
                continue;
            }
            if rule
                .on
                .chance
                .is_none_or(|chance| self.random.chance(chance))
            {
                effects.push(rule.effect.clone());
            }
        }
        effects
    }

    /// The next thing that is due by `now`.
    pub(super) fn due(&mut self, now: Nanos) -> Option<Deed> {
        let action = self.faults.actions.get(self.next_action)?;
        let at = self.since + parse_go(&action.at).unwrap_or(0);
        if at > now {
            return None;
        }
        self.next_action += 1;
        Some(action.deed.clone())
    }

    /// When the next thing is due.
    pub(super) fn next_due(&self) -> Option<Nanos> {
        let action = self.faults.actions.get(self.next_action)?;
        Some(self.since + parse_go(&action.at).unwrap_or(0))
    }
}

impl Matcher {
    fn means(&self, method: &str, path: &str, namespace: &str) -> bool {
        let method_fits = match self.method.as_str() {
            "" | "*" => true,
            "write" => matches!(method, "PUT" | "POST" | "DELETE"),
            wanted => wanted.eq_ignore_ascii_case(method),
        };
        method_fits
            && (self.path.is_empty() || glob(&self.path, path))
            && (self.namespace.is_empty() || self.namespace == namespace)
    }

    fn in_time(&self, elapsed: Nanos) -> bool {
        let bound = |text: &Option<String>| text.as_deref().and_then(parse_go);
        bound(&self.from).is_none_or(|from| elapsed >= from)
            && bound(&self.until).is_none_or(|until| elapsed < until)
    }

    /// Whether the n-th match, counted from 1, has the effect.
    fn counts(&self, seen: u64) -> bool {
        if seen <= self.skip {
            return false;
        }
        let number = seen - self.skip;
        let every = self.every.unwrap_or(1).max(1);
        if !number.is_multiple_of(every) {
            return false;
        }
        self.count.is_none_or(|count| number / every <= count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::world::time::SECOND;

    fn state(rule: &str) -> FaultState {
        let faults: Faults =
            serde_json::from_str(&format!(r#"{{"rules": [{rule}]}}"#)).expect("valid faults");
        FaultState::new(faults, 0)
    }

    #[test]
    fn a_rule_skips_repeats_and_ends_as_it_says() {
        let mut state = state(
            r#"{"on": {"method": "GET", "skip": 1, "every": 2, "count": 2}, "effect": {"kind": "reset"}}"#,
        );
        let hits: Vec<_> = (0..8)
            .map(|_| !state.on_request("GET", "/v1/jobs", "default", 0).is_empty())
            .collect();
        assert_eq!(hits, [false, false, true, false, true, false, false, false]);
        assert!(state.on_request("PUT", "/v1/jobs", "default", 0).is_empty());
    }

    #[test]
    fn a_rule_holds_only_in_its_time() {
        let mut state =
            state(r#"{"on": {"from": "2s", "until": "4s"}, "effect": {"kind": "notReady"}}"#);
        let at = |state: &mut FaultState, second: i64| {
            state.on_request("GET", "/", "", second * SECOND).len()
        };
        assert_eq!(
            (0..5).map(|s| at(&mut state, s)).collect::<Vec<_>>(),
            [0, 0, 1, 1, 0]
        );
    }

    #[test]
    fn chance_depends_on_the_seed_alone() {
        let rule = r#"{"on": {"chance": 0.5}, "effect": {"kind": "hang"}}"#;
        let run = || {
            let mut state = state(rule);
            (0..64)
                .map(|_| state.on_request("GET", "/", "", 0).len())
                .collect::<Vec<_>>()
        };
        assert_eq!(run(), run());
        let hits: usize = run().iter().sum();
        assert!((10..54).contains(&hits), "{hits}");
    }

    #[test]
    fn a_misspelt_member_is_an_error() {
        assert!(serde_json::from_str::<Faults>(r#"{"rule": []}"#).is_err());
    }

    #[test]
    fn faults_can_be_written_as_yaml() {
        let text = "speed: 2\nrules:\n  - on: {method: write, path: /v1/jobs, count: 1}\n    effect: {kind: error, status: 502, body: bad gateway}\nworkloads:\n  - {image: 'shop:*', oom: true}\nactions:\n  - {at: 5s, do: {kind: nodeDown, node: client-1}}\n";
        let read = crate::spec::single::read("faults.yaml", text).expect("valid faults");
        let faults: Faults = read.expect("a document").value;
        assert_eq!(faults.rules.len(), 1);
        assert!(faults.workloads[0].oom);
        assert_eq!(
            faults.actions[0].deed,
            Deed::NodeDown {
                node: "client-1".into()
            }
        );
    }
}
