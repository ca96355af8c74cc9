//! R: plan, register and the numbers that tie a job, its evaluation and its deployment together.

use serde_json::{Value, json};

use super::case::cases;
use super::jobs::{SECOND, idle, minimal, service, with};
use super::run::{Run, Stop};

cases! {
    "R1-2" Mock plan_of_a_new_job: "planning a new job shows what would be added and writes nothing",
    "R3-7" Api first_register: "the first register answers with one index and fills in Nomad's defaults",
    "R8-13" Mock rollout_and_unchanged_register: "a register makes one deployment, and an unchanged one makes no version",
    "R14-16" Api conflicts: "EnforceIndex refuses a write that is based on another state",
    "R17" Api type_change: "the type of a job cannot be changed",
}

async fn plan_of_a_new_job(run: &Run) -> Result<(), Stop> {
    let id = run.id("new");
    let plan = run.plan(&service(&id)).await?;
    run.at("R1", &plan, "/Diff/Type", "Added");
    run.at("R1", &plan, "/JobModifyIndex", 0);
    run.at("R1", &plan, "/Annotations/DesiredTGUpdates/g/Place", 1);
    run.answers(
        "R2",
        &run.get(&format!("/v1/job/{id}")).await?,
        404,
        "job not found",
    );
    Ok(())
}

async fn first_register(run: &Run) -> Result<(), Stop> {
    let id = run.id("first");
    let body = json!({"Job": minimal(&id), "EnforceIndex": true, "JobModifyIndex": 0});
    let reply = run.put("/v1/jobs", &body).await?;
    let written = reply.json();
    run.same("R3", "status", reply.status, 200);
    run.holds(
        "R3",
        "EvalID is set",
        written["EvalID"].as_str().is_some_and(|id| id.len() == 36),
        &written,
    );
    for member in ["/Index", "/EvalCreateIndex"] {
        run.at("R3", &written, member, written["JobModifyIndex"].clone());
    }
    run.same(
        "R3",
        "X-Nomad-Index",
        written["JobModifyIndex"].as_u64(),
        Some(reply.index()),
    );
    run.at("R3", &written, "/Warnings", "");

    let job = run.job(&id).await?;
    run.at("R4", &job, "/Version", 0);
    run.at("R4", &job, "/JobModifyIndex", job["CreateIndex"].clone());
    run.at(
        "R4",
        &job,
        "/JobModifyIndex",
        written["JobModifyIndex"].clone(),
    );
    run.at("R5", &job, "/Stop", false);
    run.at("R5", &job, "/Stable", false);
    defaults(run, &job);
    Ok(())
}

fn defaults(run: &Run, job: &Value) {
    run.at("R6", job, "/Name", job["ID"].clone());
    run.at("R6", job, "/Type", "service");
    run.at("R6", job, "/Priority", 50);
    run.at("R6", job, "/Namespace", "default");
    run.at("R6", job, "/NodePool", "default");
    run.at("R6", job, "/Datacenters", json!(["*"]));
    let group = &job["TaskGroups"][0];
    run.at("R6", group, "/Count", 1);
    run.at("R6", group, "/RestartPolicy/Attempts", 2);
    run.at("R6", group, "/RestartPolicy/Interval", 1800 * SECOND);
    run.at("R6", group, "/RestartPolicy/Delay", 15 * SECOND);
    run.at("R6", group, "/RestartPolicy/Mode", "fail");
    run.at("R6", group, "/ReschedulePolicy/Unlimited", true);
    run.at("R6", group, "/ReschedulePolicy/Delay", 30 * SECOND);
    run.at(
        "R6",
        group,
        "/ReschedulePolicy/DelayFunction",
        "exponential",
    );
    run.at("R6", group, "/ReschedulePolicy/MaxDelay", 3600 * SECOND);
    run.at("R6", group, "/Update/MaxParallel", 1);
    run.at("R6", group, "/Update/HealthCheck", "checks");
    run.at("R6", group, "/Update/MinHealthyTime", 10 * SECOND);
    run.at("R6", group, "/Update/HealthyDeadline", 300 * SECOND);
    run.at("R6", group, "/Update/ProgressDeadline", 600 * SECOND);
    run.at("R7", group, "/EphemeralDisk/SizeMB", 300);
    let task = &group["Tasks"][0];
    run.at("R7", task, "/KillTimeout", 5 * SECOND);
    run.at("R7", task, "/Resources/CPU", 100);
    run.at("R7", task, "/Resources/MemoryMB", 300);
    run.at("R7", task, "/LogConfig/MaxFiles", 10);
    run.at("R7", task, "/LogConfig/MaxFileSizeMB", 10);
    run.at("R7", task, "/Identity/Name", "default");
    run.at("R7", task, "/Identity/Audience", json!(["nomadproject.io"]));
    run.at("R7", task, "/Meta", Value::Null);
}

async fn rollout_and_unchanged_register(run: &Run) -> Result<(), Stop> {
    let id = run.id("roll");
    let written = run.register(&service(&id)).await?;
    let eval = run.evaluated(&written).await?;
    let before = run.job(&id).await?;
    let deployment = run.deployment(&id, |_| true).await?;
    run.at("R8", &eval, "/TriggeredBy", "job-register");
    run.at("R8", &eval, "/DeploymentID", deployment["ID"].clone());
    run.at("R8", &eval, "/QueuedAllocations/g", 0);
    run.at("R9", &deployment, "/Status", "running");
    run.at(
        "R9",
        &deployment,
        "/StatusDescription",
        "Deployment is running",
    );
    run.at(
        "R9",
        &deployment,
        "/JobSpecModifyIndex",
        written["JobModifyIndex"].clone(),
    );
    run.at("R9", &deployment, "/TaskGroups/g/DesiredTotal", 1);
    run.at("R9", &deployment, "/TaskGroups/g/PlacedAllocs", 1);

    let deployment = run.rolled_out(&id, 0).await?;
    run.at(
        "R10",
        &deployment,
        "/StatusDescription",
        "Deployment completed successfully",
    );
    run.at("R10", &deployment, "/TaskGroups/g/HealthyAllocs", 1);
    let job = run.job(&id).await?;
    run.at("R11", &job, "/Stable", true);
    run.at("R11", &job, "/Version", 0);
    run.at(
        "R12",
        &job,
        "/JobModifyIndex",
        before["JobModifyIndex"].clone(),
    );
    let (now, spec) = (job["ModifyIndex"].as_u64(), job["JobModifyIndex"].as_u64());
    run.holds(
        "R12",
        "ModifyIndex is past JobModifyIndex",
        now > spec,
        (now, spec),
    );

    let again = run.register(&service(&id)).await?;
    run.holds(
        "R13",
        "EvalID is set",
        again["EvalID"].as_str().is_some_and(|id| !id.is_empty()),
        &again,
    );
    run.at("R13", &again, "/JobModifyIndex", job["ModifyIndex"].clone());
    run.evaluated(&again).await?;
    let after = run.job(&id).await?;
    run.at("R13", &after, "/Version", 0);
    run.at(
        "R13",
        &after,
        "/JobModifyIndex",
        job["JobModifyIndex"].clone(),
    );
    Ok(())
}

async fn conflicts(run: &Run) -> Result<(), Stop> {
    let id = run.id("cas");
    let written = run.register(&idle(&id)).await?;
    let index = &written["JobModifyIndex"];
    let enforce = |id: &str, index: u64| json!({"Job": with(idle(id), "Priority", json!(60)), "EnforceIndex": true, "JobModifyIndex": index});
    let reply = run.put("/v1/jobs", &enforce(&id, 0)).await?;
    run.answers(
        "R14",
        &reply,
        500,
        "Enforcing job modify index 0: job already exists",
    );
    let reply = run.put("/v1/jobs", &enforce(&id, 5)).await?;
    let text = format!(
        "Enforcing job modify index 5: job exists with conflicting job modify index: {index}"
    );
    run.answers("R15", &reply, 500, &text);
    let reply = run.put("/v1/jobs", &enforce(&run.id("none"), 5)).await?;
    run.answers(
        "R16",
        &reply,
        500,
        "Enforcing job modify index 5: job does not exist",
    );
    Ok(())
}

async fn type_change(run: &Run) -> Result<(), Stop> {
    let id = run.id("type");
    run.register(&minimal(&id)).await?;
    let reply = run
        .put(
            "/v1/jobs",
            &json!({"Job": with(minimal(&id), "Type", json!("batch"))}),
        )
        .await?;
    run.answers(
        "R17",
        &reply,
        500,
        "cannot update job from type \"service\" to \"batch\"",
    );
    Ok(())
}
