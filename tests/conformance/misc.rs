//! M: agent, namespaces, garbage collection, validation.

use serde_json::{Value, json};

use super::case::cases;
use super::jobs::{batch, service, with};
use super::run::{Run, Stop};

cases! {
    "M1-4" Api agent: "the agent tells its health, leader, regions, namespaces and pools",
    "M5" Alone garbage_collection: "a collection removes finished and stopped jobs with their records",
    "M6" Api validate: "validation reports the errors that a register would",
    "M7-9" Api namespaces: "the namespace of the query wins over the job's, and an empty namespace can go",
}

async fn agent(run: &Run) -> Result<(), Stop> {
    run.same(
        "M1",
        "health",
        run.get("/v1/agent/health").await?.status,
        200,
    );
    let leader = run.get("/v1/status/leader").await?.json();
    run.holds(
        "M2",
        "the leader is an address",
        leader.as_str().is_some_and(|it| it.contains(':')),
        &leader,
    );
    run.same(
        "M3",
        "regions",
        run.get("/v1/regions").await?.json(),
        json!(["global"]),
    );
    let namespaces = run.get("/v1/namespaces").await?.json();
    run.holds(
        "M4",
        "namespace default",
        names(&namespaces).contains(&"default"),
        &namespaces,
    );
    let pools = run.get("/v1/node/pools").await?.json();
    for pool in ["all", "default"] {
        run.holds(
            "M4",
            "built-in pools",
            names(&pools).contains(&pool),
            &pools,
        );
    }
    Ok(())
}

fn names(list: &Value) -> Vec<&str> {
    list.as_array()
        .into_iter()
        .flatten()
        .filter_map(|it| it["Name"].as_str())
        .collect()
}

async fn garbage_collection(run: &Run) -> Result<(), Stop> {
    let (stopped, finished) = (run.id("stopped"), run.id("finished"));
    run.register(&service(&stopped)).await?;
    run.register(&batch(&finished)).await?;
    let deployment = run.deployment(&stopped, |_| true).await?;
    run.running(&stopped).await?;
    run.delete(&format!("/v1/job/{stopped}")).await?;
    for job in [&stopped, &finished] {
        run.status(job, "dead").await?;
        run.allocations(job, |list| {
            list.iter().all(|it| it["ClientStatus"] == "complete")
        })
        .await?;
    }
    // The reply comes before the collection is over; whoever runs next must not meet the rest of it.
    let reply = run.put("/v1/system/gc", &Value::Null).await?;
    run.answers("M5", &reply, 200, "");
    let deployment = deployment["ID"].as_str().unwrap_or_default();
    for path in [
        format!("/v1/job/{stopped}"),
        format!("/v1/job/{finished}"),
        format!("/v1/deployment/{deployment}"),
    ] {
        run.until_reply("collected", &path, |reply| reply.status == 404)
            .await?;
    }
    Ok(())
}

async fn validate(run: &Run) -> Result<(), Stop> {
    let reply = run
        .put("/v1/validate/job", &json!({"Job": {"ID": run.id("x")}}))
        .await?;
    run.same("M6", "status", reply.status, 200);
    run.at(
        "M6",
        &reply.json(),
        "/ValidationErrors",
        json!(["Missing job task groups"]),
    );
    Ok(())
}

async fn namespaces(run: &Run) -> Result<(), Stop> {
    let (query, other, id) = (
        run.namespace("q").await?,
        run.namespace("o").await?,
        run.id("job"),
    );
    // Waits for work and so is never over, without a task.
    let job = with(batch(&id), "ParameterizedJob", json!({}));
    let job = with(job, "Namespace", json!(other));
    run.put(&format!("/v1/jobs?namespace={query}"), &json!({"Job": job}))
        .await?;
    let there = run.get(&format!("/v1/job/{id}?namespace={query}")).await?;
    run.same("M7", "status in the query's namespace", there.status, 200);
    run.at("M7", &there.json(), "/Namespace", query.as_str());
    for elsewhere in [other.as_str(), "default", "*"] {
        let reply = run
            .get(&format!("/v1/job/{id}?namespace={elsewhere}"))
            .await?;
        run.answers("M8", &reply, 404, "job not found");
    }
    let path = format!("/v1/namespace/{query}");
    let text = format!(
        "1 error occurred:\n\t* namespace \"{query}\" has non-terminal jobs in regions: [global]\n\n"
    );
    run.answers("M9", &run.delete(&path).await?, 500, &text);
    run.delete(&format!("/v1/job/{id}?namespace={query}&purge=true"))
        .await?;
    run.same(
        "M9",
        "status once the job is gone",
        run.delete(&path).await?.status,
        200,
    );
    Ok(())
}
