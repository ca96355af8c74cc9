//! H1-16: how failure, blocked placement and the end of a batch job show.

use std::time::Duration;

use serde_json::{Value, json};

use super::case::cases;
use super::jobs::{SECOND, batch, idle, service, with, with_config, with_group, with_task};
use super::run::{Run, Stop};

cases! {
    "H1-5" Mock exit_code: "a task that exits with 3 fails allocation, deployment and job, and an unchanged register does not retry",
    "H6-7" Mock start_error: "a task that cannot start says why in a Driver Failure event",
    "H8-11" Mock impossible_constraint: "a placement that no node allows is explained by the evaluation and never times out",
    "H12-13" Mock batch_success: "a finished batch job is not run again by an unchanged register",
    "H14" Mock batch_failure: "a failed batch job is told by its allocation, not by its status",
    "H15" Mock stopped_batch: "a stopped batch job looks complete",
    "H16" Api count_zero: "count 0 is dead and has no deployment",
}

/// The newest event of a type of task `t`.
fn event<'a>(allocation: &'a Value, kind: &str) -> &'a Value {
    allocation["TaskStates"]["t"]["Events"]
        .as_array()
        .and_then(|events| events.iter().rev().find(|it| it["Type"] == kind))
        .unwrap_or(&Value::Null)
}

async fn exit_code(run: &Run) -> Result<(), Stop> {
    let id = run.id("exit");
    let config = json!({"run_for": "10ms", "exit_code": 3, "exit_err_msg": "boom"});
    let job = with_config(service(&id), config);
    run.register(&job).await?;
    let deployment = run.deployment(&id, |it| it["Status"] == "failed").await?;
    run.at(
        "H1",
        &deployment,
        "/StatusDescription",
        "Failed due to unhealthy allocations",
    );
    let list = run
        .allocations(&id, |list| list[0]["ClientStatus"] == "failed")
        .await?;
    let allocation = &list[0];
    run.at("H2", allocation, "/ClientDescription", "Failed tasks");
    run.at("H2", allocation, "/DesiredStatus", "run");
    run.at("H2", allocation, "/DeploymentStatus/Healthy", false);
    run.at("H2", allocation, "/TaskStates/t/Failed", true);
    let terminated = event(allocation, "Terminated");
    run.at(
        "H3",
        terminated,
        "/DisplayMessage",
        "Exit Code: 3, Exit Message: \"boom\"",
    );
    run.at("H3", terminated, "/Details/exit_code", "3");
    run.at("H3", terminated, "/Details/oom_killed", "false");
    run.at(
        "H3",
        event(allocation, "Not Restarting"),
        "/DisplayMessage",
        "Policy allows no restarts",
    );
    run.at("H4", &run.status(&id, "dead").await?, "/Status", "dead");

    let again = run.register(&job).await?;
    run.evaluated(&again).await?;
    run.at(
        "H5",
        &run.deployment(&id, |_| true).await?,
        "/ID",
        deployment["ID"].clone(),
    );
    let list = run.allocations(&id, |_| true).await?;
    run.same("H5", "number of allocations", list.len(), 1);
    Ok(())
}

async fn start_error(run: &Run) -> Result<(), Stop> {
    let id = run.id("start");
    run.register(&with_config(
        service(&id),
        json!({"start_error": "no such image"}),
    ))
    .await?;
    let list = run
        .allocations(&id, |list| {
            list.first()
                .is_some_and(|it| event(it, "Driver Failure") != &Value::Null)
        })
        .await?;
    let failure = event(&list[0], "Driver Failure");
    run.at("H6", failure, "/DisplayMessage", "no such image");
    run.at("H6", failure, "/Details/driver_error", "no such image");
    let deployment = run.deployment(&id, |it| it["Status"] == "failed").await?;
    run.at(
        "H7",
        &deployment,
        "/StatusDescription",
        "Failed due to unhealthy allocations",
    );
    Ok(())
}

async fn impossible_constraint(run: &Run) -> Result<(), Stop> {
    let id = run.id("plan9");
    let constraint =
        json!([{"LTarget": "${attr.kernel.name}", "RTarget": "plan9", "Operand": "="}]);
    let mut job = with(service(&id), "Constraints", constraint);
    job = with_group(job, "Count", json!(2));
    // A progress deadline below the time to kill is refused.
    job = with_task(job, "KillTimeout", json!(SECOND));
    job["Update"]["HealthyDeadline"] = json!(SECOND * 2);
    job["Update"]["ProgressDeadline"] = json!(SECOND * 3);
    let written = run.register(&job).await?;
    let eval = run.evaluated(&written).await?;
    let metric = &eval["FailedTGAllocs"]["g"];
    let nodes = metric["NodesFiltered"].clone();
    run.at(
        "H8",
        metric,
        "/ConstraintFiltered",
        json!({"${attr.kernel.name} = plan9": nodes}),
    );
    run.holds(
        "H8",
        "at least one node was filtered",
        metric["NodesFiltered"].as_u64() >= Some(1),
        metric,
    );
    run.at("H8", metric, "/CoalescedFailures", 1);
    run.at("H8", &eval, "/QueuedAllocations/g", 2);
    let blocked = eval["BlockedEval"].as_str().unwrap_or_default();
    let blocked = run.get(&format!("/v1/evaluation/{blocked}")).await?.json();
    run.at("H9", &blocked, "/Status", "blocked");
    run.at("H9", &blocked, "/TriggeredBy", "queued-allocs");
    run.at(
        "H9",
        &blocked,
        "/StatusDescription",
        "created to place remaining allocations",
    );
    run.at("H9", &blocked, "/PreviousEval", eval["ID"].clone());

    let waiting = |row: &'static str, deployment: &Value, job: &Value| {
        run.at(row, deployment, "/Status", "running");
        run.at(row, deployment, "/TaskGroups/g/PlacedAllocs", 0);
        run.at(
            row,
            deployment,
            "/TaskGroups/g/RequireProgressBy",
            Value::Null,
        );
        run.at(row, job, "/Status", "running");
    };
    waiting(
        "H10",
        &run.deployment(&id, |_| true).await?,
        &run.job(&id).await?,
    );
    // That something does not happen can only be seen by letting its time pass: the deadline of 3 s and more.
    tokio::time::sleep(Duration::from_secs(5)).await;
    waiting(
        "H11",
        &run.deployment(&id, |_| true).await?,
        &run.job(&id).await?,
    );
    Ok(())
}

async fn batch_success(run: &Run) -> Result<(), Stop> {
    let id = run.id("batch");
    run.register(&batch(&id)).await?;
    finished_once(run, "H12", &id).await?;
    run.answers(
        "H12",
        &run.get(&format!("/v1/job/{id}/deployment")).await?,
        200,
        "null",
    );
    let again = run.register(&batch(&id)).await?;
    run.evaluated(&again).await?;
    let job = finished_once(run, "H13", &id).await?;
    run.at("H13", &job, "/Version", 0);
    Ok(())
}

async fn finished_once(run: &Run, row: &str, id: &str) -> Result<Value, Stop> {
    let job = run.status(id, "dead").await?;
    let list = run.allocations(id, |list| !list.is_empty()).await?;
    run.same(row, "number of allocations", list.len(), 1);
    run.at(row, &list[0], "/ClientStatus", "complete");
    run.at(row, &list[0], "/DesiredStatus", "run");
    run.at(row, &list[0], "/TaskStates/t/Failed", false);
    let path = format!("/v1/job/{id}/summary");
    let summary = run
        .until("summary", &path, |it| it["Summary"]["g"]["Complete"] == 1)
        .await?;
    run.at(row, &summary, "/Summary/g/Failed", 0);
    Ok(job)
}

async fn batch_failure(run: &Run) -> Result<(), Stop> {
    let id = run.id("batch");
    run.register(&with_config(
        batch(&id),
        json!({"run_for": "10ms", "exit_code": 7}),
    ))
    .await?;
    run.status(&id, "dead").await?;
    let list = run
        .allocations(&id, |list| list[0]["ClientStatus"] == "failed")
        .await?;
    run.at("H14", &list[0], "/TaskStates/t/Failed", true);
    run.at(
        "H14",
        event(&list[0], "Terminated"),
        "/Details/exit_code",
        "7",
    );
    let path = format!("/v1/job/{id}/summary");
    let summary = run
        .until("summary", &path, |it| it["Summary"]["g"]["Failed"] == 1)
        .await?;
    run.at("H14", &summary, "/Summary/g/Complete", 0);
    Ok(())
}

async fn stopped_batch(run: &Run) -> Result<(), Stop> {
    let id = run.id("batch");
    run.register(&with_config(batch(&id), json!({"run_for": "900s"})))
        .await?;
    run.running(&id).await?;
    run.delete(&format!("/v1/job/{id}")).await?;
    let list = run
        .allocations(&id, |list| list[0]["ClientStatus"] == "complete")
        .await?;
    run.at("H15", &list[0], "/DesiredStatus", "stop");
    run.at("H15", &list[0], "/TaskStates/t/Failed", false);
    Ok(())
}

async fn count_zero(run: &Run) -> Result<(), Stop> {
    let id = run.id("zero");
    let written = run.register(&idle(&id)).await?;
    run.evaluated(&written).await?;
    run.at("H16", &run.status(&id, "dead").await?, "/Stop", false);
    run.answers(
        "H16",
        &run.get(&format!("/v1/job/{id}/deployment")).await?,
        200,
        "null",
    );
    Ok(())
}
