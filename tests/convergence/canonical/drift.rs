//! The comparator over whole jobs: no drift against what Nomad stored, and every change found where it was made.

use cs::reconcile::diff::{ChangeKind, DiffOptions, Drift, Effect, Shown, diff, merged};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{canonical, fixtures, jobs, read};

fn drift(desired: &Value, observed: &Value) -> Drift {
    diff(desired, observed, &DiffOptions::default())
}

fn ignoring(places: &[&str]) -> DiffOptions {
    let ignore = places.iter().map(|place| place.parse().unwrap()).collect();
    DiffOptions {
        ignore,
        ..DiffOptions::default()
    }
}

/// Neither for the job nor for what would be sent.
pub(crate) fn assert_no_drift(job: &Value, stored: &Value) {
    let found = drift(job, stored);
    assert!(found.is_empty(), "{}: {found}", job["ID"]);
    let sent = merged(job, stored, &DiffOptions::default());
    assert!(drift(&sent, stored).is_empty(), "{}: {found}", job["ID"]);
}

#[test]
fn a_job_has_no_drift_against_what_nomad_stored_of_it() {
    for file in fixtures() {
        let pair = read(&file);
        assert_no_drift(&pair["submitted"], &pair["stored"]);
        assert_no_drift(&pair["stored"], &pair["stored"]);
    }
}

/// A scalar of a job: where it is, and how to reach it.
struct Leaf {
    path: String,
    pointer: String,
}

/// Members that name an entry: changing one is another entry, not another value.
const NAMES: [&str; 9] = [
    "Name",
    "Label",
    "Destination",
    "DestPath",
    "RelativeDest",
    "LTarget",
    "Attribute",
    "Value",
    "Volume",
];

fn entry_name(entry: &Value) -> Option<&str> {
    let mut names = NAMES.iter().filter_map(|name| entry.get(name)?.as_str());
    names.find(|name| !name.is_empty())
}

fn leaves(value: &Value, path: &str, pointer: &str, found: &mut Vec<Leaf>) {
    match value {
        Value::Object(members) => {
            for (name, inner) in members {
                let dot = if path.is_empty() { "" } else { "." };
                let pointer = format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"));
                leaves(inner, &format!("{path}{dot}{name}"), &pointer, found);
            }
        }
        Value::Array(list) => {
            for (at, entry) in list.iter().enumerate() {
                let pointer = format!("{pointer}/{at}");
                if !entry.is_object() {
                    leaves(entry, path, &pointer, found);
                    continue;
                }
                let name = entry_name(entry).map_or(at.to_string(), str::to_owned);
                let same = |other: &&Value| entry_name(other) == entry_name(entry);
                let before = list[..at].iter().filter(same).count();
                let number = match (before, entry_name(entry)) {
                    (0, _) | (_, None) => String::new(),
                    _ => format!("#{}", before + 1),
                };
                leaves(entry, &format!("{path}[{name}{number}]"), &pointer, found);
            }
        }
        Value::Null => {}
        _ => found.push(Leaf {
            path: path.to_owned(),
            pointer: pointer.to_owned(),
        }),
    }
}

fn mutate(value: &mut Value) {
    *value = match &*value {
        Value::Bool(flag) => json!(!flag),
        Value::Number(number) if number.is_f64() => json!(number.as_f64().unwrap() + 1.0),
        Value::Number(number) => json!(number.as_i64().unwrap() + 1),
        Value::String(text) => json!(format!("{text}X")),
        other => other.clone(),
    };
}

/// Not owned, or not a value of its own. The region `global` stands for the one where the job is.
fn is_exempt(leaf: &Leaf, job: &Value) -> bool {
    let (parent, last) = leaf.pointer.rsplit_once('/').unwrap();
    let in_constraint = leaf.path.contains("Constraints[");
    let scaled = last == "Count"
        && job
            .pointer(parent)
            .is_some_and(|group| group["Scaling"]["Enabled"] == true);
    NAMES.contains(&last) || in_constraint || scaled || leaf.path == "Region"
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_job_has_no_drift_against_its_own_canonical_form(seed: u64) {
        let job = jobs::any_job(seed, "j");
        let found = drift(&job, &canonical(&job));
        prop_assert!(found.is_empty(), "{found}");
    }

    /// Any single value that is changed in the observed job is found at its place, and nothing else is.
    #[test]
    fn a_changed_value_is_found_where_it_is(seed: u64, choice: prop::sample::Index) {
        let job = canonical(&jobs::any_job(seed, "j"));
        let mut all = Vec::new();
        leaves(&job, "", "", &mut all);
        all.retain(|leaf| !is_exempt(leaf, &job));
        let leaf = choice.get(&all);
        let mut observed = job.clone();
        mutate(observed.pointer_mut(&leaf.pointer).unwrap());
        let kept = canonical(&observed);
        // Some members are always derived anew, whatever the client writes.
        prop_assume!(kept.pointer(&leaf.pointer) == observed.pointer(&leaf.pointer));
        let found = drift(&job, &observed);
        let paths: Vec<&str> = found.changes.iter().map(|change| change.path.as_str()).collect();
        prop_assert!(paths.contains(&leaf.path.as_str()), "{} not in {paths:?}", leaf.path);
        prop_assert!(kept != observed || paths.len() == 1, "{}: {paths:?}", leaf.path);
    }

    #[test]
    fn the_order_of_lists_without_order_does_not_count(seed: u64) {
        let job = jobs::any_job(seed, "j");
        let mut observed = canonical(&job);
        reverse_unordered(&mut observed);
        let found = drift(&job, &observed);
        prop_assert!(found.is_empty(), "{found}");
    }

    /// Sending what `merged` says leaves nothing to do.
    #[test]
    fn what_is_sent_has_no_drift_against_what_nomad_makes_of_it(desired: u64, observed: u64) {
        let (desired, observed) = (jobs::any_job(desired, "j"), canonical(&jobs::any_job(observed, "j")));
        for options in [DiffOptions::default(), ignoring(&["/Meta", "/TaskGroups/*/Tasks/t0/Config/image", "/Priority"])] {
            let sent = canonical(&merged(&desired, &observed, &options));
            let left = diff(&desired, &sent, &options);
            prop_assert!(left.is_empty(), "{left}");
        }
    }
}

fn reverse_unordered(value: &mut Value) {
    const UNORDERED: [&str; 21] = [
        "TaskGroups",
        "Tasks",
        "Services",
        "Tags",
        "CanaryTags",
        "DynamicPorts",
        "ReservedPorts",
        "Constraints",
        "VolumeMounts",
        "ports",
        "volumes",
        "MetaRequired",
        "MetaOptional",
        "Datacenters",
        "Affinities",
        "Spreads",
        "Identities",
        "Artifacts",
        "Actions",
        "Checks",
        "Specs",
    ];
    match value {
        Value::Object(members) => {
            for (name, inner) in members.iter_mut() {
                if let (Value::Array(list), true) =
                    (&mut *inner, UNORDERED.contains(&name.as_str()))
                {
                    list.reverse();
                }
                reverse_unordered(inner);
            }
        }
        Value::Array(list) => list.iter_mut().for_each(reverse_unordered),
        _ => {}
    }
}

/// A job with one of everything that the cases below change.
fn shop() -> Value {
    json!({
        "ID": "shop", "NodePool": "minions", "Meta": {"owner": "a"},
        "TaskGroups": [{
            "Name": "web", "Count": 1,
            "Networks": [{"DynamicPorts": [{"Label": "http"}]}],
            "Services": [{"Name": "web", "PortLabel": "http", "Tags": ["a", "b"],
                "Checks": [{"Type": "tcp", "Interval": 10_000_000_000_u64, "Timeout": 1_000_000_000}]}],
            "Tasks": [{
                "Name": "app", "Driver": "docker", "Env": {"TOKEN": "canary-env"}, "Vault": {},
                "Config": {"image": "a:1", "args": ["x", "y"], "ports": ["http", "b"],
                    "image_pull_timeout": "30m", "labels": [{"k": "v"}],
                    "auth": [{"username": "u", "password": "canary-auth"}]},
                "Templates": [
                    {"EmbeddedTmpl": "canary-template", "DestPath": "a.env", "Envvars": true},
                    {"EmbeddedTmpl": "B=2", "DestPath": "b.env", "Envvars": true}],
            }],
        }],
    })
}

/// The shop as observed, with one place set to another value.
fn observed_with(pointer: &str, value: Value) -> Value {
    let mut observed = canonical(&shop());
    let (parent, member) = pointer.rsplit_once('/').unwrap();
    match observed.pointer_mut(parent).unwrap() {
        Value::Object(members) => {
            members.insert(member.to_owned(), value);
        }
        Value::Array(list) => list.push(value),
        _ => unreachable!("pointers lead into objects and lists"),
    }
    observed
}

const TASK: &str = "/TaskGroups/0/Tasks/0";

#[test]
fn other_spellings_of_the_same_driver_settings_are_no_drift() {
    for (member, value) in [
        ("image_pull_timeout", json!("1800s")),
        ("labels", json!({"k": "v"})),
        ("auth", json!({"username": "u", "password": "canary-auth"})),
        ("ports", json!(["b", "http"])),
    ] {
        let observed = observed_with(&format!("{TASK}/Config/{member}"), value);
        assert_eq!(drift(&shop(), &observed).changes, vec![], "{member}");
    }
}

#[test]
fn the_order_of_arguments_and_of_templates_counts() {
    let observed = observed_with(&format!("{TASK}/Config/args"), json!(["y", "x"]));
    assert_eq!(
        paths(&drift(&shop(), &observed)),
        ["TaskGroups[web].Tasks[app].Config.args"]
    );
    let mut observed = canonical(&shop());
    observed
        .pointer_mut(&format!("{TASK}/Templates"))
        .unwrap()
        .as_array_mut()
        .unwrap()
        .reverse();
    assert_eq!(
        paths(&drift(&shop(), &observed)),
        ["TaskGroups[web].Tasks[app].Templates"]
    );
}

fn paths(drift: &Drift) -> Vec<&str> {
    drift
        .changes
        .iter()
        .map(|change| change.path.as_str())
        .collect()
}

#[test]
fn what_nomad_adds_by_itself_is_no_drift() {
    let identity = json!({"Name": "vault_default", "Audience": ["vault.io"], "TTL": 1});
    let constraint =
        json!({"LTarget": "${attr.nomad.version}", "RTarget": ">= 1.7.0-a", "Operand": "semver"});
    let mut observed = observed_with(&format!("{TASK}/Identities"), json!([identity]));
    let constraints = observed
        .pointer_mut("/TaskGroups/0/Constraints")
        .unwrap()
        .as_array_mut()
        .unwrap();
    constraints.push(constraint.clone());
    constraints.push(constraint);
    let mut proxy = observed.pointer(TASK).unwrap().clone();
    proxy["Name"] = json!("connect-proxy-web");
    proxy["Kind"] = json!("connect-proxy:web");
    observed
        .pointer_mut("/TaskGroups/0/Tasks")
        .unwrap()
        .as_array_mut()
        .unwrap()
        .push(proxy);
    observed["Version"] = json!(7);
    observed["NomadTokenID"] = json!("someone");
    observed["TaskGroups"][0]["Services"][0]["Identity"] =
        json!({"Name": "consul-service_web-http", "Audience": ["consul.io"]});
    assert_eq!(drift(&shop(), &observed).changes, vec![]);
}

#[test]
fn a_stopped_job_has_drift_and_starts_again() {
    let mut desired = shop();
    desired["TaskGroups"][0]["Scaling"] = json!({"Min": 1, "Max": 5});
    let mut observed = canonical(&desired);
    observed["Stop"] = json!(true);
    observed["TaskGroups"][0]["Scaling"]["Enabled"] = json!(false);
    let found = drift(&desired, &observed);
    assert_eq!(found.to_string(), "~ Stop: true -> false\n");
    assert_eq!(found.effect(), Some(Effect::Create));
}

#[test]
fn effects_are_those_of_the_scheduler() {
    use Effect::{Create, Destroy, Destructive, InPlace};
    for (pointer, value, effect) in [
        ("/Priority", json!(9), InPlace),
        ("/NodePool", json!("other"), InPlace),
        ("/Datacenters", json!(["x"]), InPlace),
        ("/Meta/owner", json!("b"), Destructive),
        ("/TaskGroups/0/Count", json!(0), Create),
        ("/TaskGroups/0/Count", json!(4), Destroy),
        ("/TaskGroups/0/Meta", json!({"a": "b"}), Destructive),
        ("/TaskGroups/0/Services/0/Tags", json!(["a"]), InPlace),
        ("/TaskGroups/0/Update/Canary", json!(1), InPlace),
        ("/TaskGroups/0/RestartPolicy/Attempts", json!(9), InPlace),
        ("/TaskGroups/0/EphemeralDisk/SizeMB", json!(9), Destructive),
        ("/TaskGroups/0/Tasks/0/KillTimeout", json!(9), InPlace),
        (
            "/TaskGroups/0/Tasks/0/LogConfig/MaxFiles",
            json!(9),
            InPlace,
        ),
        (
            "/TaskGroups/0/Tasks/0/LogConfig/Disabled",
            json!(true),
            Destructive,
        ),
        (
            "/TaskGroups/0/Tasks/0/Config/image",
            json!("a:2"),
            Destructive,
        ),
        ("/TaskGroups/0/Tasks/0/Env/NEW", json!("x"), Destructive),
        ("/TaskGroups/0/Tasks/0/Resources/CPU", json!(9), Destructive),
        ("/TaskGroups/0/Tasks/0/Vault/Role", json!("r"), Destructive),
        (
            "/TaskGroups/0/Tasks/-",
            json!({"Name": "second", "Driver": "docker"}),
            Destructive,
        ),
        (
            "/TaskGroups/-",
            json!({"Name": "second", "Tasks": []}),
            Destroy,
        ),
    ] {
        let found = drift(&shop(), &observed_with(pointer, value));
        assert_eq!(found.changes.len(), 1, "{pointer}: {found}");
        assert_eq!(found.effect(), Some(effect), "{pointer}");
    }
}

#[test]
fn secrets_are_never_shown() {
    let mut observed = canonical(&shop());
    let task = observed.pointer_mut(TASK).unwrap();
    task["Env"]["TOKEN"] = json!("other");
    task["Config"]["auth"][0]["password"] = json!("other");
    task["Templates"][0]["EmbeddedTmpl"] = json!("other");
    task["Config"]["image"] = json!("a:0");
    let found = drift(&shop(), &observed);
    assert_eq!(found.changes.len(), 4, "{found}");
    let hidden = found
        .changes
        .iter()
        .filter(|change| change.old == Shown::Hidden && change.new == Shown::Hidden);
    assert_eq!(hidden.count(), 3, "{found}");
    assert!(
        found
            .to_string()
            .contains("~ TaskGroups[web].Tasks[app].Env.TOKEN: (before) -> (after)\n")
    );
    assert!(
        found
            .to_string()
            .contains(r#"~ TaskGroups[web].Tasks[app].Config.image: "a:0" -> "a:1""#)
    );

    // Neither when the whole task or the whole group is new.
    let mut without_task = canonical(&shop());
    without_task["TaskGroups"][0]["Tasks"] = json!([]);
    let mut without_group = canonical(&shop());
    without_group["TaskGroups"] = json!([]);
    for observed in [without_task, without_group] {
        let found = drift(&shop(), &observed);
        assert_eq!(found.changes[0].kind, ChangeKind::Added);
        assert!(!format!("{found} {found:?}").contains("canary"), "{found}");
    }
}

#[test]
fn values_whose_name_promises_a_secret_are_hidden() {
    for (pointer, path) in [
        ("/Meta/api_TOKEN", "Meta.api_TOKEN"),
        (
            "/TaskGroups/0/Tasks/0/Config/db_password",
            "TaskGroups[web].Tasks[app].Config.db_password",
        ),
    ] {
        let found = drift(&shop(), &observed_with(pointer, json!("canary")));
        assert_eq!(found.to_string(), format!("- {path}: (before)\n"));
    }
}

#[test]
fn places_named_by_the_caller_are_hidden_too() {
    let options = DiffOptions {
        hide: vec!["/Meta/*".parse().unwrap()],
        ..DiffOptions::default()
    };
    let found = diff(&shop(), &observed_with("/Meta/owner", json!("b")), &options);
    assert_eq!(found.to_string(), "~ Meta.owner: (before) -> (after)\n");
}

#[test]
fn the_count_of_a_scaled_group_belongs_to_the_autoscaler_within_its_bounds() {
    let mut desired = shop();
    desired["TaskGroups"][0]["Scaling"] = json!({"Min": 1, "Max": 5});
    for (live, sent) in [(3, 3), (1, 1), (0, 1), (9, 5)] {
        let mut observed = canonical(&desired);
        observed["TaskGroups"][0]["Count"] = json!(live);
        assert_eq!(
            drift(&desired, &observed).is_empty(),
            live == sent,
            "{live}"
        );
        let job = merged(&desired, &observed, &DiffOptions::default());
        assert_eq!(job["TaskGroups"][0]["Count"], sent);
    }
    desired["TaskGroups"][0]["Scaling"]["Enabled"] = json!(false);
    let mut observed = canonical(&desired);
    observed["TaskGroups"][0]["Count"] = json!(3);
    assert_eq!(
        drift(&desired, &observed).to_string(),
        "~ TaskGroups[web].Count: 3 -> 1\n"
    );
}

#[test]
fn an_ignored_place_is_no_drift_and_is_sent_as_it_was_observed() {
    let mut observed = observed_with("/Meta/foreign", json!("kept"));
    observed["Meta"]["owner"] = json!("b");
    observed.pointer_mut(TASK).unwrap()["Config"]["image"] = json!("a:9");
    let options = ignoring(&["/Meta/foreign", "/TaskGroups/web/Tasks/*/Config/image"]);
    assert_eq!(paths(&diff(&shop(), &observed, &options)), ["Meta.owner"]);
    let sent = merged(&shop(), &observed, &options);
    assert_eq!(sent["Meta"], json!({"owner": "a", "foreign": "kept"}));
    assert_eq!(
        sent.pointer("/TaskGroups/0/Tasks/0/Config/image"),
        Some(&json!("a:9"))
    );
}

#[test]
fn meta_that_is_not_ours_is_drift() {
    let found = drift(&shop(), &observed_with("/Meta/foreign", json!("x")));
    assert_eq!(found.to_string(), "- Meta.foreign: \"x\"\n");
}

#[test]
fn the_namespace_of_the_query_wins() {
    let observed = observed_with("/Namespace", json!("team"));
    assert!(drift(&shop(), &observed).is_empty(), "the job names none");
    let mut desired = shop();
    desired["Namespace"] = json!("other");
    assert_eq!(paths(&drift(&desired, &observed)), ["Namespace"]);
    let options = DiffOptions {
        namespace: Some("team".to_owned()),
        ..DiffOptions::default()
    };
    assert!(diff(&desired, &observed, &options).is_empty());
    assert_eq!(merged(&desired, &observed, &options)["Namespace"], "team");
}

#[test]
fn another_region_is_drift() {
    let mut desired = shop();
    desired["Region"] = json!("east");
    assert_eq!(
        paths(&drift(&desired, &observed_with("/Region", json!("west")))),
        ["Region"]
    );
    assert!(
        drift(&shop(), &observed_with("/Region", json!("west"))).is_empty(),
        "the job names none"
    );
}

#[test]
fn a_place_starts_with_a_slash() {
    use cs::reconcile::diff::Place;
    for odd in ["", "/", "Meta", "TaskGroups/web"] {
        assert!(odd.parse::<Place>().is_err(), "{odd:?}");
    }
}
