//! Which lists have an order, and which entry of one list belongs to which of the other.

use serde_json::Value;

/// Member that names an entry, by likelihood.
const NAMES: [&str; 12] = [
    "Name",
    "Label",
    "Destination",
    "DestPath",
    "RelativeDest",
    "LTarget",
    "Attribute",
    "Value",
    "target",
    "Target",
    "Volume",
    "Url",
];

/// The name of an entry of a list of objects.
pub(crate) fn name_of(entry: &Value) -> Option<&str> {
    NAMES
        .iter()
        .filter_map(|name| entry.get(name)?.as_str())
        .find(|name| !name.is_empty())
}

/// Lists of texts whose order says nothing.
pub(super) fn is_set(members: &[&str]) -> bool {
    match members {
        ["TaskGroups", "Tasks", "Config", member] => matches!(
            *member,
            "ports"
                | "volumes"
                | "cap_add"
                | "cap_drop"
                | "security_opt"
                | "group_add"
                | "extra_hosts"
        ),
        ["TaskGroups", "Tasks", "Config", ..] => false,
        [.., last] => matches!(
            *last,
            "Tags"
                | "CanaryTags"
                | "Datacenters"
                | "MetaRequired"
                | "MetaOptional"
                | "Audience"
                | "ExtraClaims"
                | "Specs"
        ),
        [] => false,
    }
}

/// Lists of objects whose order says something: of templates with the same variable the last one wins.
pub(super) fn has_order(members: &[&str]) -> bool {
    matches!(members, [.., "Templates"])
}

/// Entries of two lists that belong together, in the order of the first list, then what only the second has.
pub(super) struct Pair<'a> {
    /// Name, with a number when several entries share it.
    pub(super) name: String,
    pub(super) desired: Option<&'a Value>,
    pub(super) observed: Option<&'a Value>,
}

/// Whether a single entry without partner on each side is the same one under another name: the platform names a task after
/// its deployment, and what changed inside it is the news.
pub(super) fn may_be_renamed(members: &[&str]) -> bool {
    matches!(members, [.., "Tasks" | "TaskGroups"])
}

/// Pairs by name. Of entries that share a name, equal ones go together, the others in their order.
pub(super) fn pairs<'a>(
    desired: &[&'a Value],
    observed: &[&'a Value],
    may_be_renamed: bool,
) -> Vec<Pair<'a>> {
    let mut free: Vec<Option<&'a Value>> = observed.iter().copied().map(Some).collect();
    let mut partners: Vec<Option<&'a Value>> = vec![None; desired.len()];
    for pass in [equal as fn(&Value, &Value) -> bool, same_name] {
        for (entry, partner) in desired.iter().zip(&mut partners) {
            if partner.is_none()
                && let Some(at) = free
                    .iter()
                    .position(|other| other.is_some_and(|other| pass(entry, other)))
            {
                *partner = free[at].take();
            }
        }
    }
    let lonely = partners.iter().filter(|partner| partner.is_none()).count();
    if may_be_renamed && lonely == 1 && free.iter().flatten().count() == 1 {
        let left = free.iter_mut().find_map(Option::take);
        if let Some(partner) = partners.iter_mut().find(|partner| partner.is_none()) {
            *partner = left;
        }
    }
    let mut pairs: Vec<Pair<'a>> = Vec::with_capacity(desired.len());
    for (at, (entry, partner)) in desired.iter().zip(partners).enumerate() {
        let name = unique_name(desired, at);
        pairs.push(Pair {
            name,
            desired: Some(entry),
            observed: partner,
        });
    }
    for (at, entry) in observed.iter().enumerate() {
        if free[at].is_some() {
            let name = unique_name(observed, at);
            pairs.push(Pair {
                name,
                desired: None,
                observed: Some(entry),
            });
        }
    }
    pairs
}

fn equal(a: &Value, b: &Value) -> bool {
    a == b
}

fn same_name(a: &Value, b: &Value) -> bool {
    name_of(a) == name_of(b)
}

fn unique_name(list: &[&Value], at: usize) -> String {
    let Some(name) = name_of(list[at]) else {
        return at.to_string();
    };
    let before = list[..at]
        .iter()
        .filter(|entry| name_of(entry) == Some(name))
        .count();
    if before == 0 {
        name.to_owned()
    } else {
        format!("{name}#{}", before + 1)
    }
}
