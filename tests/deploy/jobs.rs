//! The Nomad jobs: read by `cs`, by the embedded Nomad and by a real one, with the commands and variables of the binary.

use serde_json::{Value, json};

use super::{assert_accepted, assert_documented, read, shipped};
use crate::cli::lab::Lab;
use crate::support::env::TestEnv;
use crate::support::nomad::RealNomad;

/// The job that a Nomad makes of a file. Lines of `variables` whose variable the file does not have are left out.
pub(super) fn parsed(address: &str, file: &str, variables: &str) -> Value {
    let text = read(file);
    let declared = |line: &&str| {
        let name = line.split(' ').next().expect("splits have a first part");
        text.contains(&format!("variable \"{name}\""))
    };
    let variables: Vec<&str> = variables.lines().filter(declared).collect();
    let body = json!({"JobHCL": text, "Variables": variables.join("\n"), "Canonicalize": true});
    let (status, job) = put(address, "/v1/jobs/parse", &body);
    assert_eq!(status, 200, "{file} at {address}: {job}");
    job
}

/// Status and answer of a write, without a client of ours.
pub(super) fn put(address: &str, path: &str, body: &Value) -> (u16, Value) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(async {
        let client = reqwest::Client::builder()
            .no_proxy()
            .build()
            .expect("a client");
        let put = client
            .put(format!("{address}{path}"))
            .body(body.to_string());
        let answer = put.send().await.expect("it answers");
        let status = answer.status().as_u16();
        let text = answer.text().await.expect("a text");
        (
            status,
            serde_json::from_str(&text).unwrap_or(Value::String(text)),
        )
    })
}

/// Every job at the embedded Nomad, and at a real one where there is one.
fn each(variables: &str, look: impl Fn(&str, &Value)) {
    let lab = Lab::new();
    let real = RealNomad::shared().map(RealNomad::address);
    for address in [Some(lab.nomad.url.as_str()), real].into_iter().flatten() {
        for file in shipped("deploy", ".nomad.hcl") {
            look(&file, &parsed(address, &file, variables));
        }
    }
}

fn task(job: &Value) -> &Value {
    &job["TaskGroups"][0]["Tasks"][0]
}

fn texts(list: &Value) -> Vec<String> {
    let list = list.as_array().into_iter().flatten();
    list.map(|text| text.as_str().expect("a text").to_owned())
        .collect()
}

#[test]
fn cs_itself_finds_nothing_wrong_with_them() {
    let env = TestEnv::new();
    for file in shipped("deploy", ".nomad.hcl") {
        let ended = env
            .cs(["validate", "--var", "image=cs:1"])
            .arg(super::repository(&file))
            .run();
        ended.assert_code(0);
        // Without its image none of them is a job.
        env.cs(["validate"])
            .arg(super::repository(&file))
            .run()
            .assert_code(3);
    }
}

#[test]
fn what_they_run_is_what_the_binary_takes() {
    for more in ["", "\ntrusted_proxy = \"10.0.0.0/24\""] {
        each(&format!("image = \"cs:1\"{more}"), |file, job| {
            let arguments = texts(&task(job)["Config"]["args"]);
            let arguments: Vec<String> = arguments
                .iter()
                .map(|argument| argument.replace("${NOMAD_PORT_health}", "9464"))
                .collect();
            assert_accepted(&arguments);
            let trusts = arguments.iter().any(|argument| argument == "10.0.0.0/24");
            assert_eq!(trusts, file.contains("serve") && !more.is_empty(), "{file}");
        });
    }
}

#[test]
fn every_variable_that_they_set_is_one_that_is_documented() {
    each("image = \"cs:1\"", |file, job| {
        let task = task(job);
        for name in task["Env"].as_object().expect("an object").keys() {
            assert_documented(name);
        }
        let template = task["Templates"][0]["EmbeddedTmpl"]
            .as_str()
            .expect("a text");
        let names: Vec<&str> = template
            .split("={{")
            .filter_map(|part| part.rsplit(['\n', '}']).next())
            .filter(|name| !name.is_empty())
            .collect();
        assert!(names.len() >= 7, "{file}: {names:?}");
        for name in names {
            assert_documented(name);
            // No secret stands in the job itself.
            assert!(task["Env"].get(name).is_none(), "{file}: {name}");
        }
        assert_eq!(task["Templates"][0]["DestPath"], "secrets/cs.env", "{file}");
        assert_eq!(task["Templates"][0]["Envvars"], true, "{file}");
    });
}

#[test]
fn a_dispatched_run_is_never_tried_again_by_nomad() {
    each("image = \"cs:1\"", |file, job| {
        if !file.contains("dispatch") {
            return;
        }
        assert_eq!(job["Type"], "batch");
        assert_eq!(
            texts(&job["ParameterizedJob"]["MetaRequired"]),
            ["TASK", "PARAMS"]
        );
        let group = &job["TaskGroups"][0];
        assert_eq!(group["RestartPolicy"]["Attempts"], 0);
        assert_eq!(group["RestartPolicy"]["Mode"], "fail");
        assert_eq!(group["ReschedulePolicy"]["Attempts"], 0);
        assert_eq!(group["ReschedulePolicy"]["Unlimited"], false);
        let task = task(job);
        assert_eq!(task["KillTimeout"], 20_000_000_000_u64);
        assert_eq!(task["Config"]["image"], "cs:1");
        assert!(task["Resources"]["MemoryMB"].as_u64() >= Some(64), "{task}");
    });
}

/// Who may use the engine's socket rules the node, so only then the task is root.
#[test]
fn nobody_is_root_where_no_engine_is_mounted() {
    each("image = \"cs:1\"\ndocker_socket = \"\"", |file, job| {
        assert_eq!(task(job)["User"], "65532:65532", "{file}");
        assert_eq!(
            texts(&task(job)["Config"]["volumes"]),
            Vec::<String>::new(),
            "{file}"
        );
    });
    each("image = \"cs:1\"", |file, job| {
        let volumes = texts(&task(job)["Config"]["volumes"]);
        let expected = if volumes.is_empty() {
            "65532:65532"
        } else {
            "root"
        };
        assert_eq!(task(job)["User"], expected, "{file}");
        assert_eq!(volumes.is_empty(), file.contains("serve"), "{file}");
    });
}

/// Services are stopped with a grace that fits what the binary does on a signal.
#[test]
fn whoever_drains_has_the_time_for_it() {
    each("image = \"cs:1\"", |file, job| {
        let arguments = texts(&task(job)["Config"]["args"]);
        let drain = arguments.iter().position(|argument| argument == "--drain");
        if let Some(at) = drain {
            assert_eq!(arguments[at + 1], "2m", "{file}");
            assert!(
                task(job)["KillTimeout"].as_u64() >= Some(135_000_000_000),
                "{file}"
            );
        }
        if job["Type"] == "service" {
            let check = &job["TaskGroups"][0]["Services"][0]["Checks"][0];
            assert_eq!(
                (&check["Type"], &check["Path"]),
                (&json!("http"), &json!("/readyz")),
                "{file}"
            );
        }
    });
}

/// A real Nomad takes them: a server checks more than the parser does.
#[test]
fn a_real_nomad_takes_them() {
    let Some(real) = RealNomad::shared() else {
        return;
    };
    for file in shipped("deploy", ".nomad.hcl") {
        let variables = "image = \"cs:1\"\nservice_provider = \"nomad\"\nvault = \"off\"";
        let job = parsed(real.address(), &file, variables);
        let (status, answer) = put(real.address(), "/v1/validate/job", &json!({"Job": job}));
        assert_eq!(status, 200, "{file}: {answer}");
        assert_eq!(answer["ValidationErrors"], Value::Null, "{file}: {answer}");
        assert_eq!(answer["Error"], "", "{file}: {answer}");
    }
}
