//! S: scaling, stopping, purging.

use serde_json::{Value, json};

use super::case::cases;
use super::jobs::{idle, service, with, with_group};
use super::run::{Run, Stop};

cases! {
    "S1-2" Mock scale: "scaling makes a version and an evaluation of its own kind",
    "S3" Mock scale_during_deployment: "scaling is refused while a deployment is active",
    "S4-5" Mock preserve_counts: "a preserved count that differs makes a version on every register",
    "S6-7" Api bad_scale: "scaling needs the name of a group that exists",
    "S8-12" Mock stop: "stopping makes a version each time, ends the allocations and shows as a diff",
    "S13" Api versions: "six versions are kept, newest first",
    "S14-15" Mock purge: "a purge removes everything but evaluations, at once",
}

async fn scale_to(run: &Run, id: &str, count: u64) -> Result<Value, Stop> {
    let body = json!({"Target": {"Group": "g"}, "Count": count});
    let reply = run.put(&format!("/v1/job/{id}/scale"), &body).await?;
    super::run::succeeded("scale", &reply)
}

async fn scale(run: &Run) -> Result<(), Stop> {
    let id = run.id("scale");
    run.register(&with_group(service(&id), "Count", json!(2)))
        .await?;
    run.rolled_out(&id, 0).await?;
    let written = scale_to(run, &id, 1).await?;
    let job = run.job(&id).await?;
    run.at("S1", &job, "/Version", 1);
    run.at("S1", &job, "/TaskGroups/0/Count", 1);
    run.at(
        "S1",
        &job,
        "/JobModifyIndex",
        written["JobModifyIndex"].clone(),
    );
    let eval = run.evaluated(&written).await?;
    run.at("S2", &eval, "/TriggeredBy", "job-scaling");
    Ok(())
}

async fn scale_during_deployment(run: &Run) -> Result<(), Stop> {
    let id = run.id("busy");
    // Asks for more than there is: the deployment waits for ever.
    let constraint =
        json!([{"LTarget": "${attr.kernel.name}", "RTarget": "plan9", "Operand": "="}]);
    let written = run
        .register(&with(service(&id), "Constraints", constraint))
        .await?;
    run.evaluated(&written).await?;
    run.deployment(&id, |it| it["Status"] == "running").await?;
    let body = json!({"Target": {"Group": "g"}, "Count": 2});
    let reply = run.put(&format!("/v1/job/{id}/scale"), &body).await?;
    run.answers(
        "S3",
        &reply,
        400,
        "job scaling blocked due to active deployment",
    );
    Ok(())
}

async fn preserve_counts(run: &Run) -> Result<(), Stop> {
    let id = run.id("keep");
    run.register(&with_group(service(&id), "Count", json!(2)))
        .await?;
    run.rolled_out(&id, 0).await?;
    scale_to(run, &id, 1).await?;
    let body = json!({"Job": with_group(service(&id), "Count", json!(2)), "PreserveCounts": true});
    for (row, version) in [("S4", 2), ("S5", 3)] {
        run.put("/v1/jobs", &body).await?;
        let job = run.job(&id).await?;
        run.at(row, &job, "/Version", version);
        run.at(row, &job, "/TaskGroups/0/Count", 1);
    }
    Ok(())
}

async fn bad_scale(run: &Run) -> Result<(), Stop> {
    let id = run.id("bad");
    run.register(&idle(&id)).await?;
    let path = format!("/v1/job/{id}/scale");
    let reply = run
        .put(&path, &json!({"Target": {"Group": "zz"}, "Count": 1}))
        .await?;
    run.answers(
        "S6",
        &reply,
        400,
        "task group \"zz\" specified for scaling does not exist in job",
    );
    let reply = run.put(&path, &json!({"Count": 1})).await?;
    run.answers(
        "S7",
        &reply,
        400,
        "missing task group name for scaling action",
    );
    Ok(())
}

async fn stop(run: &Run) -> Result<(), Stop> {
    let id = run.id("stop");
    run.register(&service(&id)).await?;
    run.rolled_out(&id, 0).await?;
    let stopped = run.delete(&format!("/v1/job/{id}")).await?.json();
    let job = run.job(&id).await?;
    run.at("S8", &job, "/Stop", true);
    run.at("S8", &job, "/Version", 1);
    run.at(
        "S8",
        &job,
        "/JobModifyIndex",
        stopped["JobModifyIndex"].clone(),
    );
    let job = run.status(&id, "dead").await?;
    run.at("S9", &job, "/Status", "dead");
    let list = run
        .allocations(&id, |list| {
            list.iter().all(|it| it["ClientStatus"] == "complete")
        })
        .await?;
    run.at("S11", &list[0], "/DesiredStatus", "stop");
    run.at("S11", &list[0], "/ClientStatus", "complete");
    run.delete(&format!("/v1/job/{id}")).await?;
    run.at("S10", &run.job(&id).await?, "/Version", 2);

    let plan = run.plan(&service(&id)).await?;
    let fields = plan["Diff"]["Fields"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let field = fields
        .iter()
        .find(|it| it["Name"] == "Stop")
        .cloned()
        .unwrap_or_default();
    run.at("S12", &field, "/Old", "true");
    run.at("S12", &field, "/New", "false");
    Ok(())
}

async fn versions(run: &Run) -> Result<(), Stop> {
    let id = run.id("many");
    for priority in 40..49 {
        run.register(&with(idle(&id), "Priority", json!(priority)))
            .await?;
    }
    let list = run.get(&format!("/v1/job/{id}/versions")).await?.json();
    let versions: Vec<u64> = list["Versions"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|it| it["Version"].as_u64())
        .collect();
    run.holds(
        "S13",
        "at most 6",
        (1..=6).contains(&versions.len()),
        &versions,
    );
    run.holds(
        "S13",
        "newest first",
        versions.is_sorted_by(|a, b| a > b),
        &versions,
    );
    run.same("S13", "newest", versions.first(), Some(&8));
    Ok(())
}

async fn purge(run: &Run) -> Result<(), Stop> {
    let id = run.id("purge");
    let written = run.register(&service(&id)).await?;
    let deployment = run.rolled_out(&id, 0).await?;
    let allocation = run.running(&id).await?[0]["ID"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    run.delete(&format!("/v1/job/{id}?purge=true")).await?;
    let deployment = deployment["ID"].as_str().unwrap_or_default();
    for (path, text) in [
        (format!("/v1/job/{id}"), "job not found"),
        (format!("/v1/allocation/{allocation}"), "alloc not found"),
        (
            format!("/v1/deployment/{deployment}"),
            "deployment not found",
        ),
        (format!("/v1/job/{id}/versions"), "job versions not found"),
    ] {
        run.answers("S14", &run.get(&path).await?, 404, text);
    }
    run.answers(
        "S14",
        &run.get(&format!("/v1/job/{id}/allocations")).await?,
        200,
        "[]",
    );
    let list = run.get(&format!("/v1/job/{id}/evaluations")).await?.json();
    let kept = list
        .as_array()
        .is_some_and(|list| list.iter().any(|it| it["ID"] == written["EvalID"]));
    run.holds("S15", "the first evaluation is still listed", kept, &list);
    Ok(())
}
