//! What is written and read back does not differ, and writing it again changes nothing.

use cs::clients::nomad::canonical::canonicalize;
use cs::reconcile::diff::{DiffOptions, diff, merged};
use serde_json::{Value, json};

use super::lab::id_of;
use super::language::difference;
use super::{CorpusFile, Lab, corpus, on_both};

on_both!(
    no_job_differs_from_what_was_stored_of_it,
    files_that_an_agent_refuses_are_refused,
);

/// All noise at once: a corpus that is fixed job by job is slow to fix.
#[derive(Default)]
struct Noise(Vec<String>);

impl Noise {
    fn expect_none(&mut self, file: &CorpusFile, when: &str, desired: &Value, observed: &Value) {
        let drift = diff(desired, observed, &DiffOptions::default());
        if !drift.is_empty() {
            self.0.push(format!("{} {when}:\n{drift}", file.name));
        }
    }

    fn expect(&mut self, file: &CorpusFile, holds: bool, what: &str) {
        if !holds {
            self.0.push(format!("{}: {what}", file.name));
        }
    }
}

async fn no_job_differs_from_what_was_stored_of_it(lab: &Lab) {
    let mut noise = Noise::default();
    for file in corpus() {
        if lab.is_real && !file.runs_on_real {
            continue;
        }
        for job in file.jobs() {
            let job = lab.job(&job).await;
            check_canonical(&mut noise, &file, &job);
            check_stored(&mut noise, &file, lab, job.clone()).await;
            let mut owned = job;
            add_owner(&mut owned);
            check_stored(&mut noise, &file, lab, owned).await;
        }
    }
    assert!(noise.0.is_empty(), "{}", noise.0.join("\n"));
}

fn check_canonical(noise: &mut Noise, file: &CorpusFile, job: &Value) {
    let mut once = job.clone();
    canonicalize(&mut once, "global");
    let mut twice = once.clone();
    canonicalize(&mut twice, "global");
    noise.expect(
        file,
        once == twice,
        "canonicalising twice changes something",
    );
}

async fn check_stored(noise: &mut Noise, file: &CorpusFile, lab: &Lab, job: Value) {
    let id = id_of(&job);
    if let Err(error) = lab.register(&job, 0).await {
        noise.expect(file, false, &error);
        return;
    }
    let stored = lab.read(&id).await;
    noise.expect_none(file, "after it was registered", &job, &stored);
    noise.expect_none(file, "against itself", &stored, &stored);
    if !has_mesh_tasks(&stored)
        && let Some(found) = difference("", &canonical(&job), &canonical(&stored))
    {
        noise
            .0
            .push(format!("{} has another canonical form: {found}", file.name));
    }
    let merged = merged(&job, &stored, &DiffOptions::default());
    noise.expect_none(file, "once it is merged", &merged, &stored);
    // A job that says which version it is begins with that one.
    let first = stored["Version"].as_u64().unwrap();
    let named = job["Version"].as_u64().unwrap_or(0);
    noise.expect(file, first == named, &format!("version {first}"));
    // The first repeat of a job with a scaling policy is a new version in any case: the server has named the policy.
    let more: &[u64] = if has_scaling(&stored) { &[1, 1] } else { &[0] };
    for expected in more.iter().map(|more| first + more) {
        let index = lab.read(&id).await["JobModifyIndex"].as_u64().unwrap();
        let written = lab.register(&merged, index).await;
        noise.expect(file, written.is_ok(), &format!("{written:?}"));
        let again = lab.read(&id).await;
        let version = &again["Version"];
        noise.expect(
            file,
            *version == expected,
            &format!("version {version}, not {expected}"),
        );
        noise.expect_none(file, "after it was registered again", &job, &again);
    }
    lab.purge(&id).await;
}

fn canonical(job: &Value) -> Value {
    let mut job = job.clone();
    canonicalize(&mut job, "global");
    job
}

/// What Nomad adds for the mesh is not in the canonical form of what was written.
fn has_mesh_tasks(job: &Value) -> bool {
    let groups = job["TaskGroups"].as_array().into_iter().flatten();
    let mut tasks = groups.flat_map(|group| group["Tasks"].as_array().into_iter().flatten());
    tasks.any(|task| {
        task["Kind"]
            .as_str()
            .is_some_and(|kind| kind.starts_with("connect-"))
    })
}

fn has_scaling(job: &Value) -> bool {
    let groups = job["TaskGroups"].as_array().into_iter().flatten();
    groups.into_iter().any(|group| !group["Scaling"].is_null())
}

/// What marks a job as owned.
fn add_owner(job: &mut Value) {
    let members = job.as_object_mut().unwrap();
    let name = members
        .keys()
        .find(|name| name.eq_ignore_ascii_case("meta"))
        .cloned();
    let name = name.unwrap_or_else(|| "Meta".to_owned());
    let meta = members.entry(name).or_insert_with(|| json!({}));
    if !meta.is_object() {
        *meta = json!({});
    }
    meta["cs.owner"] = json!("corpus");
    meta["cs.spec"] = json!("corpus/file.yaml#1");
}

/// The reason in the table is the reason.
async fn files_that_an_agent_refuses_are_refused(lab: &Lab) {
    for file in corpus().iter().filter(|file| !file.runs_on_real) {
        let words = file.refusal().unwrap();
        for job in file.jobs() {
            let job = lab.job(&job).await;
            match lab.register(&job, 0).await {
                Err(error) => assert!(
                    lab.is_real && error.contains(words),
                    "{}: {error}",
                    file.name
                ),
                Ok(_) => assert!(!lab.is_real, "{} is taken", file.name),
            }
        }
    }
}
