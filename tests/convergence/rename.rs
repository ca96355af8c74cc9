//! The platform names a task after its deployment; what changed inside it is what people want to see.

use cs::reconcile::diff::{DiffOptions, Effect, diff};
use serde_json::json;

#[test]
fn a_renamed_task_is_shown_by_what_changed_inside_it() {
    let job = |task: &str, image: &str| {
        json!({"ID": "shop", "TaskGroups": [{"Name": "web", "Tasks": [
            {"Name": task, "Driver": "docker", "Config": {"image": image}}
        ]}]})
    };
    let drift = diff(
        &job("d2", "shop:2"),
        &job("d1", "shop:1"),
        &DiffOptions::default(),
    );
    let lines: Vec<String> = drift.changes.iter().map(ToString::to_string).collect();
    assert_eq!(
        lines,
        [
            r#"~ TaskGroups[web].Tasks[d2].Config.image: "shop:1" -> "shop:2""#,
            r#"~ TaskGroups[web].Tasks[d2].Name: "d1" -> "d2""#
        ]
    );
    assert_eq!(drift.effect(), Some(Effect::Destructive));
}

#[test]
fn of_several_tasks_none_is_taken_for_another() {
    let job = |names: [&str; 2]| {
        let tasks: Vec<_> = names
            .iter()
            .map(|name| json!({"Name": name, "Driver": "exec"}))
            .collect();
        json!({"ID": "shop", "TaskGroups": [{"Name": "web", "Tasks": tasks}]})
    };
    let drift = diff(&job(["a", "b"]), &job(["c", "d"]), &DiffOptions::default());
    assert_eq!(drift.changes.len(), 4, "{drift}");
}
