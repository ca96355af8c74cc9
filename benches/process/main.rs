//! What whole processes take: size, start, memory, a deployment up to its register call, events, webhooks, validation, fleets.
//!
//! `benches/run` builds the release binary and starts this with its path; the outcome is a Markdown table on standard
//! output. Everything it talks to is its own: a stand-in for Nomad, a real nats-server, temporary directories.
//! `--only start,reconcile,events,clone,bridge,validation,fleet` measures less; `--nomad ADDRESS` measures fleets on a real Nomad too.
//! `--plot TABLE FOLDER` measures nothing and draws the figures of a Markdown table as SVG.
//! Nothing here fails because of a number: figures are reports. It fails when a run did not do what it is measured for.

mod bridge;
mod clone;
mod events;
mod fleet;
mod machine;
mod measure;
mod nomad;
mod plot;
mod reconcile;
mod report;
mod start;
mod validation;

#[path = "../../tests/support"]
#[allow(dead_code, reason = "tests use the rest")]
mod support {
    pub(crate) mod git_server;
    pub(crate) mod nats;
    pub(crate) mod ports;
    pub(crate) mod postgres;
}

use std::path::PathBuf;

use report::Report;

fn main() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let after = |flag: &str| {
        let place = arguments.iter().position(|argument| argument == flag)?;
        arguments.get(place + 1).cloned()
    };
    if let Some(table) = after("--plot") {
        let place = arguments.iter().position(|argument| *argument == table);
        let into = place.and_then(|place| arguments.get(place + 1));
        plot::draw(
            table.as_ref(),
            into.expect("a folder for the drawings").as_ref(),
        );
        return;
    }
    // `cargo test --all-targets` starts this too; only `cargo bench` passes the flag.
    if !arguments.iter().any(|argument| argument == "--bench") || after("--binary").is_none() {
        report::say("nothing is measured without `--binary PATH`; see benches/run");
        return;
    }
    let binary = PathBuf::from(after("--binary").expect("checked above"));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("threads can be started");
    let mut report = Report::default();
    let only = after("--only");
    let wanted = |part: &str| {
        only.as_deref()
            .is_none_or(|only| only.split(',').any(|one| one == part))
    };
    if wanted("start") {
        start::measure(&binary, &mut report);
    }
    if wanted("reconcile") {
        reconcile::measure(&binary, &runtime, &mut report);
    }
    if wanted("events") {
        events::measure(&mut report);
    }
    if wanted("clone") {
        clone::measure(&binary, &mut report);
    }
    if wanted("bridge") {
        bridge::measure(&binary, &runtime, &mut report);
    }
    if wanted("validation") {
        validation::measure(&binary, &mut report);
    }
    if wanted("fleet") {
        let real = after("--nomad");
        fleet::measure(
            &binary,
            &runtime,
            real.as_deref(),
            &[100, 1_000, 10_000],
            &mut report,
        );
    }
    report.print(&machine::describe(&binary));
}
