//! V: variables, their check-and-set, and the locks made of them.

use serde_json::{Value, json};

use super::case::cases;
use super::run::{Run, Stop};

cases! {
    "V1-3" Api check_and_set: "cas=0 creates, and a conflict answers with the current variable",
    "V4-6" Api empty_and_deleted: "items are required, and a delete succeeds twice",
    "V7-13" Api locks: "one holder has the lock until it releases it",
    "V14-15" Api size: "names and values together have 64 KiB and no byte more",
    "V16-17" Api names: "a path has 128 plain characters, an item any name",
    "V18-19" Api deleted_as_seen: "a delete names the index that it saw",
}

fn items(value: &str) -> Value {
    json!({"Items": {"k": value}})
}

async fn check_and_set(run: &Run) -> Result<(), Stop> {
    let path = format!("/v1/var/{}/cas", run.id("v"));
    let created = run.put(&format!("{path}?cas=0"), &items("1")).await?;
    run.same("V1", "status", created.status, 200);
    run.at("V1", &created.json(), "/Items/k", "1");
    let index = created.json()["ModifyIndex"].as_u64().unwrap_or_default();
    let conflict = run.put(&format!("{path}?cas=0"), &items("2")).await?;
    run.same("V2", "status", conflict.status, 409);
    run.holds(
        "V2",
        "plain text",
        conflict.header("Content-Type").starts_with("text/plain"),
        &conflict.headers,
    );
    run.at("V2", &conflict.json(), "/Items/k", "1");
    run.at("V2", &conflict.json(), "/ModifyIndex", index);
    let updated = run.put(&format!("{path}?cas={index}"), &items("3")).await?;
    run.same("V3", "status", updated.status, 200);
    run.at("V3", &run.get(&path).await?.json(), "/Items/k", "3");
    Ok(())
}

async fn empty_and_deleted(run: &Run) -> Result<(), Stop> {
    let path = format!("/v1/var/{}/del", run.id("v"));
    let reply = run.put(&path, &json!({"Items": {}})).await?;
    run.answers("V4", &reply, 400, "variable missing required Items object");
    run.put(&path, &items("1")).await?;
    run.answers("V5", &run.delete(&path).await?, 204, "");
    run.same("V5", "status after", run.get(&path).await?.status, 404);
    run.answers("V6", &run.delete(&path).await?, 204, "");
    Ok(())
}

async fn size(run: &Run) -> Result<(), Stop> {
    let path = format!("/v1/var/{}/size", run.id("v"));
    // The name has 10 bytes, one letter has two.
    let of = |bytes: usize| json!({"Items": {"default/é": "x".repeat(bytes - 10)}});
    let full = run.put(&path, &of(64 * 1024)).await?;
    run.same("V14", "status", full.status, 200);
    let refused = run.put(&path, &of(64 * 1024 + 1)).await?;
    let text = "RPC Error:: 400,variables are limited to 64KiB in total size";
    run.answers("V15", &refused, 400, text);
    let kept = run.get(&path).await?.json();
    let length = kept["Items"]["default/é"].as_str().map(str::len);
    run.same(
        "V15",
        "length of what is kept",
        length,
        Some(64 * 1024 - 10),
    );
    Ok(())
}

async fn names(run: &Run) -> Result<(), Stop> {
    let id = run.id("v");
    let padded = |length: usize| format!("{id}/{}", "x".repeat(length - id.len() - 1));
    for (path, status) in [(padded(128), 200), (format!("{id}/a_b-c~d"), 200)] {
        let reply = run.put(&format!("/v1/var/{path}"), &items("1")).await?;
        run.same("V16", &path, reply.status, status);
    }
    for path in [padded(129), format!("{id}/a.b")] {
        let reply = run.put(&format!("/v1/var/{path}"), &items("1")).await?;
        let text = format!("RPC Error:: 400,invalid path {path:?}");
        run.answers("V16", &reply, 400, &text);
    }
    let path = format!("/v1/var/{id}/items");
    let odd = json!({"team/shop-é": "v1 d=x", "a b%/c": "", "": "e"});
    run.put(&path, &json!({"Items": odd})).await?;
    run.at("V17", &run.get(&path).await?.json(), "/Items", odd);
    Ok(())
}

async fn deleted_as_seen(run: &Run) -> Result<(), Stop> {
    let path = format!("/v1/var/{}/seen", run.id("v"));
    let written = run.put(&path, &items("1")).await?.json();
    let index = written["ModifyIndex"].as_u64().unwrap_or_default();
    let outdated = run.delete(&format!("{path}?cas={}", index - 1)).await?;
    run.same("V18", "status", outdated.status, 409);
    run.at("V18", &outdated.json(), "/ModifyIndex", index);
    let seen = run.delete(&format!("{path}?cas={index}")).await?;
    run.answers("V19", &seen, 204, "");
    let absent = run.delete(&format!("{path}?cas=0")).await?;
    run.answers("V19", &absent, 204, "");
    Ok(())
}

async fn locks(run: &Run) -> Result<(), Stop> {
    let path = format!("/v1/var/{}/lock", run.id("v"));
    let acquire = format!("{path}?lock-acquire");
    let wanted = json!({"Items": {"k": "1"}, "Lock": {"TTL": "20s", "LockDelay": "15s"}});
    let held = run.put(&acquire, &wanted).await?;
    run.same("V7", "status", held.status, 200);
    run.at("V7", &held.json(), "/Lock/TTL", "20s");
    run.at("V7", &held.json(), "/Lock/LockDelay", "15s");
    let lock = held.json()["Lock"]["ID"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    run.same("V7", "length of the lock's id", lock.len(), 36);

    let second = run.put(&acquire, &wanted).await?;
    run.same("V8", "status of the second", second.status, 409);
    run.at("V8", &second.json(), "/ModifyIndex", 0);
    run.at("V8", &second.json(), "/Items", Value::Null);
    let plain = run.put(&path, &items("2")).await?;
    run.same("V9", "status of a plain write", plain.status, 409);

    let renew = format!("{path}?lock-renew");
    let renewed = run.put(&renew, &json!({"Lock": {"ID": lock}})).await?;
    run.same("V10", "status", renewed.status, 200);
    let foreign = json!({"Lock": {"ID": "11111111-2222-3333-4444-555555555555"}});
    run.answers(
        "V11",
        &run.put(&renew, &foreign).await?,
        409,
        "attempting to modify locked variable",
    );

    let release = format!("{path}?lock-release");
    let released = run.put(&release, &json!({"Lock": {"ID": lock}})).await?;
    run.same("V12", "status", released.status, 200);
    run.at("V12", &released.json(), "/Lock", Value::Null);
    let kept = run.get(&path).await?.json();
    run.at("V12", &kept, "/Lock", Value::Null);
    run.at("V12", &kept, "/Items/k", "1");
    let again = run.put(&release, &json!({"Lock": {"ID": lock}})).await?;
    run.answers("V13", &again, 500, "variable doesn't hold a lock");
    Ok(())
}
