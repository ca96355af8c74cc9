//! B: blocking queries, pages and filters.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::case::cases;
use super::jobs::{idle, with};
use super::run::{Run, Stop, path_segment};

cases! {
    "B1-2" Api waits: "a read at the current index waits its time, one below it answers at once",
    "B3" Api wakes: "a change of the job wakes the read with a higher index",
    "B4-5" Api pages: "pages follow the token of the one before",
    "B6-7" Api meta_and_filter: "lists show Meta only when asked, never the version, and are filtered by expression",
    "B8" Api statuses: "statuses of named jobs leave out the unknown",
}

/// Registers an idle job and waits until nothing about it changes any more.
async fn settled(run: &Run) -> Result<(String, u64), Stop> {
    let id = run.id("b");
    let written = run.register(&idle(&id)).await?;
    run.evaluated(&written).await?;
    run.status(&id, "dead").await?;
    let index = run.get(&format!("/v1/job/{id}")).await?.index();
    Ok((id, index))
}

async fn waits(run: &Run) -> Result<(), Stop> {
    let (id, index) = settled(run).await?;
    let start = Instant::now();
    let reply = run
        .get(&format!("/v1/job/{id}?index={index}&wait=1s"))
        .await?;
    let took = start.elapsed();
    // 1 s and at most 1/16 more on Nomad's side; the rest is room for a loaded machine.
    let range = Duration::from_millis(1000)..Duration::from_millis(2500);
    run.holds(
        "B1",
        "it takes 1.0 s to 1.0625 s and some room",
        range.contains(&took),
        took,
    );
    run.same("B1", "index", reply.index(), index);
    let start = Instant::now();
    let reply = run
        .get(&format!("/v1/job/{id}?index={}&wait=20s", index - 1))
        .await?;
    run.holds(
        "B2",
        "it does not wait",
        start.elapsed() < Duration::from_secs(5),
        start.elapsed(),
    );
    run.same("B2", "index", reply.index(), index);
    Ok(())
}

async fn wakes(run: &Run) -> Result<(), Stop> {
    let (id, index) = settled(run).await?;
    let path = format!("/v1/job/{id}?index={index}&wait=30s");
    let start = Instant::now();
    let change = async {
        // Late enough that the read is waiting; if it is not yet, it sees the change at once, which is as right.
        tokio::time::sleep(Duration::from_millis(200)).await;
        run.register(&with(idle(&id), "Priority", json!(60))).await
    };
    let (reply, written) = tokio::join!(run.get(&path), change);
    let (reply, written) = (reply?, written?);
    run.holds(
        "B3",
        "it returns before its time",
        start.elapsed() < Duration::from_secs(20),
        start.elapsed(),
    );
    run.holds(
        "B3",
        "the index is higher",
        reply.index() > index,
        (reply.index(), index),
    );
    run.at(
        "B3",
        &reply.json(),
        "/JobModifyIndex",
        written["JobModifyIndex"].clone(),
    );
    Ok(())
}

async fn pages(run: &Run) -> Result<(), Stop> {
    for name in ["a", "b", "c"] {
        run.register(&idle(&run.id(name))).await?;
    }
    let path = format!("/v1/jobs?prefix={}&per_page=2", run.id(""));
    let first = run.get(&path).await?;
    let token = format!("default.{}", run.id("c"));
    run.same(
        "B4",
        "ids",
        ids(&first.json()),
        vec![run.id("a"), run.id("b")],
    );
    run.same(
        "B4",
        "X-Nomad-Nexttoken",
        first.header("X-Nomad-Nexttoken"),
        token.as_str(),
    );
    let second = run.get(&format!("{path}&next_token={token}")).await?;
    run.same("B5", "ids", ids(&second.json()), vec![run.id("c")]);
    run.same(
        "B5",
        "X-Nomad-Nexttoken",
        second.header("X-Nomad-Nexttoken"),
        "",
    );
    Ok(())
}

fn ids(list: &Value) -> Vec<String> {
    let of = |it: &Value| it["ID"].as_str().unwrap_or_default().to_owned();
    list.as_array().into_iter().flatten().map(of).collect()
}

async fn meta_and_filter(run: &Run) -> Result<(), Stop> {
    run.register(&with(
        idle(&run.id("mine")),
        "Meta",
        json!({"o": run.id("x")}),
    ))
    .await?;
    run.register(&idle(&run.id("other"))).await?;
    let prefix = format!("/v1/jobs?prefix={}", run.id("mine"));
    let list = run.get(&format!("{prefix}&meta=true")).await?.json();
    run.at("B6", &list, "/0/Meta/o", run.id("x"));
    run.holds(
        "B6",
        "no Version with meta=true",
        list[0].get("Version").is_none(),
        &list,
    );
    let list = run.get(&prefix).await?.json();
    run.holds(
        "B6",
        "no Meta by default",
        list[0].get("Meta").is_none(),
        &list,
    );
    run.holds("B6", "no Version", list[0].get("Version").is_none(), &list);
    run.at("B6", &list, "/0/ID", run.id("mine"));

    for filter in [
        format!("Meta[\"o\"] == \"{}\"", run.id("x")),
        format!(
            "Meta[\"o\"] == \"{}\" and Name matches \"^{}.*\"",
            run.id("x"),
            run.id("")
        ),
        format!(
            "Name matches \"^{}-m.*e$\"",
            run.id("").trim_end_matches('-')
        ),
    ] {
        let list = run
            .get(&format!("/v1/jobs?filter={}", path_segment(&filter)))
            .await?;
        run.same("B7", &filter, ids(&list.json()), vec![run.id("mine")]);
    }
    Ok(())
}

async fn statuses(run: &Run) -> Result<(), Stop> {
    run.register(&idle(&run.id("known"))).await?;
    let of = |name: &str| json!({"ID": run.id(name), "Namespace": "default"});
    let body = json!({"Jobs": [of("known"), of("unknown")]});
    let reply = run
        .send(
            reqwest::Method::POST,
            "/v1/jobs/statuses",
            Some(body.to_string()),
        )
        .await?;
    run.same("B8", "ids", ids(&reply.json()), vec![run.id("known")]);
    run.at("B8", &reply.json(), "/0/GroupCountSum", 0);
    Ok(())
}
