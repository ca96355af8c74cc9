//! Jobs as a client might write them: any seed gives one, and most of them are accepted by Nomad.

use serde_json::{Value, json};

/// A small generator of numbers (xorshift64*): a job must be the same for a seed on every machine and in every build.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % bound
    }

    fn flip(&mut self) -> bool {
        self.below(2) == 0
    }

    /// Now and then.
    fn rarely(&mut self) -> bool {
        self.below(6) == 0
    }

    fn pick<T: Clone>(&mut self, options: &[T]) -> T {
        let at = self.below(options.len() as u64) as usize;
        options[at].clone()
    }

    fn seconds(&mut self, from: u64, to: u64) -> Value {
        json!((from + self.below(to - from)) * 1_000_000_000)
    }
}

/// Sets a member, or leaves it out, or writes `null`.
fn may(dice: &mut Dice, object: &mut Value, member: &str, value: impl FnOnce(&mut Dice) -> Value) {
    match dice.below(8) {
        0..=3 => object[member] = value(dice),
        4 => object[member] = Value::Null,
        _ => {}
    }
}

/// The job of a seed.
pub(crate) fn any_job(seed: u64, id: &str) -> Value {
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let dice = &mut dice;
    let kind = dice.pick(&[
        "service", "service", "service", "batch", "system", "sysbatch",
    ]);
    let mut job = json!({ "ID": id });
    if kind != "service" || dice.flip() {
        job["Type"] = json!(kind);
    }
    may(dice, &mut job, "Name", |_| json!(id));
    may(dice, &mut job, "Priority", |d| json!(1 + d.below(99)));
    may(dice, &mut job, "NodePool", |d| {
        json!(d.pick(&["minions", "gpu-minions", "db-pool", "", "default"]))
    });
    may(dice, &mut job, "Namespace", |d| {
        json!(d.pick(&["default", ""]))
    });
    may(dice, &mut job, "Region", |d| json!(d.pick(&["global", ""])));
    may(dice, &mut job, "Datacenters", |d| {
        d.pick(&[json!([]), json!(["dc1", "dc2"]), json!(["*"])])
    });
    may(dice, &mut job, "Meta", |d| {
        d.pick(&[json!({}), json!({"k": "v", "l": null})])
    });
    may(dice, &mut job, "AllAtOnce", |d| json!(d.flip()));
    may(dice, &mut job, "VaultNamespace", |_| json!(""));
    may(
        dice,
        &mut job,
        "UI",
        |d| json!({"Description": "x", "Links": d.pick(&[json!([]), json!([{"Label": "l", "URL": "http://l"}])])}),
    );
    placement(dice, &mut job, kind);
    if kind == "service" {
        may(dice, &mut job, "Migrate", migrate);
        may(dice, &mut job, "Reschedule", reschedule);
    }
    if kind == "service" || kind == "system" {
        may(dice, &mut job, "Update", |d| update(d, kind));
    }
    if kind.ends_with("batch") {
        start(dice, &mut job);
    }
    let groups = if dice.rarely() { 2 } else { 1 };
    job["TaskGroups"] = (0..groups).map(|at| group(dice, kind, at)).collect();
    job["Unknown"] = json!({"dropped": 1});
    job
}

fn start(dice: &mut Dice, job: &mut Value) {
    match dice.below(3) {
        0 => {
            job["Periodic"] = json!({ "Specs": ["@daily", "@hourly"] });
            may(dice, &mut job["Periodic"], "ProhibitOverlap", |d| {
                json!(d.flip())
            });
            may(dice, &mut job["Periodic"], "TimeZone", |d| {
                json!(d.pick(&["", "Europe/Paris"]))
            });
            may(dice, &mut job["Periodic"], "Enabled", |d| json!(d.flip()));
        }
        1 => {
            job["ParameterizedJob"] = json!({});
            may(dice, &mut job["ParameterizedJob"], "Payload", |d| {
                json!(d.pick(&["", "required", "forbidden"]))
            });
            may(dice, &mut job["ParameterizedJob"], "MetaRequired", |d| {
                d.pick(&[json!([]), json!(["a", "b"])])
            });
            may(dice, &mut job["ParameterizedJob"], "MetaOptional", |_| {
                json!(["c"])
            });
        }
        _ => {}
    }
}

fn placement(dice: &mut Dice, object: &mut Value, kind: &str) {
    may(dice, object, "Constraints", |d| {
        d.pick(&[
            json!([]),
            json!([{"LTarget": "${node.class}", "RTarget": "a,b", "Operand": "set_contains_any"}, {"Operand": "distinct_hosts"}]),
            json!([{"LTarget": "${attr.vault.version}", "RTarget": ">= 1.12", "Operand": "semver"}]),
        ])
    });
    if !kind.starts_with("sys") {
        may(dice, object, "Affinities", |d| {
            d.pick(&[json!([]), json!([{"LTarget": "${node.class}", "RTarget": "a", "Operand": "="}, {"LTarget": "${node.pool}", "RTarget": "b", "Operand": "=", "Weight": -20}])])
        });
        may(dice, object, "Spreads", |d| {
            d.pick(&[json!([]), json!([{"Attribute": "${node.datacenter}"}]), json!([{"Attribute": "${node.class}", "Weight": 30, "SpreadTarget": [{"Value": "a", "Percent": 60}]}])])
        });
    }
}

fn update(dice: &mut Dice, kind: &str) -> Value {
    let mut update = json!({});
    may(dice, &mut update, "MaxParallel", |d| json!(d.below(3)));
    may(dice, &mut update, "Stagger", |d| d.seconds(1, 90));
    may(dice, &mut update, "HealthCheck", |d| {
        json!(d.pick(&["checks", "task_states"]))
    });
    may(dice, &mut update, "MinHealthyTime", |d| d.seconds(1, 20));
    may(dice, &mut update, "HealthyDeadline", |d| {
        d.seconds(100, 200)
    });
    may(dice, &mut update, "ProgressDeadline", |d| {
        d.seconds(400, 900)
    });
    may(dice, &mut update, "AutoRevert", |d| json!(d.flip()));
    if kind == "service" && dice.flip() {
        update["Canary"] = json!(1);
        update["AutoPromote"] = json!(true);
    }
    update
}

fn migrate(dice: &mut Dice) -> Value {
    let mut migrate = json!({});
    may(dice, &mut migrate, "MaxParallel", |d| json!(d.below(3)));
    may(dice, &mut migrate, "MinHealthyTime", |d| d.seconds(1, 20));
    may(dice, &mut migrate, "HealthyDeadline", |d| {
        d.seconds(100, 200)
    });
    migrate
}

fn reschedule(dice: &mut Dice) -> Value {
    let mut policy = json!({});
    may(dice, &mut policy, "Delay", |d| d.seconds(10, 60));
    may(dice, &mut policy, "DelayFunction", |d| {
        json!(d.pick(&["constant", "exponential", "fibonacci"]))
    });
    may(dice, &mut policy, "MaxDelay", |d| d.seconds(100, 200));
    policy
}

fn restart(dice: &mut Dice) -> Value {
    let mut policy = json!({});
    may(dice, &mut policy, "Attempts", |d| json!(1 + d.below(4)));
    may(dice, &mut policy, "Interval", |d| d.seconds(200, 900));
    may(dice, &mut policy, "Delay", |d| d.seconds(1, 20));
    may(dice, &mut policy, "Mode", |d| {
        json!(d.pick(&["fail", "delay"]))
    });
    may(dice, &mut policy, "RenderTemplates", |d| json!(d.flip()));
    policy
}

fn group(dice: &mut Dice, kind: &str, at: usize) -> Value {
    let mut group = json!({ "Name": format!("g{at}") });
    if !kind.starts_with("sys") {
        may(dice, &mut group, "Count", |d| json!(d.below(4)));
        if dice.rarely() {
            group["Scaling"] = json!({ "Max": 9, "Min": 0, "Policy": dice.pick(&[json!({}), json!({"cooldown": "1m", "n": 3}), Value::Null]) });
            may(dice, &mut group["Scaling"], "Enabled", |d| json!(d.flip()));
        }
    }
    may(dice, &mut group, "Meta", |d| {
        d.pick(&[json!({}), json!({"Group": "x"})])
    });
    may(dice, &mut group, "RestartPolicy", restart);
    may(dice, &mut group, "EphemeralDisk", |d| {
        d.pick(&[json!({}), json!({"Sticky": true, "SizeMB": 500})])
    });
    may(dice, &mut group, "ShutdownDelay", |d| d.seconds(0, 9));
    placement(dice, &mut group, kind);
    if kind == "service" {
        may(dice, &mut group, "Update", |d| update(d, kind));
        may(dice, &mut group, "Migrate", migrate);
        may(dice, &mut group, "ReschedulePolicy", reschedule);
        may(dice, &mut group, "Disconnect", |d| {
            d.pick(&[json!({}), json!({"LostAfter": 60_000_000_000_u64, "Replace": false, "Reconcile": "longest_running"})])
        });
    }
    if kind.ends_with("batch") {
        may(dice, &mut group, "MaxRunDuration", |d| d.seconds(100, 900));
    }
    let network = if dice.below(4) > 0 {
        Some(network(dice))
    } else {
        None
    };
    let connected = network.is_some();
    group["Networks"] = network.map_or(json!([]), |network| json!([network]));
    may(dice, &mut group, "Volumes", |d| {
        d.pick(&[json!({}), json!({"data": {"Name": "data", "Type": "csi", "Source": "data", "AccessMode": "multi-node-multi-writer", "AttachmentMode": "file-system", "PerAlloc": false, "MountOptions": {"FSType": "ext4"}},
            "host": {"Type": "host", "Source": "h", "ReadOnly": true}, "odd": {"Type": "unknown"}})])
    });
    let volumes = group["Volumes"].get("data").is_some();
    let provider = dice.pick(&["consul", "nomad"]);
    if connected && dice.flip() {
        group["Services"] = json!([
            service(dice, "web", provider),
            service(dice, "admin", provider)
        ]);
    }
    let tasks = 1 + usize::from(dice.rarely());
    group["Tasks"] = (0..tasks)
        .map(|at| task(dice, at, connected.then_some(provider), volumes))
        .collect();
    group
}

fn network(dice: &mut Dice) -> Value {
    let mut network =
        json!({ "DynamicPorts": [{"Label": "http", "To": 8080}, {"Label": "admin"}] });
    may(dice, &mut network, "Mode", |d| {
        json!(d.pick(&["host", "bridge", ""]))
    });
    may(dice, &mut network, "ReservedPorts", |d| {
        d.pick(&[
            json!([]),
            json!([{"Label": "fixed", "Value": 9999, "HostNetwork": "public"}]),
        ])
    });
    may(dice, &mut network, "DNS", |d| {
        d.pick(&[json!({}), json!({"Servers": ["1.1.1.1"], "Options": []})])
    });
    may(dice, &mut network, "MBits", |d| json!(d.below(3)));
    network
}

fn service(dice: &mut Dice, name: &str, provider: &str) -> Value {
    let mut service = json!({ "Name": name, "PortLabel": "http" });
    if provider == "nomad" || dice.flip() {
        service["Provider"] = json!(provider);
    }
    if dice.rarely() {
        service["Name"] = json!(format!("${{JOB}}-{name}-${{TASKGROUP}}"));
    }
    may(dice, &mut service, "Tags", |d| {
        d.pick(&[json!([]), json!(["b", "a"])])
    });
    may(dice, &mut service, "CanaryTags", |_| json!(["green"]));
    may(dice, &mut service, "OnUpdate", |d| {
        json!(d.pick(&["require_healthy", ""]))
    });
    if provider == "consul" {
        may(dice, &mut service, "Meta", |d| {
            d.pick(&[json!({}), json!({"a": "b"})])
        });
        may(dice, &mut service, "EnableTagOverride", |d| json!(d.flip()));
        may(
            dice,
            &mut service,
            "Identity",
            |_| json!({"Audience": ["consul.io"], "TTL": 3_600_000_000_000_u64}),
        );
        may(
            dice,
            &mut service,
            "Weights",
            |d| json!({"Passing": d.below(3)}),
        );
    }
    may(
        dice,
        &mut service,
        "CheckRestart",
        |d| json!({"Limit": d.below(4), "IgnoreWarnings": false}),
    );
    let checks = dice.below(3) as usize;
    service["Checks"] = (0..checks).map(|at| check(dice, at, provider)).collect();
    service
}

fn check(dice: &mut Dice, at: usize, provider: &str) -> Value {
    let mut check = json!({ "Type": "http", "Path": "/", "PortLabel": "http" });
    check["Interval"] = dice.seconds(5, 60);
    check["Timeout"] = dice.seconds(1, 4);
    may(dice, &mut check, "Name", |d| {
        json!(d.pick(&[format!("live {at}"), format!("a \"{at}\"")]))
    });
    if at > 0 && !check["Name"].is_string() {
        check["Name"] = json!(format!("check {at}"));
    }
    may(dice, &mut check, "Header", |d| {
        d.pick(&[json!({}), json!({"X": ["y"], "Empty": []})])
    });
    may(dice, &mut check, "Method", |_| json!("GET"));
    may(
        dice,
        &mut check,
        "CheckRestart",
        |d| json!({"Limit": d.below(4), "Grace": 9_000_000_000_u64}),
    );
    if provider == "consul" {
        may(dice, &mut check, "SuccessBeforePassing", |d| {
            json!(d.below(3))
        });
        may(dice, &mut check, "OnUpdate", |d| {
            json!(d.pick(&["", "require_healthy"]))
        });
    }
    check
}

fn task(dice: &mut Dice, at: usize, provider: Option<&str>, volumes: bool) -> Value {
    let mut task = json!({ "Name": format!("t{at}"), "Driver": "docker", "Config": config(dice) });
    may(dice, &mut task, "User", |_| json!("1000"));
    may(dice, &mut task, "Env", |d| {
        d.pick(&[json!({}), json!({"A": "1", "path": "/x"})])
    });
    may(dice, &mut task, "Meta", |d| {
        d.pick(&[json!({}), json!({"task": "x"})])
    });
    may(dice, &mut task, "Resources", resources);
    may(dice, &mut task, "RestartPolicy", restart);
    may(dice, &mut task, "KillTimeout", |d| d.seconds(0, 30));
    may(dice, &mut task, "KillSignal", |d| {
        json!(d.pick(&["SIGTERM", "SIGUSR1"]))
    });
    may(dice, &mut task, "LogConfig", |d| {
        d.pick(&[json!({}), json!({"MaxFiles": 2}), json!({"Disabled": true})])
    });
    may(dice, &mut task, "Leader", |_| json!(at == 0));
    may(dice, &mut task, "Vault", |d| {
        d.pick(&[json!({}), json!({"Policies": ["p"], "Role": "r", "ChangeMode": "signal", "ChangeSignal": "sigusr2"}), json!({"ChangeMode": "noop", "Env": false})])
    });
    may(dice, &mut task, "Templates", |d| {
        json!([template(d, "a"), template(d, "b")])
    });
    may(dice, &mut task, "Artifacts", |d| {
        d.pick(&[json!([]), json!([{"GetterSource": "https://a.example/b/c.tgz"}, {"GetterSource": "https://a.example/b/d", "GetterMode": "file", "GetterHeaders": {}}])])
    });
    may(dice, &mut task, "Constraints", |d| {
        d.pick(&[
            json!([]),
            json!([{"LTarget": "${attr.cpu.arch}", "RTarget": "amd64", "Operand": "="}]),
        ])
    });
    may(dice, &mut task, "Identities", |d| {
        d.pick(&[json!([{"Name": "aws", "Audience": ["sts"], "TTL": 3_600_000_000_000_u64, "ChangeMode": "signal", "ChangeSignal": "sighup"}]), json!([{"Name": "default", "Env": true}, {"Name": "b", "Audience": ["b"]}])])
    });
    may(dice, &mut task, "Identity", |d| {
        d.pick(&[json!({}), json!({"Env": true, "File": true})])
    });
    may(
        dice,
        &mut task,
        "Actions",
        |_| json!([{"Name": "act", "Command": "/bin/true"}]),
    );
    if at > 0 {
        may(
            dice,
            &mut task,
            "Lifecycle",
            |d| json!({"Hook": "prestart", "Sidecar": d.flip()}),
        );
    }
    if volumes {
        may(dice, &mut task, "VolumeMounts", |d| {
            d.pick(&[json!([]), json!([{"Volume": "data", "Destination": "/data"}, {"Volume": "data", "Destination": "/more", "ReadOnly": true}])])
        });
    }
    if let Some(provider) = provider {
        may(dice, &mut task, "Services", |d| {
            let mut service = service(d, "of-task", provider);
            service["Name"] = json!(format!("of-task-{at}"));
            json!([service])
        });
    }
    task
}

fn config(dice: &mut Dice) -> Value {
    let mut config = json!({ "image": "registry.invalid/a:1" });
    may(dice, &mut config, "args", |_| json!(["b", "a"]));
    may(dice, &mut config, "ports", |_| json!(["http", "admin"]));
    may(dice, &mut config, "volumes", |_| {
        json!(["local/a:/a", "local/b:/b"])
    });
    may(dice, &mut config, "labels", |d| {
        d.pick(&[json!([{"a": "b"}]), json!({"a": "b"})])
    });
    may(
        dice,
        &mut config,
        "auth",
        |_| json!([{"username": "u", "password": "${p}"}]),
    );
    may(dice, &mut config, "pids_limit", |d| json!(d.below(100)));
    may(dice, &mut config, "shm_size", |_| json!(64.5));
    may(dice, &mut config, "image_pull_timeout", |_| json!("30m"));
    config
}

fn resources(dice: &mut Dice) -> Value {
    let mut resources = json!({});
    if dice.rarely() {
        resources["Cores"] = json!(2);
    } else {
        may(dice, &mut resources, "CPU", |d| json!(50 + d.below(500)));
    }
    may(dice, &mut resources, "MemoryMB", |d| {
        json!(64 + d.below(500))
    });
    may(dice, &mut resources, "MemoryMaxMB", |_| json!(4096));
    may(dice, &mut resources, "DiskMB", |_| json!(10));
    may(dice, &mut resources, "Devices", |d| {
        d.pick(&[json!([]), json!([{"Name": "nvidia/gpu"}]), json!([{"Name": "letmutx/gpu", "Count": 2, "Constraints": [], "Affinities": [{"LTarget": "${device.attr.memory}", "RTarget": "1", "Operand": "="}]}])])
    });
    resources
}

fn template(dice: &mut Dice, name: &str) -> Value {
    let mut template =
        json!({ "EmbeddedTmpl": "A={{ env \"X\" }}", "DestPath": format!("secrets/{name}.env") });
    may(dice, &mut template, "Envvars", |d| json!(d.flip()));
    may(dice, &mut template, "ChangeMode", |d| {
        json!(d.pick(&["restart", "noop", "signal"]))
    });
    if template["ChangeMode"] == "signal" {
        template["Envvars"] = json!(false);
        may(dice, &mut template, "ChangeSignal", |_| json!("sigusr1"));
    }
    may(dice, &mut template, "Splay", |d| d.seconds(0, 9));
    may(dice, &mut template, "Perms", |_| json!("600"));
    may(dice, &mut template, "Uid", |_| json!(1000));
    may(
        dice,
        &mut template,
        "Wait",
        |_| json!({"Min": 1_000_000_000_u64, "Max": 9_000_000_000_u64}),
    );
    template
}
