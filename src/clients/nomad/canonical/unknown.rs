//! Members that Nomad overlooks without a word, because it knows none of that name.

use serde_json::Value;

use super::schema::{JOB, Kind, Schema};
use crate::spec::path;
use crate::spec::suggest::closest;

/// A member that Nomad does not know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownMember {
    /// Where it stands in the job, e.g. `TaskGroups[0].Tasks[1].Ressources`.
    pub path: String,
    /// What was probably meant.
    pub meant: Option<&'static str>,
}

/// Members that Nomad's API has, and that no stored job carries.
const NOT_STORED: [&str; 7] = [
    "Advertise",
    "Attempts",
    "ConsulToken",
    "Device",
    "Policies",
    "VaultToken",
    "Vendor",
];

/// For so many of them the word that was meant is looked for. Who has more has other troubles.
const MOST_MEANT: usize = 100;

/// Finds them all, in the order of the job. Keys that users choose are none.
#[must_use]
pub fn unknown_members(job: &Value) -> Vec<UnknownMember> {
    let mut found = Vec::new();
    search(job, &JOB, "", &mut found);
    found.retain(|unknown| {
        let is = |name: &&str| unknown.path.eq_ignore_ascii_case(name);
        !super::SERVER_MEMBERS.iter().any(is)
    });
    found
}

fn search(value: &Value, schema: &Schema, at: &str, found: &mut Vec<UnknownMember>) {
    let Value::Object(members) = value else {
        return;
    };
    for (name, inner) in members {
        let at = path::member(at, name);
        match schema.member(name) {
            Some((_, kind)) => search_inside(inner, kind, &at, found),
            None if NOT_STORED
                .iter()
                .any(|known| known.eq_ignore_ascii_case(name)) => {}
            None => {
                let known = schema.members.iter().map(|(known, _)| *known);
                let is_worth_it = found.len() < MOST_MEANT;
                let meant = is_worth_it.then(|| closest(name, known)).flatten();
                found.push(UnknownMember { path: at, meant });
            }
        }
    }
}

fn search_inside(value: &Value, kind: &Kind, at: &str, found: &mut Vec<UnknownMember>) {
    match (kind, value) {
        (Kind::Block(schema) | Kind::HandedDown(schema), value) => search(value, schema, at, found),
        (Kind::Blocks(schema, _), Value::Array(list)) => {
            for (index, entry) in list.iter().enumerate() {
                search(entry, schema, &path::element(at, index), found);
            }
        }
        (Kind::Named(schema, _), Value::Object(named)) => {
            for (name, entry) in named {
                search(entry, schema, &path::member(at, name), found);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn slips_are_found_and_keys_of_users_are_none() {
        let job = json!({
            "id": "a", "Status": "running", "TaskGroup": [], "Meta": {"x": 1},
            "TaskGroups": [{"Name": "g", "Volumes": {"v": {"Typ": "csi"}}, "Tasks": [{
                "Env": {"A": ""}, "Config": {"image": "i"}, "Vault": {"Policies": ["p"]},
                "Ressources": {"CPU": 1}, "Services": [{"Connect": {"Any": 1}}], "zzz": 1,
            }]}],
        });
        let found = unknown_members(&job);
        let found: Vec<(&str, Option<&str>)> = found
            .iter()
            .map(|unknown| (unknown.path.as_str(), unknown.meant))
            .collect();
        assert_eq!(
            found,
            [
                ("TaskGroup", Some("TaskGroups")),
                ("TaskGroups[0].Tasks[0].Ressources", Some("Resources")),
                ("TaskGroups[0].Tasks[0].Services[0].Connect.Any", None),
                ("TaskGroups[0].Tasks[0].zzz", None),
                ("TaskGroups[0].Volumes.v.Typ", Some("Type")),
            ]
        );
    }
}
