//! D: what a plan shows, and what it hides.

use serde_json::{Value, json};

use super::case::cases;
use super::jobs::{SECOND, service, with, with_group, with_task};
use super::run::{Run, Stop};

cases! {
    "D1-2" Mock unchanged: "an unchanged job, as sent or as stored, has an empty diff",
    "D3" Mock count: "a higher count creates and leaves the rest in place",
    "D4-5" Mock destructive: "environment and meta replace the allocation",
    "D6-7" Mock hidden: "job spreads are not shown at all, a task's restart policy only as edited",
    "D8-10" Mock harmless: "priority is in place, unknown and empty members are nothing, stop destroys",
    "D11-13" Mock scaling: "a scaling block is edited without content and costs one version, once",
}

/// Registers the usual service, waits for its allocation and plans `changed` of it.
async fn plan_change(run: &Run, changed: impl FnOnce(Value) -> Value) -> Result<Value, Stop> {
    let job = service(&run.id("d"));
    run.register(&job).await?;
    run.running(&run.id("d")).await?;
    run.plan(&changed(job)).await
}

/// The entry with a name in a list of a diff, or null.
fn named(list: &Value, name: &str) -> Value {
    list.as_array()
        .and_then(|list| list.iter().find(|it| it["Name"] == name))
        .cloned()
        .unwrap_or_default()
}

fn updates(plan: &Value) -> &Value {
    &plan["Diff"]["TaskGroups"][0]["Updates"]
}

async fn unchanged(run: &Run) -> Result<(), Stop> {
    let plan = plan_change(run, |job| job).await?;
    for row in ["D1", "D2"] {
        let plan = if row == "D1" {
            plan.clone()
        } else {
            run.plan(&run.job(&run.id("d")).await?).await?
        };
        run.at(row, &plan, "/Diff/Type", "None");
        run.at(row, &plan, "/Diff/Fields", Value::Null);
        run.at(row, &plan, "/Diff/Objects", Value::Null);
        run.at(row, &plan, "/Diff/TaskGroups/0/Type", "None");
        run.at(
            row,
            &plan,
            "/Diff/TaskGroups/0/Updates",
            json!({"ignore": 1}),
        );
        run.at(row, &plan, "/Annotations/DesiredTGUpdates/g/Ignore", 1);
        run.at(row, &plan, "/FailedTGAllocs", Value::Null);
    }
    Ok(())
}

async fn count(run: &Run) -> Result<(), Stop> {
    let plan = plan_change(run, |job| with_group(job, "Count", json!(3))).await?;
    run.same(
        "D3",
        "updates",
        updates(&plan),
        &json!({"create": 2, "in-place update": 1}),
    );
    let field = named(&plan["Diff"]["TaskGroups"][0]["Fields"], "Count");
    let expected = json!({
        "Name": "Count", "Type": "Edited", "Old": "1", "New": "3", "Annotations": ["forces create"],
    });
    run.same("D3", "field Count", field, expected);
    Ok(())
}

async fn destructive(run: &Run) -> Result<(), Stop> {
    let plan = plan_change(run, |job| with_task(job, "Env", json!({"A": "1"}))).await?;
    run.same(
        "D4",
        "updates",
        updates(&plan),
        &json!({"create/destroy update": 1}),
    );
    let task = &plan["Diff"]["TaskGroups"][0]["Tasks"][0];
    run.at("D4", task, "/Type", "Edited");
    run.at(
        "D4",
        task,
        "/Annotations",
        json!(["forces create/destroy update"]),
    );
    let field = named(&task["Fields"], "Env[A]");
    run.at("D4", &field, "/Type", "Added");
    run.at("D4", &field, "/New", "1");

    let plan = run
        .plan(&with(service(&run.id("d")), "Meta", json!({"a": "1"})))
        .await?;
    run.at(
        "D5",
        &named(&plan["Diff"]["Fields"], "Meta[a]"),
        "/New",
        "1",
    );
    run.at(
        "D5",
        &plan,
        "/Annotations/DesiredTGUpdates/g/DestructiveUpdate",
        1,
    );
    Ok(())
}

async fn hidden(run: &Run) -> Result<(), Stop> {
    let spreads = json!([{"Attribute": "${node.datacenter}", "Weight": 50}]);
    let plan = plan_change(run, |job| with(job, "Spreads", spreads)).await?;
    run.at("D6", &plan, "/Diff/Type", "None");
    run.at(
        "D6",
        &plan,
        "/Annotations/DesiredTGUpdates/g/InPlaceUpdate",
        1,
    );

    let policy = json!({"Attempts": 4, "Interval": 60 * SECOND, "Delay": SECOND, "Mode": "fail"});
    let plan = run
        .plan(&with_task(service(&run.id("d")), "RestartPolicy", policy))
        .await?;
    let group = &plan["Diff"]["TaskGroups"][0];
    for part in [group, &group["Tasks"][0]] {
        run.at("D7", part, "/Type", "Edited");
        run.at("D7", part, "/Fields", Value::Null);
        run.at("D7", part, "/Objects", Value::Null);
    }
    Ok(())
}

async fn harmless(run: &Run) -> Result<(), Stop> {
    let plan = plan_change(run, |job| with(job, "Priority", json!(60))).await?;
    run.same(
        "D8",
        "updates",
        updates(&plan),
        &json!({"in-place update": 1}),
    );
    run.at(
        "D8",
        &named(&plan["Diff"]["Fields"], "Priority"),
        "/New",
        "60",
    );

    let mut job = service(&run.id("d"));
    job["Bogus"] = json!("x");
    job["ParentID"] = json!("nobody");
    job["Status"] = json!("dead");
    job["Meta"] = json!({});
    job["Constraints"] = json!([]);
    job["TaskGroups"][0]["StopAfterClientDisconnect"] = json!(5);
    let plan = run.plan(&job).await?;
    run.at("D9", &plan, "/Diff/Type", "None");

    let plan = run
        .plan(&with(service(&run.id("d")), "Stop", json!(true)))
        .await?;
    let field = named(&plan["Diff"]["Fields"], "Stop");
    run.at("D10", &field, "/Old", "false");
    run.at("D10", &field, "/New", "true");
    run.same("D10", "updates", updates(&plan), &json!({"destroy": 1}));
    Ok(())
}

async fn scaling(run: &Run) -> Result<(), Stop> {
    let id = run.id("d");
    let block = json!({"Min": 1, "Max": 3, "Enabled": true, "Policy": {}});
    let job = with_group(service(&id), "Scaling", block);
    run.register(&job).await?;
    run.running(&id).await?;
    let plan = run.plan(&job).await?;
    let object = named(&plan["Diff"]["TaskGroups"][0]["Objects"], "Scaling");
    run.at("D11", &plan, "/Diff/Type", "Edited");
    run.at("D11", &object, "/Type", "Edited");
    run.at("D11", &object, "/Fields", Value::Null);
    run.at("D11", &object, "/Objects", Value::Null);
    for row in ["D12", "D13"] {
        run.register(&job).await?;
        run.at(row, &run.job(&id).await?, "/Version", 1);
    }
    Ok(())
}
