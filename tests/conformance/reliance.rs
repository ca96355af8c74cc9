//! L: what the loop relies on beyond the other tables.

use serde_json::{Value, json};

use super::case::cases;
use super::jobs::{SECOND, bare, batch, idle, service, with, with_config, with_group, with_task};
use super::run::{Run, Stop, succeeded};
use super::stream;

cases! {
    "L1-2" Mock deployment_of_a_register: "a register finds its deployment by the index of its specification, also when changed in place",
    "L3-5" Api submission: "the source is kept by version, and an unchanged register leaves it alone",
    "L6-7" Api inherited_submission: "a version without a source takes over an older one",
    "L8" Api same_id: "one id in two namespaces is two jobs",
    "L9-10" Api stream_resume: "a stream resumed at an index redelivers it and goes on",
    "L11-12" Api versions: "versions hold whole specifications with their meta, the stop among them",
    "L13-14" Mock start_again: "a stopped job is started again on top of its index, not as a new one",
    "L15-17" Mock logs: "what a task wrote can be read, also after its end, until the purge",
    "L18" Mock no_oom: "a failure that is not for memory says so",
    "L19-20" Mock restarts: "a batch task is restarted as often as allowed, and its events tell the story",
    "L21-22" Mock reschedule: "a failed allocation with attempts left names what follows it",
    "L23" Mock system: "a system job is rolled out to every node",
    "L24" Mock sysbatch: "a sysbatch job ends on every node and has no deployment",
    "L25" Api unplaceable_system: "a system job that fits nowhere has a successful deployment of nothing",
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
    stream::resume(run, ["L9", "L10"]).await
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
