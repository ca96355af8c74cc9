//! H17-24: how a deployment ends other than by success or failure alone.

use serde_json::{Value, json};

use super::case::cases;
use super::jobs::{service, with, with_config, with_task};
use super::run::{Run, Stop, succeeded};

cases! {
    "H17" Mock auto_revert: "a failed version is rolled back as a new version with the old specification",
    "H18-22" Mock canary: "a canary waits for promotion, can be paused and promoted, and is then closed to both",
    "H23-24" Mock cancelled: "a newer version or a stop cancels a running deployment",
}

async fn auto_revert(run: &Run) -> Result<(), Stop> {
    let id = run.id("revert");
    let mut good = service(&id);
    good["Update"]["AutoRevert"] = json!(true);
    run.register(&good).await?;
    run.rolled_out(&id, 0).await?;
    let bad = json!({"run_for": "10ms", "exit_code": 1});
    run.register(&with_config(good.clone(), bad)).await?;
    let path = format!("/v1/job/{id}/deployments");
    let list = run
        .until("version 1 failed", &path, |list| {
            version(list, 1)["Status"] == "failed" && !version(list, 2).is_null()
        })
        .await?;
    let text = "Failed due to unhealthy allocations - rolling back to job version 0";
    run.at("H17", version(&list, 1), "/StatusDescription", text);
    let job = run.job(&id).await?;
    run.at("H17", &job, "/Version", 2);
    run.at(
        "H17",
        &job,
        "/TaskGroups/0/Tasks/0/Config",
        json!({"run_for": "900s"}),
    );
    Ok(())
}

/// The deployment of a version in a list of them.
fn version(list: &Value, version: u64) -> &Value {
    list.as_array()
        .and_then(|list| list.iter().find(|it| it["JobVersion"] == version))
        .unwrap_or(&Value::Null)
}

async fn canary(run: &Run) -> Result<(), Stop> {
    let id = run.id("canary");
    let mut job = service(&id);
    job["Update"]["Canary"] = json!(1);
    run.register(&job).await?;
    run.rolled_out(&id, 0).await?;
    run.register(&with_task(job, "Env", json!({"A": "1"})))
        .await?;
    let deployment = run
        .deployment(&id, |it| {
            it["JobVersion"] == 1 && it["TaskGroups"]["g"]["HealthyAllocs"] == 1
        })
        .await?;
    let text = "Deployment is running but requires manual promotion";
    run.at("H18", &deployment, "/StatusDescription", text);
    run.at("H18", &deployment, "/TaskGroups/g/DesiredCanaries", 1);
    let canaries = deployment["TaskGroups"]["g"]["PlacedCanaries"]
        .as_array()
        .map(Vec::len);
    run.same("H18", "placed canaries", canaries, Some(1));

    let of = deployment["ID"].as_str().unwrap_or_default().to_owned();
    let paused = write(
        run,
        "pause",
        &of,
        json!({"DeploymentID": of, "Pause": true}),
    )
    .await?;
    run.at("H19", &paused, "/EvalID", "");
    let deployment = run.deployment(&id, |it| it["Status"] == "paused").await?;
    run.at(
        "H19",
        &deployment,
        "/StatusDescription",
        "Deployment is paused",
    );
    write(
        run,
        "pause",
        &of,
        json!({"DeploymentID": of, "Pause": false}),
    )
    .await?;
    run.at(
        "H20",
        &run.deployment(&id, |_| true).await?,
        "/Status",
        "running",
    );
    let promoted = write(
        run,
        "promote",
        &of,
        json!({"DeploymentID": of, "All": true}),
    )
    .await?;
    run.holds(
        "H20",
        "EvalID is set",
        promoted["EvalID"].as_str().is_some_and(|id| !id.is_empty()),
        &promoted,
    );
    let deployment = run.rolled_out(&id, 1).await?;
    run.at("H21", &deployment, "/TaskGroups/g/Promoted", true);
    run.at("H21", &deployment, "/ID", of.as_str());

    let reply = run
        .put(&format!("/v1/deployment/fail/{of}"), &json!({}))
        .await?;
    run.answers("H22", &reply, 500, "can't fail terminal deployment");
    let body = json!({"DeploymentID": of, "All": true});
    let reply = run
        .put(&format!("/v1/deployment/promote/{of}"), &body)
        .await?;
    run.answers("H22", &reply, 500, "can't promote terminal deployment");
    Ok(())
}

async fn write(run: &Run, verb: &str, deployment: &str, body: Value) -> Result<Value, Stop> {
    let reply = run
        .put(&format!("/v1/deployment/{verb}/{deployment}"), &body)
        .await?;
    succeeded(verb, &reply)
}

async fn cancelled(run: &Run) -> Result<(), Stop> {
    let id = run.id("over");
    let written = run.register(&service(&id)).await?;
    run.evaluated(&written).await?;
    let first = run.deployment(&id, |_| true).await?;
    run.register(&with(service(&id), "Meta", json!({"a": "1"})))
        .await?;
    let second = run.deployment(&id, |it| it["JobVersion"] == 1).await?;
    run.delete(&format!("/v1/job/{id}")).await?;
    for (row, deployment, text) in [
        ("H23", &first, "Cancelled due to newer version of job"),
        ("H24", &second, "Cancelled because job is stopped"),
    ] {
        let path = format!(
            "/v1/deployment/{}",
            deployment["ID"].as_str().unwrap_or_default()
        );
        let ended = run
            .until("cancelled", &path, |it| it["Status"] == "cancelled")
            .await?;
        run.at(row, &ended, "/StatusDescription", text);
    }
    Ok(())
}
