//! L15-25, L27-30: what the loop relies on beyond the other tables, about tasks: output, events, second chances, every
//! node.

use std::time::Duration;

use serde_json::{Value, json};

use super::case::cases;
use super::jobs::{SECOND, bare, batch, service, with, with_config, with_group};
use super::run::{Run, Stop};

cases! {
    "L15-17" Mock logs: "what a task wrote can be read, also after its end, until the purge",
    "L27-30" Mock followed_log: "a log is followed beyond the end of its task, until its allocation is forgotten",
    "L18" Mock no_oom: "a failure that is not for memory says so",
    "L19-20" Mock restarts: "a batch task is restarted as often as allowed, and its events tell the story",
    "L21-22" Mock reschedule: "a failed allocation with attempts left names what follows it",
    "L23" Mock system: "a system job is rolled out to every node",
    "L24" Mock sysbatch: "a sysbatch job ends on every node and has no deployment",
    "L25" Api unplaceable_system: "a system job that fits nowhere has a successful deployment of nothing",
}

async fn logs(run: &Run) -> Result<(), Stop> {
    let id = run.id("logs");
    let config = json!({"run_for": "900s", "stdout_string": "hello from the task"});
    run.register(&with_config(service(&id), config)).await?;
    let allocation = run.running(&id).await?[0]["ID"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let path = format!("/v1/client/fs/logs/{allocation}?type=stdout&plain=true&origin=start");
    let of_task = format!("{path}&task=t");
    let written = |text: &str| text.contains("hello from the task");
    let reply = run
        .until_reply("output", &of_task, |reply| written(&reply.text))
        .await?;
    run.same("L15", "status", reply.status, 200);
    run.answers("L16", &run.get(&path).await?, 400, "must provide task name");
    run.answers(
        "L16",
        &run.get(&format!("{path}&task=zz")).await?,
        400,
        "unknown task name \"zz\"",
    );
    run.delete(&format!("/v1/job/{id}")).await?;
    run.allocations(&id, |list| list[0]["ClientStatus"] == "complete")
        .await?;
    let reply = run.get(&of_task).await?;
    run.holds(
        "L17",
        "the output is there after the stop",
        written(&reply.text),
        (reply.status, &reply.text),
    );
    run.delete(&format!("/v1/job/{id}?purge=true")).await?;
    // The client hears of the purge a little later than the servers.
    let reply = run
        .until_reply("no output", &of_task, |reply| reply.status == 404)
        .await?;
    run.answers(
        "L17",
        &reply,
        404,
        &format!("Unknown allocation \"{allocation}\""),
    );
    Ok(())
}

/// Reads on until what has arrived so far is as wanted; `None` at the end of the answer.
async fn read_until(
    response: &mut reqwest::Response,
    text: &mut String,
    wanted: impl Fn(&str) -> bool,
) -> Result<Option<()>, Stop> {
    while !wanted(text) {
        let chunk = tokio::time::timeout(Duration::from_secs(30), response.chunk()).await;
        let chunk = chunk.map_err(|_| Stop(format!("a log stream is silent after {text}")))?;
        match chunk? {
            Some(chunk) => text.push_str(&String::from_utf8_lossy(&chunk)),
            None => return Ok(None),
        }
    }
    Ok(Some(()))
}

async fn followed_log(run: &Run) -> Result<(), Stop> {
    let id = run.id("follow");
    let config = json!({"run_for": "900s", "stdout_string": "hello"});
    run.register(&with_config(service(&id), config)).await?;
    let allocation = run.running(&id).await?[0]["ID"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let log = format!("/v1/client/fs/logs/{allocation}?task=t&type=stdout&origin=start");
    run.until_reply("output", &log, |reply| reply.text.contains("Data"))
        .await?;
    let mut response = run.open(&format!("{log}&follow=true")).await?;
    let mut text = String::new();
    read_until(&mut response, &mut text, |text| text.contains('}')).await?;
    let mut frames = serde_json::Deserializer::from_str(&text).into_iter::<Value>();
    let frame = frames.next().and_then(Result::ok).unwrap_or_default();
    run.at("L27", &frame, "/Data", "aGVsbG8=");
    run.at("L27", &frame, "/File", "alloc/logs/t.stdout.0");
    run.at("L27", &frame, "/Offset", 5);

    run.delete(&format!("/v1/job/{id}")).await?;
    run.allocations(&id, |list| list[0]["ClientStatus"] == "complete")
        .await?;
    let beats = text.matches("{}").count();
    let ended = read_until(&mut response, &mut text, |text| {
        text.matches("{}").count() >= beats + 2
    })
    .await?;
    run.holds(
        "L28",
        "heartbeats go on after the stop",
        ended.is_some(),
        &text,
    );

    let files = run
        .get(&format!("/v1/client/fs/ls/{allocation}?path=alloc/logs"))
        .await?
        .json();
    let file = files.as_array().into_iter().flatten();
    let file: Vec<&Value> = file.filter(|it| it["Name"] == "t.stdout.0").collect();
    run.holds("L29", "the log is one file", file.len() == 1, &files);
    run.at("L29", file.first().unwrap_or(&&Value::Null), "/Size", 5);

    run.delete(&format!("/v1/job/{id}?purge=true")).await?;
    let ended = read_until(&mut response, &mut text, |_| false).await;
    // Nomad says why in the middle of the answer; how the connection ends does not matter.
    run.holds(
        "L30",
        "the purge ends it",
        !matches!(ended, Ok(Some(()))),
        &text,
    );
    Ok(())
}

/// The events of task `t`, oldest first.
fn task_events(allocation: &Value) -> Vec<Value> {
    allocation["TaskStates"]["t"]["Events"]
        .as_array()
        .cloned()
        .unwrap_or_default()
}

async fn no_oom(run: &Run) -> Result<(), Stop> {
    let id = run.id("exit");
    let config = json!({"run_for": "10ms", "exit_code": 137, "exit_signal": 9});
    run.register(&with_config(batch(&id), config)).await?;
    let list = run
        .allocations(&id, |list| {
            list.iter().any(|it| it["ClientStatus"] == "failed")
        })
        .await?;
    let events = task_events(&list[0]);
    let terminated = events
        .iter()
        .find(|it| it["Type"] == "Terminated")
        .cloned()
        .unwrap_or_default();
    run.at("L18", &terminated, "/Details/exit_code", "137");
    run.at("L18", &terminated, "/Details/signal", "9");
    run.at("L18", &terminated, "/Details/oom_killed", "false");
    let oom = events
        .iter()
        .any(|it| it["Details"]["oom_killed"] == "true");
    run.holds("L18", "no event says oom_killed", !oom, &events);
    Ok(())
}

async fn restarts(run: &Run) -> Result<(), Stop> {
    let id = run.id("retry");
    let policy =
        json!({"Attempts": 1, "Interval": 60 * SECOND, "Delay": SECOND / 2, "Mode": "fail"});
    let failing = with_config(batch(&id), json!({"run_for": "10ms", "exit_code": 1}));
    run.register(&with_group(failing, "RestartPolicy", policy))
        .await?;
    let list = run
        .allocations(&id, |list| {
            list.iter().any(|it| it["ClientStatus"] == "failed")
        })
        .await?;
    let events = task_events(&list[0]);
    let kinds: Vec<&str> = events.iter().filter_map(|it| it["Type"].as_str()).collect();
    let expected = [
        "Received",
        "Task Setup",
        "Started",
        "Terminated",
        "Restarting",
        "Started",
        "Terminated",
        "Not Restarting",
    ];
    run.same("L19", "events", kinds, expected);
    run.at("L19", &list[0], "/TaskStates/t/Restarts", 1);
    let message = |kind: &str| {
        let event = events.iter().find(|it| it["Type"] == kind);
        event
            .and_then(|it| it["DisplayMessage"].as_str())
            .unwrap_or_default()
            .to_owned()
    };
    let restarting = message("Restarting");
    run.holds(
        "L20",
        "Restarting tells when",
        restarting.starts_with("Task restarting in "),
        &restarting,
    );
    let text = "Exceeded allowed attempts 1 in interval 1m0s and mode is \"fail\"";
    run.same("L20", "Not Restarting", message("Not Restarting"), text);
    run.at(
        "L20",
        &events[events.len() - 1],
        "/Details/fails_task",
        "true",
    );
    Ok(())
}

async fn reschedule(run: &Run) -> Result<(), Stop> {
    let id = run.id("again");
    let policy = json!({
        "Attempts": 1, "Interval": 600 * SECOND, "Delay": 5 * SECOND, "DelayFunction": "constant", "Unlimited": false,
    });
    let failing = with_config(batch(&id), json!({"run_for": "10ms", "exit_code": 1}));
    run.register(&with_group(failing, "ReschedulePolicy", policy))
        .await?;
    let followed = |it: &Value| {
        it["FollowupEvalID"]
            .as_str()
            .is_some_and(|id| !id.is_empty())
    };
    let list = run
        .allocations(&id, |list| list.iter().any(followed))
        .await?;
    run.at("L21", &list[0], "/ClientStatus", "failed");
    run.at("L21", &list[0], "/DesiredStatus", "run");
    let eval = list[0]["FollowupEvalID"].as_str().unwrap_or_default();
    let eval = run.get(&format!("/v1/evaluation/{eval}")).await?.json();
    run.at("L21", &eval, "/TriggeredBy", "alloc-reschedule");
    run.holds(
        "L21",
        "WaitUntil is set",
        eval["WaitUntil"].is_string(),
        &eval,
    );
    run.at("L21", &run.job(&id).await?, "/Status", "pending");
    let list = run
        .allocations(&id, |list| {
            list.len() == 2 && list.iter().all(|it| it["ClientStatus"] == "failed")
        })
        .await?;
    let old = list
        .iter()
        .find(|it| followed(it))
        .cloned()
        .unwrap_or_default();
    let new = list
        .iter()
        .find(|it| it["ID"] != old["ID"])
        .cloned()
        .unwrap_or_default();
    run.at("L22", &old, "/NextAllocation", new["ID"].clone());
    run.holds(
        "L22",
        "nothing follows the last attempt",
        !followed(&new),
        &new,
    );
    run.at("L22", &new, "/Name", old["Name"].clone());
    run.at("L22", &run.status(&id, "dead").await?, "/Version", 0);
    Ok(())
}

/// How many nodes can take work.
async fn ready_nodes(run: &Run) -> Result<usize, Stop> {
    let nodes = run.get("/v1/nodes").await?.json();
    Ok(nodes
        .as_array()
        .into_iter()
        .flatten()
        .filter(|it| it["Status"] == "ready")
        .count())
}

async fn system(run: &Run) -> Result<(), Stop> {
    let (id, nodes) = (run.id("system"), ready_nodes(run).await?);
    let mut job = bare(&id, "system");
    job["Update"] = service(&id)["Update"].clone();
    let written = run.register(&job).await?;
    let eval = run.evaluated(&written).await?;
    run.at("L23", &eval, "/FailedTGAllocs", Value::Null);
    let deployment = run.rolled_out(&id, 0).await?;
    run.at(
        "L23",
        &deployment,
        "/JobSpecModifyIndex",
        written["JobModifyIndex"].clone(),
    );
    run.at("L23", &deployment, "/TaskGroups/g/DesiredTotal", nodes);
    run.at("L23", &deployment, "/TaskGroups/g/HealthyAllocs", nodes);
    run.same(
        "L23",
        "number of allocations",
        run.running(&id).await?.len(),
        nodes,
    );
    run.at("L23", &run.job(&id).await?, "/Status", "running");
    Ok(())
}

async fn sysbatch(run: &Run) -> Result<(), Stop> {
    let (id, nodes) = (run.id("sysbatch"), ready_nodes(run).await?);
    run.register(&with_config(
        bare(&id, "sysbatch"),
        json!({"run_for": "10ms"}),
    ))
    .await?;
    let list = run
        .allocations(&id, |list| {
            !list.is_empty() && list.iter().all(|it| it["ClientStatus"] == "complete")
        })
        .await?;
    run.same("L24", "number of allocations", list.len(), nodes);
    run.at("L24", &list[0], "/DesiredStatus", "run");
    run.answers(
        "L24",
        &run.get(&format!("/v1/job/{id}/deployment")).await?,
        200,
        "null",
    );
    run.at("L24", &run.status(&id, "dead").await?, "/Stop", false);
    Ok(())
}

async fn unplaceable_system(run: &Run) -> Result<(), Stop> {
    let id = run.id("nowhere");
    let constraint =
        json!([{"LTarget": "${attr.kernel.name}", "RTarget": "plan9", "Operand": "="}]);
    let written = run
        .register(&with(bare(&id, "system"), "Constraints", constraint))
        .await?;
    let eval = run.evaluated(&written).await?;
    run.holds(
        "L25",
        "the evaluation tells why",
        eval["FailedTGAllocs"]["g"].is_object(),
        &eval,
    );
    let deployment = run.rolled_out(&id, 0).await?;
    run.at("L25", &deployment, "/TaskGroups/g/DesiredTotal", 0);
    run.at("L25", &run.job(&id).await?, "/Status", "running");
    Ok(())
}
