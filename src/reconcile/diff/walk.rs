//! Walks two jobs in canonical form side by side.

use serde_json::{Map, Value};

use super::lists::{Pair, has_order, is_set, may_be_renamed, name_of, pairs};
use super::path::{Step, render};
use super::{Change, ChangeKind, DiffOptions, effect, show};
use crate::clients::nomad::canonical::implied::is_implied;

/// Members whose keys users choose: without entries and absent are the same, and entries are compared one by one.
const MAPS: [&str; 8] = [
    "Meta",
    "Env",
    "Config",
    "Volumes",
    "CanaryMeta",
    "TaggedAddresses",
    "Header",
    "Policy",
];

/// Durations in a driver's configuration: its plugin takes `30m` for `1800s`.
const DRIVER_DURATIONS: [&str; 4] = ["image_pull_timeout", "interval", "timeout", "start_period"];

/// What stands for an absent member.
static ABSENT: Value = Value::Null;

/// Both sides must be canonical.
pub(super) fn changes(desired: &Value, observed: &Value, options: &DiffOptions) -> Vec<Change> {
    let mut walk = Walk {
        options,
        path: Vec::new(),
        changes: Vec::new(),
        stopped: observed.get("Stop") == Some(&Value::Bool(true)),
    };
    walk.compare(desired, observed);
    walk.changes
}

struct Walk<'a, 'o> {
    options: &'o DiffOptions,
    path: Vec<Step<'a>>,
    changes: Vec<Change>,
    /// Stopping a job switches its autoscaling off.
    stopped: bool,
}

impl<'a> Walk<'a, '_> {
    fn compare(&mut self, desired: &'a Value, observed: &'a Value) {
        if desired == observed
            || self
                .options
                .ignore
                .iter()
                .any(|place| place.covers(&self.path))
        {
            return;
        }
        match (desired, observed) {
            (Value::Object(desired), Value::Object(observed)) => self.members(desired, observed),
            (Value::Array(desired), Value::Array(observed)) => self.list(desired, observed),
            (Value::Array(list), Value::Null) | (Value::Null, Value::Array(list)) => {
                if list.iter().any(Value::is_object) {
                    let side = |value: &'a Value| value.as_array().map_or(&[][..], Vec::as_slice);
                    self.list(side(desired), side(observed));
                } else if !list.is_empty() {
                    self.push(Some(desired), Some(observed));
                }
            }
            _ => self.compare_unlike(desired, observed),
        }
    }

    /// Values of different shape, or scalars.
    fn compare_unlike(&mut self, desired: &'a Value, observed: &'a Value) {
        let member = self.path.last().and_then(Step::member).unwrap_or_default();
        if MAPS.contains(&member) && (desired.is_null() || observed.is_null()) {
            let entries = desired.as_object().or(observed.as_object());
            return entries.into_iter().for_each(|entries| {
                self.entries_only_in(entries, desired.is_null());
            });
        }
        if self.inside("Config") {
            // The block syntax of HCL makes a list of one map where JSON writers use the map.
            if let (Some(desired), Some(observed)) = (only_map(desired), only_map(observed)) {
                return self.members(desired, observed);
            }
            if DRIVER_DURATIONS.contains(&member)
                && let (Some(a), Some(b)) = (nanoseconds(desired), nanoseconds(observed))
                && a == b
            {
                return;
            }
        }
        self.push(Some(desired), Some(observed));
    }

    fn entries_only_in(&mut self, entries: &'a Map<String, Value>, of_observed: bool) {
        for (name, value) in entries {
            if of_observed {
                self.member(name, &ABSENT, value);
            } else {
                self.member(name, value, &ABSENT);
            }
        }
    }

    fn members(&mut self, desired: &'a Map<String, Value>, observed: &'a Map<String, Value>) {
        // Nomad writes defaults and side-car settings into it that are not modelled.
        let partly = self.inside("Connect");
        for (name, value) in desired {
            self.member(name, value, observed.get(name).unwrap_or(&ABSENT));
        }
        for (name, value) in observed
            .iter()
            .filter(|(name, _)| !desired.contains_key(*name))
        {
            if !partly {
                self.member(name, &ABSENT, value);
            }
        }
    }

    fn member(&mut self, name: &'a str, desired: &'a Value, observed: &'a Value) {
        if desired == observed || self.added_by_nomad(name, desired, observed) {
            return;
        }
        self.path.push(Step::Member(name));
        self.compare(desired, observed);
        self.path.pop();
    }

    fn added_by_nomad(&self, name: &str, desired: &Value, observed: &Value) -> bool {
        match name {
            "Enabled" => self.stopped && self.inside("Scaling"),
            "Kind" => desired == "" && is_connect_kind(observed),
            "Identity" => desired.is_null() && is_integration_identity(observed),
            _ => false,
        }
    }

    fn list(&mut self, desired: &'a [Value], observed: &'a [Value]) {
        let members: Vec<&str> = self.path.iter().filter_map(Step::member).collect();
        let of_objects = desired.iter().chain(observed).any(Value::is_object);
        if of_objects {
            return self.entries(desired, observed, &members);
        }
        let same = if is_set(&members) {
            sorted(desired) == sorted(observed)
        } else {
            desired == observed
        };
        if !same {
            let list = |values: &[Value]| Value::Array(values.to_vec());
            self.push(Some(&list(desired)), Some(&list(observed)));
        }
    }

    fn entries(&mut self, desired: &'a [Value], observed: &'a [Value], members: &[&str]) {
        let last = members.last().copied().unwrap_or_default();
        let counts = |entry: &&Value| last != "Constraints" || !is_implied(entry);
        let desired: Vec<&Value> = desired.iter().filter(counts).collect();
        let observed: Vec<&Value> = observed.iter().filter(counts).collect();
        let pairs = pairs(&desired, &observed, may_be_renamed(members));
        if has_order(members) {
            self.order(&pairs, &observed);
        }
        for pair in pairs {
            if pair.desired == pair.observed || is_added_entry(last, &pair, &desired) {
                continue;
            }
            self.path.push(Step::Entry(pair.name));
            match (pair.desired, pair.observed) {
                (Some(desired), Some(observed)) => self.compare(desired, observed),
                (desired, observed) => {
                    if !self
                        .options
                        .ignore
                        .iter()
                        .any(|place| place.covers(&self.path))
                    {
                        self.push(desired, observed);
                    }
                }
            }
            self.path.pop();
        }
    }

    /// The same entries in another order.
    fn order(&mut self, pairs: &[Pair<'a>], observed: &[&'a Value]) {
        let place = |pair: &Pair<'_>| {
            let partner = pair.observed.filter(|_| pair.desired.is_some())?;
            observed
                .iter()
                .position(|entry| std::ptr::eq(*entry, partner))
        };
        let places: Vec<usize> = pairs.iter().filter_map(place).collect();
        if places.is_sorted() {
            return;
        }
        let names = |places: &[usize]| {
            let name = |at: &usize| name_of(observed[*at]).unwrap_or_default();
            Value::from(places.iter().map(name).collect::<Vec<_>>())
        };
        let mut before = places.clone();
        before.sort_unstable();
        self.push(Some(&names(&places)), Some(&names(&before)));
    }

    fn push(&mut self, desired: Option<&Value>, observed: Option<&Value>) {
        let desired = desired.filter(|value| !value.is_null());
        let observed = observed.filter(|value| !value.is_null());
        let kind = match (desired, observed) {
            (Some(_), None) => ChangeKind::Added,
            (None, Some(_)) => ChangeKind::Removed,
            (Some(_), Some(_)) => ChangeKind::Changed,
            (None, None) => return,
        };
        let number = |value: Option<&Value>| value.and_then(Value::as_i64);
        let grows = number(desired) > number(observed) || desired == Some(&Value::Bool(false));
        self.changes.push(Change {
            path: render(&self.path),
            kind,
            old: show::shown(observed, &self.path, &self.options.hide),
            new: show::shown(desired, &self.path, &self.options.hide),
            effect: effect::of(&self.path, kind, grows),
        });
    }

    fn inside(&self, member: &str) -> bool {
        self.path.iter().any(|step| step.member() == Some(member))
    }
}

/// Entries that Nomad puts into a job by itself, or writes down twice.
fn is_added_entry(list: &str, pair: &Pair<'_>, desired: &[&Value]) -> bool {
    let (None, Some(entry)) = (pair.desired, pair.observed) else {
        return false;
    };
    match list {
        "Constraints" => desired.contains(&entry),
        "Identities" => is_integration_identity(entry),
        "Tasks" => is_connect_kind(entry.get("Kind").unwrap_or(&ABSENT)),
        "DynamicPorts" => name_of(entry).is_some_and(|label| label.starts_with("connect-proxy-")),
        _ => false,
    }
}

/// What Consul Connect writes on its side-car tasks, and on tasks that speak for themselves.
fn is_connect_kind(kind: &Value) -> bool {
    kind.as_str()
        .is_some_and(|kind| kind.starts_with("connect-"))
}

/// Identities that the server's configuration gives to whatever uses Vault or Consul.
fn is_integration_identity(identity: &Value) -> bool {
    name_of(identity).is_some_and(|name| {
        ["vault_", "consul_", "consul-service_"]
            .iter()
            .any(|prefix| name.starts_with(prefix))
    })
}

fn only_map(value: &Value) -> Option<&Map<String, Value>> {
    match value {
        Value::Object(map) => Some(map),
        Value::Array(list) => match list.as_slice() {
            [Value::Object(map)] => Some(map),
            _ => None,
        },
        _ => None,
    }
}

fn sorted(list: &[Value]) -> Vec<String> {
    let mut texts: Vec<String> = list.iter().map(Value::to_string).collect();
    texts.sort_unstable();
    texts.dedup();
    texts
}

/// A duration as Go writes it (`1h30m`), or a number of nanoseconds.
fn nanoseconds(value: &Value) -> Option<f64> {
    let text = match value {
        Value::Number(number) => return number.as_f64(),
        Value::String(text) => text.as_str(),
        _ => return None,
    };
    let mut total = 0.0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(digits);
        let unit = tail
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit);
        let scale = match unit {
            "ns" => 1.0,
            "us" | "µs" => 1e3,
            "ms" => 1e6,
            "s" => 1e9,
            "m" => 60e9,
            "h" => 3600e9,
            _ => return None,
        };
        total += number.parse::<f64>().ok()? * scale;
        rest = tail;
    }
    (!text.is_empty()).then_some(total)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn durations_of_drivers_are_read_as_go_writes_them() {
        assert_eq!(nanoseconds(&json!("1h30m")), nanoseconds(&json!("5400s")));
        assert_eq!(
            nanoseconds(&json!("1.5s")),
            nanoseconds(&json!(1_500_000_000))
        );
        for odd in ["", "5", "m", "5 m", "5d"] {
            assert_eq!(nanoseconds(&json!(odd)), None, "{odd:?}");
        }
    }
}
