//! Params from the wire to the workload: recorded params, rules, and properties that hold for all of them.

mod fixtures;
mod leaks;
mod roundtrip;
mod rules;

use cs::dispatch::{ConvertOptions, Converted, DeployParams, Params, Task, convert, parse};
use serde_json::{Value, json};

/// The least that an image task accepts, with `extra` merged in.
fn image_params(extra: Value) -> Value {
    let mut params = json!({
        "jobId": "cst-a", "deploymentId": "adeployment_1", "serviceId": "img_1", "projectId": "prj_1",
        "imageName": "nginx", "imageTag": "1.27",
    });
    merge(&mut params, extra);
    params
}

/// The least that a repository task accepts, with `extra` merged in.
fn repository_params(extra: Value) -> Value {
    let mut params = json!({
        "jobId": "csi-a", "deploymentId": "gdeployment_1", "serviceId": "int_1", "projectId": "prj_1",
        "repository": "acme/shop", "branch": "main",
    });
    merge(&mut params, extra);
    params
}

fn merge(params: &mut Value, extra: Value) {
    let (Value::Object(params), Value::Object(extra)) = (params, extra) else {
        panic!("params are objects");
    };
    params.extend(extra);
}

fn parsed(task: Task, params: &Value) -> DeployParams {
    match parse(task, params.to_string().as_bytes()) {
        Ok(Params::Deploy(params)) => *params,
        Ok(Params::Destroy(_)) => panic!("{task} does not destroy"),
        Err(error) => panic!("{error}"),
    }
}

fn image(extra: Value) -> Converted {
    let params = parsed(Task::DeployImage, &image_params(extra));
    convert(&params, &ConvertOptions::default()).unwrap_or_else(|error| panic!("{error}"))
}

fn repository(extra: Value) -> Converted {
    let params = parsed(Task::DeployRepository, &repository_params(extra));
    convert(&params, &ConvertOptions::default()).unwrap_or_else(|error| panic!("{error}"))
}

fn refused(task: Task, extra: Value) -> String {
    let params = if task == Task::DeployImage {
        image_params(extra)
    } else {
        repository_params(extra)
    };
    convert(&parsed(task, &params), &ConvertOptions::default())
        .expect_err("must be refused")
        .to_string()
}
