//! What plan, diff, apply and delete say, whole, with their exit codes.

use super::lab::{Specs, breaks, ends};
use crate::support::env::Invocation;
use crate::views::snapshot::assert_snapshot;

/// A database, a migration, a shop with a secret, and a job of nobody's concern.
fn scene() -> Specs {
    let specs = Specs::with_options(|options| {
        // Where something runs must not depend on what was faster.
        options.nodes.truncate(1);
        options.faults.workloads = vec![ends("migrate", 0), breaks("shop:3")];
    });
    specs
        .service("db", "db:1", "")
        .batch("migrate", "m:1", "hook: {phase: pre, for: [shop]}")
        .service("shop", "shop:1", SHOP)
        .service("worker", "worker:1", "");
    specs
}

const SHOP: &str = "dependsOn: [{name: db}]
env: {MODE: fast, PASSWORD: {fromEnv: SHOP_PASSWORD}}";

fn shown(specs: &Specs, name: &str, command: &str, more: &[&str]) {
    let line = format!("cs {command} -f specs {}", more.join(" "));
    let invocation: Invocation = specs
        .on_folder(command)
        .args(more)
        .var("SHOP_PASSWORD", "canary");
    let ended = assert_snapshot(&format!("set-{name}"), line.trim_end(), invocation);
    ended.assert_hides("canary");
}

#[test]
fn a_set_is_planned_applied_changed_and_deleted() {
    let specs = scene();
    shown(&specs, "plan-new", "plan", &[]);
    shown(&specs, "apply-new", "apply", &[]);
    shown(&specs, "plan-unchanged", "plan", &[]);
    shown(&specs, "apply-unchanged", "apply", &[]);
    specs
        .service("shop", "shop:2", &SHOP.replace("fast", "slow"))
        .remove("worker.yaml");
    shown(&specs, "plan-changed", "plan", &[]);
    shown(&specs, "plan-prune", "plan", &["--prune"]);
    shown(&specs, "diff-changed", "diff", &[]);
    shown(&specs, "apply-prune", "apply", &["--prune"]);
    shown(&specs, "delete", "delete", &["--purge", "--yes"]);
}

#[test]
fn what_fails_is_shown_with_its_cause_and_what_waited_for_it() {
    let specs = scene();
    shown(&specs, "apply-before-failure", "apply", &[]);
    specs
        .service("shop", "shop:3", SHOP)
        .service("late", "late:1", "dependsOn: [{name: shop}]");
    shown(&specs, "apply-failure", "apply", &["--timeout", "40s"]);
    shown(&specs, "plan-after-failure", "plan", &[]);
}
