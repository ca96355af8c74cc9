//! What Nomad does, as one suite that runs unchanged against the simulator and a real Nomad.
//!
//! Every row is one expectation (`E1`, `R13`, …); a case is an async function that checks the rows of one behaviour, with
//! jobs of its own. A module's cases run side by side and all that differs is reported at once. A row that passes on one
//! target and fails on the other is a defect of the simulator, or of what we believe about Nomad.
//!
//! E errors · R register · D plan and diff · S scale and stop · H health · P parents · B blocking queries and lists ·
//! V variables and locks · X event stream · M the rest · L what the loop relies on beyond these.

mod agent;
mod blocking;
mod case;
mod checks;
mod client;
mod diff;
mod errors;
mod health;
mod jobs;
mod misc;
mod parents;
mod register;
mod reliance;
mod rollouts;
mod run;
mod scale_stop;
mod stream;
pub(crate) mod target;
mod tasks;
mod variables;

/// One test a module and target.
macro_rules! conformance {
    ($($module:ident: $rows:literal),* $(,)?) => {
        mod on_simulator {
            use super::{case, target::Target};
            $(#[test] fn $module() { case::run_module(Target::simulator(), super::$module::CASES, $rows); })*
        }

        mod on_real_nomad {
            use super::{case, target::Target};
            $(#[test] fn $module() { case::run_module(Target::real(), super::$module::CASES, $rows); })*
        }
    };
}

conformance! {
    errors: "E1-33",
    register: "R1-17",
    diff: "D1-13",
    scale_stop: "S1-15",
    health: "H1-16",
    rollouts: "H17-24",
    parents: "P1-14",
    blocking: "B1-8",
    variables: "V1-19",
    stream: "X1-6",
    misc: "M1-9",
    reliance: "L1-14 L26",
    tasks: "L15-25 L27-30",
}
