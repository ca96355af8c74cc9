//! E: what Nomad says when it refuses or finds nothing. Most refusals are 500 with plain text, so text is what tells them
//! apart.

use reqwest::Method;
use serde_json::{Value, json};

use super::case::cases;
use super::jobs::{idle, minimal, with, with_task};
use super::run::{Run, Stop};

cases! {
    "E1-2" Api missing_job: "a missing job is 404 in plain text, with the headers of a consistent read",
    "E3-4" Api region_and_namespace: "an unknown region is an error, an unknown namespace an empty list",
    "E5-8" Api bad_bodies: "a body without a usable job is refused",
    "E9-12" Api bad_jobs: "a job with a bad namespace, pool, type or id is refused with Nomad's sentence",
    "E13-15" Api mismatched_id_and_duration: "the id must match the path, and durations are integers",
    "E16-17" Api wrong_method_and_path: "a wrong method is 405, an unknown path an empty 404",
    "E18-21" Api bad_queries: "malformed query parameters are 400",
    "E22-25" Api parts_of_a_missing_job: "what belongs to a missing job is null, empty or 404, by kind",
    "E26-29" Api writes_to_a_missing_job: "writes to a missing job fail, each in its own words",
    "E30-32" Api missing_objects: "missing objects are 404, malformed deployment ids 500",
    "E33" Api delete_of_a_missing_job: "deleting a missing job succeeds and says with zeros that nothing was done",
}

const UNKNOWN: &str = "11111111-2222-3333-4444-555555555555";

async fn missing_job(run: &Run) -> Result<(), Stop> {
    // An agent that has never had a job answers with index 0.
    run.register(&idle(&run.id("other"))).await?;
    let reply = run.get(&format!("/v1/job/{}", run.id("none"))).await?;
    run.answers("E1", &reply, 404, "job not found");
    run.holds(
        "E1",
        "plain text",
        reply.header("Content-Type").starts_with("text/plain"),
        &reply.headers,
    );
    run.holds(
        "E2",
        "X-Nomad-Index is a number above 0",
        reply.index() > 0,
        &reply.headers,
    );
    run.same(
        "E2",
        "X-Nomad-Knownleader",
        reply.header("X-Nomad-Knownleader"),
        "true",
    );
    run.same(
        "E2",
        "X-Nomad-Lastcontact",
        reply.header("X-Nomad-Lastcontact"),
        "0",
    );
    Ok(())
}

async fn region_and_namespace(run: &Run) -> Result<(), Stop> {
    run.answers(
        "E3",
        &run.get("/v1/jobs?region=mars").await?,
        500,
        "No path to region",
    );
    let path = format!("/v1/jobs?namespace={}", run.id("nons"));
    run.answers("E4", &run.get(&path).await?, 200, "[]");
    Ok(())
}

async fn bad_bodies(run: &Run) -> Result<(), Stop> {
    let reply = run.send(Method::PUT, "/v1/jobs", None).await?;
    run.answers("E5", &reply, 400, "Request body is empty");
    let reply = run.put("/v1/jobs", &json!({})).await?;
    run.answers("E6", &reply, 400, "Job must be specified");
    let reply = run.put("/v1/jobs", &json!({"Job": {}})).await?;
    run.answers("E7", &reply, 400, "Job ID hasn't been provided");
    let reply = run
        .put("/v1/jobs", &json!({"Job": {"ID": run.id("x")}}))
        .await?;
    run.answers(
        "E8",
        &reply,
        500,
        "1 error occurred:\n\t* Missing job task groups\n\n",
    );
    Ok(())
}

async fn bad_jobs(run: &Run) -> Result<(), Stop> {
    let id = run.id("bad");
    let refused = |job: Value| async move { run.put("/v1/jobs", &json!({"Job": job})).await };
    let reply = refused(with(minimal(&id), "Namespace", json!("nons"))).await?;
    let text =
        format!("1 error occurred:\n\t* job \"{id}\" is in nonexistent namespace \"nons\"\n\n");
    run.answers("E9", &reply, 500, &text);
    let reply = refused(with(minimal(&id), "NodePool", json!("nopool"))).await?;
    let text =
        format!("1 error occurred:\n\t* job \"{id}\" is in nonexistent node pool \"nopool\"\n\n");
    run.answers("E10", &reply, 500, &text);
    let reply = refused(with(minimal(&id), "Type", json!("weird"))).await?;
    let text = "1 error occurred:\n\t* Invalid job type: \"weird\"\n\n";
    run.answers("E11", &reply, 500, text);
    let reply = refused(minimal(&format!("{id} f"))).await?;
    let text = "1 error occurred:\n\t* Job ID contains a space\n\n";
    run.answers("E12", &reply, 500, text);
    Ok(())
}

async fn mismatched_id_and_duration(run: &Run) -> Result<(), Stop> {
    let (id, other) = (run.id("cf"), run.id("other"));
    let body = json!({"Job": idle(&id), "Diff": true});
    let reply = run.put(&format!("/v1/job/{other}"), &body).await?;
    run.answers("E13", &reply, 400, "Job ID does not match name");
    let reply = run.put(&format!("/v1/job/{other}/plan"), &body).await?;
    run.answers("E14", &reply, 400, "Job ID does not match");
    let job = with_task(idle(&id), "KillTimeout", json!("10s"));
    let reply = run.put("/v1/jobs", &json!({"Job": job})).await?;
    run.same("E15", "status", reply.status, 400);
    Ok(())
}

async fn wrong_method_and_path(run: &Run) -> Result<(), Stop> {
    let reply = run
        .send(Method::PATCH, "/v1/jobs", Some("{}".to_owned()))
        .await?;
    run.answers("E16", &reply, 405, "Invalid method");
    run.answers("E17", &run.get("/v1/nothing").await?, 404, "");
    Ok(())
}

async fn bad_queries(run: &Run) -> Result<(), Stop> {
    let job = run.id("none");
    let reply = run.get(&format!("/v1/job/{job}?index=abc")).await?;
    run.answers("E18", &reply, 400, "Invalid index");
    let reply = run.get(&format!("/v1/job/{job}?index=1&wait=abc")).await?;
    run.answers("E19", &reply, 400, "Invalid wait time");
    let reply = run.get("/v1/jobs?per_page=x").await?;
    run.answers(
        "E20",
        &reply,
        400,
        "Expect a number for `per_page` query string parameter",
    );
    let reply = run.get("/v1/jobs?filter=zzz").await?;
    run.mentions("E21", &reply, 400, "failed to read filter expression: ");
    Ok(())
}

async fn parts_of_a_missing_job(run: &Run) -> Result<(), Stop> {
    let job = format!("/v1/job/{}", run.id("none"));
    let reply = run.get(&format!("{job}/deployment")).await?;
    run.answers("E22", &reply, 200, "null");
    for part in ["allocations", "evaluations", "deployments"] {
        run.answers("E23", &run.get(&format!("{job}/{part}")).await?, 200, "[]");
    }
    let reply = run.get(&format!("{job}/versions")).await?;
    run.answers("E24", &reply, 404, "job versions not found");
    for part in ["summary", "scale", "services"] {
        run.answers(
            "E25",
            &run.get(&format!("{job}/{part}")).await?,
            404,
            "job not found",
        );
    }
    Ok(())
}

async fn writes_to_a_missing_job(run: &Run) -> Result<(), Stop> {
    let id = run.id("none");
    let job = format!("/v1/job/{id}");
    let reply = run
        .put(&format!("{job}/evaluate"), &json!({"JobID": id}))
        .await?;
    run.answers("E26", &reply, 500, "job not found");
    let reply = run
        .put(
            &format!("{job}/revert"),
            &json!({"JobID": id, "JobVersion": 0}),
        )
        .await?;
    run.answers("E27", &reply, 500, &format!("job \"{id}\" not found"));
    let body = json!({"Target": {"Group": "g"}, "Count": 1});
    let reply = run.put(&format!("{job}/scale"), &body).await?;
    run.answers("E28", &reply, 404, &format!("job \"{id}\" not found"));
    let reply = run.put(&format!("{job}/dispatch"), &json!({})).await?;
    run.answers("E29", &reply, 500, "parameterized job not found");
    Ok(())
}

async fn missing_objects(run: &Run) -> Result<(), Stop> {
    for (path, text) in [
        ("allocation", "alloc not found"),
        ("evaluation", "eval not found"),
        ("deployment", "deployment not found"),
        ("node", "node not found"),
    ] {
        run.answers(
            "E30",
            &run.get(&format!("/v1/{path}/{UNKNOWN}")).await?,
            404,
            text,
        );
    }
    let text = "deployment lookup failed: index error: UUID must be 36 characters";
    run.answers("E31", &run.get("/v1/deployment/nope").await?, 500, text);
    let none = run.id("none");
    for (path, text) in [
        (format!("/v1/namespace/{none}"), "Namespace not found"),
        (format!("/v1/node/pool/{none}"), "node pool not found"),
        (format!("/v1/var/{none}"), "variable not found"),
    ] {
        run.answers("E32", &run.get(&path).await?, 404, text);
    }
    Ok(())
}

async fn delete_of_a_missing_job(run: &Run) -> Result<(), Stop> {
    let reply = run.delete(&format!("/v1/job/{}", run.id("none"))).await?;
    run.same("E33", "status", reply.status, 200);
    let body = reply.json();
    run.at("E33", &body, "/EvalID", "");
    for member in ["/EvalCreateIndex", "/JobModifyIndex", "/Index"] {
        run.at("E33", &body, member, 0);
    }
    Ok(())
}
