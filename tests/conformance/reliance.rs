//! L1-14 and L26: what the loop relies on beyond the other tables, about specifications and their records.

use serde_json::{Value, json};

use super::case::cases;
use super::jobs::{idle, service, with, with_task};
use super::run::{Run, Stop, succeeded};
use super::stream::{Lines, events};

cases! {
    "L1-2" Mock deployment_of_a_register: "a register finds its deployment by the index of its specification, also when changed in place",
    "L3-5" Api submission: "the source is kept by version, and an unchanged register leaves it alone",
    "L6-7" Api inherited_submission: "a version without a source takes over an older one",
    "L8" Api same_id: "one id in two namespaces is two jobs",
    "L9-10" Api stream_resume: "a stream resumed at an index redelivers it and goes on",
    "L11-12" Api versions: "versions hold whole specifications with their meta, the stop among them",
    "L13-14" Mock start_again: "a stopped job is started again on top of its index, not as a new one",
    "L26" Mock statuses: "one call tells version, deployment and allocations of a service",
}

async fn deployment_of_a_register(run: &Run) -> Result<(), Stop> {
    let id = run.id("find");
    run.register(&service(&id)).await?;
    let first = run.rolled_out(&id, 0).await?;
    let written = run
        .register(&with(service(&id), "Priority", json!(60)))
        .await?;
    let eval = run.evaluated(&written).await?;
    let list = run.get(&format!("/v1/job/{id}/deployments")).await?.json();
    let of_register = |it: &&Value| it["JobSpecModifyIndex"] == written["JobModifyIndex"];
    let found: Vec<&Value> = list
        .as_array()
        .into_iter()
        .flatten()
        .filter(of_register)
        .collect();
    run.same("L1", "deployments of this register", found.len(), 1);
    let found = found.first().copied().cloned().unwrap_or_default();
    run.at("L1", &found, "/ID", eval["DeploymentID"].clone());
    run.at("L1", &found, "/JobVersion", 1);
    run.at(
        "L1",
        &run.deployment(&id, |_| true).await?,
        "/ID",
        found["ID"].clone(),
    );
    run.holds(
        "L2",
        "it is another one",
        found["ID"] != first["ID"],
        &found,
    );
    run.rolled_out(&id, 1).await?;
    let list = run.allocations(&id, |_| true).await?;
    run.same("L2", "number of allocations", list.len(), 1);
    run.at("L2", &list[0], "/JobVersion", 1);
    // A list leaves the deployment out; the allocation itself names it.
    run.at("L2", &list[0], "/DeploymentID", Value::Null);
    let path = format!(
        "/v1/allocation/{}",
        list[0]["ID"].as_str().unwrap_or_default()
    );
    let allocation = run.get(&path).await?.json();
    run.at("L2", &allocation, "/DeploymentID", found["ID"].clone());
    Ok(())
}

/// Registers an idle job with a source.
async fn register_with_source(run: &Run, job: &Value, source: &str) -> Result<Value, Stop> {
    let submission = json!({"Source": source, "Format": "hcl2", "VariableFlags": {"hash": source}});
    let reply = run
        .put("/v1/jobs", &json!({"Job": job, "Submission": submission}))
        .await?;
    succeeded("register with a source", &reply)
}

async fn source_of(run: &Run, id: &str, version: u64) -> Result<Value, Stop> {
    let reply = run
        .get(&format!("/v1/job/{id}/submission?version={version}"))
        .await?;
    Ok(reply.json())
}

async fn submission(run: &Run) -> Result<(), Stop> {
    let id = run.id("source");
    register_with_source(run, &idle(&id), "one").await?;
    let kept = source_of(run, &id, 0).await?;
    run.at("L3", &kept, "/Source", "one");
    run.at("L3", &kept, "/Format", "hcl2");
    run.at("L3", &kept, "/VariableFlags", json!({"hash": "one"}));
    let path = format!("/v1/job/{id}/submission");
    run.same(
        "L4",
        "status without a version",
        run.get(&path).await?.status,
        400,
    );
    run.answers(
        "L4",
        &run.get(&format!("{path}?version=7")).await?,
        404,
        "job source not found",
    );
    register_with_source(run, &idle(&id), "two").await?;
    run.at("L5", &source_of(run, &id, 0).await?, "/Source", "one");
    run.answers(
        "L5",
        &run.get(&format!("{path}?version=1")).await?,
        404,
        "job source not found",
    );
    Ok(())
}

async fn inherited_submission(run: &Run) -> Result<(), Stop> {
    let id = run.id("source");
    register_with_source(run, &idle(&id), "zero").await?;
    register_with_source(run, &with(idle(&id), "Priority", json!(51)), "one").await?;
    run.at("L6", &source_of(run, &id, 1).await?, "/Source", "one");
    run.register(&with(idle(&id), "Priority", json!(52)))
        .await?;
    run.at("L6", &source_of(run, &id, 2).await?, "/Source", "zero");
    register_with_source(run, &with(idle(&id), "Priority", json!(53)), "three").await?;
    run.delete(&format!("/v1/job/{id}")).await?;
    run.at("L7", &run.job(&id).await?, "/Version", 4);
    run.at("L7", &source_of(run, &id, 4).await?, "/Source", "three");
    Ok(())
}

async fn same_id(run: &Run) -> Result<(), Stop> {
    let (namespace, id) = (run.namespace("twin").await?, run.id("twin"));
    run.register(&idle(&id)).await?;
    let body = json!({"Job": with(idle(&id), "Priority", json!(60))});
    run.put(&format!("/v1/jobs?namespace={namespace}"), &body)
        .await?;
    run.delete(&format!("/v1/job/{id}?namespace={namespace}"))
        .await?;
    let here = run.job(&id).await?;
    run.at("L8", &here, "/Priority", 50);
    run.at("L8", &here, "/Stop", false);
    let list = run
        .get(&format!("/v1/jobs?namespace=*&prefix={id}"))
        .await?
        .json();
    run.same(
        "L8",
        "jobs in all namespaces",
        list.as_array().map(Vec::len),
        Some(2),
    );
    Ok(())
}

async fn stream_resume(run: &Run) -> Result<(), Stop> {
    let id = run.id("resume");
    let query = format!("topic=Job:{id}&namespace=*");
    let mut lines = Lines::open(run, &query).await?;
    lines.next().await?;
    run.register(&idle(&id)).await?;
    let first = lines.next_event().await?;
    let index = first["Index"].as_u64().unwrap_or_default();
    let mut resumed = Lines::open(run, &format!("{query}&index={index}")).await?;
    let redelivered = resumed.next_event().await?;
    run.same(
        "L9",
        "index of the first line",
        redelivered["Index"].as_u64(),
        Some(index),
    );
    run.at("L9", &redelivered, "/Events/0/Type", "JobRegistered");
    drop(lines);
    let written = run
        .register(&with(idle(&id), "Priority", json!(60)))
        .await?;
    loop {
        let line = resumed.next_event().await?;
        if let Some(event) = events(&line).find(|it| it["Payload"]["Job"]["Version"] == 1) {
            run.same(
                "L10",
                "index of the change",
                event["Index"].as_u64(),
                written["JobModifyIndex"].as_u64(),
            );
            return Ok(());
        }
    }
}

async fn versions(run: &Run) -> Result<(), Stop> {
    let id = run.id("history");
    for value in ["a", "b"] {
        run.register(&with(idle(&id), "Meta", json!({"generation": value})))
            .await?;
    }
    run.delete(&format!("/v1/job/{id}")).await?;
    let list = run.get(&format!("/v1/job/{id}/versions")).await?.json();
    for (position, version, value) in [(0, 2, "b"), (1, 1, "b"), (2, 0, "a")] {
        let job = &list["Versions"][position];
        run.at("L11", job, "/Version", version);
        run.at("L11", job, "/Meta/generation", value);
        run.at("L12", job, "/Stop", version == 2);
        run.at("L12", job, "/TaskGroups/0/Tasks/0/Name", "t");
    }
    Ok(())
}

async fn start_again(run: &Run) -> Result<(), Stop> {
    let id = run.id("again");
    run.register(&service(&id)).await?;
    run.rolled_out(&id, 0).await?;
    run.delete(&format!("/v1/job/{id}")).await?;
    let stopped = run.status(&id, "dead").await?;
    let enforce =
        |index: &Value| json!({"Job": service(&id), "EnforceIndex": true, "JobModifyIndex": index});
    let reply = run.put("/v1/jobs", &enforce(&json!(0))).await?;
    run.answers(
        "L13",
        &reply,
        500,
        "Enforcing job modify index 0: job already exists",
    );
    let reply = run
        .put("/v1/jobs", &enforce(&stopped["JobModifyIndex"]))
        .await?;
    run.same("L14", "status on top of its index", reply.status, 200);
    let job = run.job(&id).await?;
    run.at("L14", &job, "/Stop", false);
    run.at("L14", &job, "/Version", 2);
    run.at("L14", &job, "/CreateIndex", stopped["CreateIndex"].clone());
    run.at(
        "L14",
        &job,
        "/JobModifyIndex",
        reply.json()["JobModifyIndex"].clone(),
    );
    let deployment = run.rolled_out(&id, 2).await?;
    run.at("L14", &deployment, "/TaskGroups/g/HealthyAllocs", 1);
    Ok(())
}

async fn statuses(run: &Run) -> Result<(), Stop> {
    let id = run.id("health");
    run.register(&service(&id)).await?;
    run.rolled_out(&id, 0).await?;
    let written = run
        .register(&with_task(service(&id), "Env", json!({"A": "1"})))
        .await?;
    let deployment = run.rolled_out(&id, 1).await?;
    let body = json!({"Jobs": [{"ID": id, "Namespace": "default"}]}).to_string();
    let reply = run
        .send(reqwest::Method::POST, "/v1/jobs/statuses", Some(body))
        .await?;
    let status = &reply.json()[0];
    run.at("L26", status, "/Version", 1);
    run.at("L26", status, "/Status", "running");
    run.at("L26", status, "/GroupCountSum", 1);
    run.at(
        "L26",
        status,
        "/LatestDeployment/ID",
        deployment["ID"].clone(),
    );
    run.at("L26", status, "/LatestDeployment/Status", "successful");
    run.at("L26", status, "/LatestDeployment/IsActive", false);
    run.at(
        "L26",
        &deployment,
        "/JobSpecModifyIndex",
        written["JobModifyIndex"].clone(),
    );
    let allocations = status["Allocs"].as_array().cloned().unwrap_or_default();
    let current: Vec<&Value> = allocations
        .iter()
        .filter(|it| it["JobVersion"] == 1)
        .collect();
    run.same("L26", "allocations of the version", current.len(), 1);
    let healthy = current.first().map(|it| &it["DeploymentStatus"]["Healthy"]);
    run.same("L26", "healthy", healthy, Some(&json!(true)));
    Ok(())
}
