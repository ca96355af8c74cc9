//! P: parameterized and periodic jobs and the children that they start.

use serde_json::{Value, json};

use super::case::cases;
use super::jobs::{batch, idle, with, with_config};
use super::run::{Run, Stop, path_segment, succeeded};

cases! {
    "P1-4" Api dispatch: "a parameterized job waits, and each dispatch starts a child of its own",
    "P5-6" Api bad_dispatch: "a dispatch that does not fit is refused",
    "P7-9" Mock end_of_a_parent: "a parent cannot be evaluated, takes no work once stopped, and does not take its children along",
    "P10-14" Mock periodic: "a periodic job waits for its time, and can be started by force",
}

fn parameterized(id: &str) -> Value {
    let block = json!({"MetaRequired": ["a"], "MetaOptional": ["b"], "Payload": "optional"});
    with(batch(id), "ParameterizedJob", block)
}

async fn dispatch_one(run: &Run, id: &str, query: &str) -> Result<Value, Stop> {
    let body = json!({"Meta": {"a": "1"}, "Payload": "aGVsbG8="});
    let reply = run
        .put(&format!("/v1/job/{id}/dispatch{query}"), &body)
        .await?;
    succeeded("dispatch", &reply)
}

async fn dispatch(run: &Run) -> Result<(), Stop> {
    let id = run.id("param");
    let written = run.register(&parameterized(&id)).await?;
    run.at("P1", &written, "/EvalID", "");
    run.at("P1", &written, "/EvalCreateIndex", 0);
    run.at("P1", &run.job(&id).await?, "/Status", "running");
    let first = dispatch_one(run, &id, "?idempotency_token=t1").await?;
    let child = first["DispatchedJobID"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    run.holds(
        "P2",
        "the child's id is x/dispatch-<seconds>-<8 hex>",
        is_dispatch_of(&child, &id),
        &child,
    );
    run.holds(
        "P2",
        "EvalID is set",
        first["EvalID"].as_str().is_some_and(|id| !id.is_empty()),
        &first,
    );
    let again = dispatch_one(run, &id, "?idempotency_token=t1").await?;
    run.at("P3", &again, "/DispatchedJobID", child.as_str());
    run.at("P3", &again, "/EvalID", "");
    let job = run.job(&child).await?;
    run.at("P4", &job, "/ParentID", id.as_str());
    run.at("P4", &job, "/Dispatched", true);
    run.at("P4", &job, "/Meta", json!({"a": "1"}));
    run.at("P4", &job, "/Payload", "aGVsbG8=");
    Ok(())
}

fn is_dispatch_of(child: &str, parent: &str) -> bool {
    let rest = child
        .strip_prefix(parent)
        .and_then(|rest| rest.strip_prefix("/dispatch-"));
    rest.and_then(|rest| rest.split_once('-'))
        .is_some_and(|(seconds, hex)| {
            let lower_hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
            is_number(seconds) && hex.len() == 8 && hex.chars().all(lower_hex)
        })
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_digit())
}

async fn bad_dispatch(run: &Run) -> Result<(), Stop> {
    let id = run.id("param");
    run.register(&parameterized(&id)).await?;
    let path = format!("/v1/job/{id}/dispatch");
    let reply = run.put(&path, &json!({})).await?;
    run.answers(
        "P5",
        &reply,
        500,
        "Dispatch did not provide required meta keys: [a]",
    );
    let reply = run
        .put(&path, &json!({"Meta": {"a": "1", "z": "1"}}))
        .await?;
    run.answers(
        "P5",
        &reply,
        500,
        "Dispatch request included unpermitted metadata keys: [z]",
    );
    // 22668 letters of base64 are 17000 bytes and one of padding.
    let payload = format!("{}AA=", "A".repeat(22665));
    let reply = run
        .put(&path, &json!({"Meta": {"a": "1"}, "Payload": payload}))
        .await?;
    run.answers(
        "P6",
        &reply,
        500,
        "Payload exceeds maximum size; 17000 > 16384",
    );
    let plain = run.id("plain");
    run.register(&idle(&plain)).await?;
    let reply = run
        .put(&format!("/v1/job/{plain}/dispatch"), &json!({}))
        .await?;
    run.answers(
        "P6",
        &reply,
        500,
        &format!("Specified job \"{plain}\" is not a parameterized job"),
    );
    Ok(())
}

async fn end_of_a_parent(run: &Run) -> Result<(), Stop> {
    let id = run.id("param");
    run.register(&with_config(parameterized(&id), json!({"run_for": "900s"})))
        .await?;
    let child = dispatch_one(run, &id, "").await?["DispatchedJobID"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let reply = run
        .put(&format!("/v1/job/{id}/evaluate"), &json!({"JobID": id}))
        .await?;
    run.answers("P7", &reply, 500, "can't evaluate parameterized job");
    run.running(&child).await?;
    run.delete(&format!("/v1/job/{id}")).await?;
    let reply = run
        .put(
            &format!("/v1/job/{id}/dispatch"),
            &json!({"Meta": {"a": "1"}}),
        )
        .await?;
    run.answers(
        "P8",
        &reply,
        500,
        &format!("Specified job \"{id}\" is stopped"),
    );
    run.delete(&format!("/v1/job/{id}?purge=true")).await?;
    run.same(
        "P9",
        "status of the parent",
        run.get(&format!("/v1/job/{id}")).await?.status,
        404,
    );
    let job = run.job(&child).await?;
    run.at("P9", &job, "/Stop", false);
    run.at("P9", &job, "/Status", "running");
    Ok(())
}

async fn periodic(run: &Run) -> Result<(), Stop> {
    let id = run.id("cron");
    let block =
        json!({"Enabled": true, "SpecType": "cron", "Specs": ["0 0 1 1 *"], "TimeZone": "UTC"});
    let job = with(
        with_config(batch(&id), json!({"run_for": "900s"})),
        "Periodic",
        block,
    );
    let plan = run.plan(&job).await?;
    run.holds(
        "P12",
        "NextPeriodicLaunch is set",
        plan["NextPeriodicLaunch"].is_string(),
        &plan,
    );
    let written = run.register(&job).await?;
    run.at("P10", &written, "/EvalID", "");
    run.at("P11", &run.job(&id).await?, "/Status", "running");

    let forced = run
        .put(&format!("/v1/job/{id}/periodic/force"), &json!({}))
        .await?;
    run.same("P13", "status of force", forced.status, 200);
    let children = format!("/v1/jobs?prefix={}", path_segment(&format!("{id}/")));
    let list = run
        .until("a child", &children, |list| !list[0].is_null())
        .await?;
    let child = list[0]["ID"].as_str().unwrap_or_default();
    let seconds = child
        .strip_prefix(&id)
        .and_then(|rest| rest.strip_prefix("/periodic-"));
    run.holds(
        "P13",
        "the child's id is x/periodic-<seconds>",
        seconds.is_some_and(is_number),
        child,
    );
    run.at("P13", &run.job(child).await?, "/ParentID", id.as_str());

    let filter = path_segment(&format!("ID matches \"^{id}\""));
    for (query, expected) in [("", 1), ("&include_children=true", 2)] {
        let list = run
            .get(&format!("/v1/jobs/statuses?filter={filter}{query}"))
            .await?
            .json();
        run.same(
            "P14",
            &format!("jobs with {query:?}"),
            list.as_array().map(Vec::len),
            Some(expected),
        );
    }
    Ok(())
}
