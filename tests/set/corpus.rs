//! The corpus of jobs without noise, as one set: after apply there is nothing to plan.

use cs::simulator::Options;

use crate::cli::lab::Lab;
use crate::corpus::files::corpus;
use crate::support::nomad::RealNomad;

#[test]
fn after_apply_nothing_differs_whatever_the_job() {
    let lab = Lab::with_options(|_: &mut Options| {});
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/corpus");
    let on = |command: &str| lab.env.cs([command, "-f", folder]);
    on("apply").arg("--no-wait").run().assert_code(0);
    let jobs = lab.get("/v1/jobs").expect("a list");
    assert!(jobs.as_array().expect("a list").len() >= 60);
    on("diff").run().assert_code(0);
}

#[test]
fn after_apply_nothing_differs_on_a_real_nomad_either() {
    let Some(nomad) = RealNomad::start() else {
        return;
    };
    let mut lab = Lab::new();
    lab.env.set("NOMAD_ADDR", nomad.address());
    let files = corpus();
    let paths: Vec<_> = files
        .iter()
        // A job whose members are in lower case is not told from other JSON by its file.
        .filter(|file| file.runs_on_real && file.name != "json-lower-case.json")
        .map(|file| file.path.as_os_str())
        .collect();
    let on = |command: &str| lab.env.cs([command, "-f"]).args(&paths);
    on("apply").arg("--no-wait").run().assert_code(0);
    on("diff").run().assert_code(0);
}
