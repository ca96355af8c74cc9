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

#[test]
fn a_check_of_a_port_that_is_no_network_is_registered_as_the_platform_asks() {
    let mut params = read("image-typical", "params.json").unwrap();
    params["networks"][0]["health_check"]["port"] = 9999.into();
    let job = cs::compile::compile(&params_to_desired("deploy-image", &params)).to_value();
    assert_eq!(
        job["TaskGroups"][0]["Services"][0]["Checks"][0]["PortLabel"],
        "9999"
    );
}
