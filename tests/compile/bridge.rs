//! The steps in front of compiling, for tests that begin with params.

use cs::desired::Desired;
use cs::desired::validate::{Options, validate};
use cs::dispatch::convert::apply_image_facts;
use cs::dispatch::{ConvertOptions, Params, convert, parse};
use serde_json::Value;

/// What `cs` holds true about a workload that the platform describes with these params, when its image cannot be inspected.
pub(super) fn params_to_desired(task: &str, params: &Value) -> Desired {
    let task = task.parse().expect("a known task");
    let text = params.to_string();
    let Params::Deploy(params) = parse(task, text.as_bytes()).expect("params that parse") else {
        panic!("not the params of a deployment");
    };
    let mut converted = convert(&params, &ConvertOptions::default()).expect("params that convert");
    apply_image_facts(&mut converted.workload, &[3000]);
    let options = Options::new("dispatch".parse().expect("a valid owner"));
    validate(&converted.workload, &options).expect("a valid workload")
}
