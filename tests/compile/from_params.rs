//! Params in, job out: every golden case.

use super::bridge::params_to_desired;
use super::equal::differences;
use super::golden::{CASES, case, read, want};

/// The job that the params of a golden case become.
pub(crate) fn golden_job(name: &str) -> serde_json::Value {
    let task = case(name)["task"].as_str().unwrap().to_owned();
    let params = read(name, "params.json").unwrap();
    cs::compile::compile(&params_to_desired(&task, &params)).to_value()
}

#[test]
fn every_golden_case_compiles_to_its_job() {
    for name in CASES {
        assert_eq!(
            differences(&golden_job(name), &want(name)),
            [""; 0],
            "{name}"
        );
    }
}
