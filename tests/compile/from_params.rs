//! Params in, job out: every golden case.

use super::bridge::params_to_desired;
use super::equal::differences;
use super::golden::{CASES, case, read, want};

#[test]
fn every_golden_case_compiles_to_its_job() {
    for name in CASES {
        let task = case(name)["task"].as_str().unwrap().to_owned();
        let params = read(name, "params.json").unwrap();
        let job = cs::compile::compile(&params_to_desired(&task, &params));
        assert_eq!(differences(&job.to_value(), &want(name)), [""; 0], "{name}");
    }
}
