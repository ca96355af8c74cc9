//! `/jobs/parse`: HCL to a job, for the members that are commonly written.
//!
//! Blocks become objects, attributes members, `snake_case` names Nomad's. Variables, functions and references are not
//! evaluated: a job with any of them is refused in Nomad's form, so that nobody takes a half-read job for a whole one.

use serde_json::{Map, Value, json};

use super::jobs::member;
use super::{Answer, Reply, Request};
use crate::simulator::world::json::any_case;
use crate::simulator::world::time::parse_go;
use crate::simulator::world::{Refusal, World, canonicalize};

pub(super) fn parse(world: &World, request: &Request) -> Answer {
    let body = request.json()?;
    let source = member(&body, "JobHCL");
    if source.trim().is_empty() {
        return Err(Refusal::bad_request("Job spec is empty"));
    }
    let failed = |text: String| Refusal::bad_request(format!("Failed to parse job: {text}"));
    let tree = hcl::parse(source).map_err(|error| failed(format!("input.hcl: {error}")))?;
    let block = tree
        .blocks()
        .find(|block| block.identifier() == "job")
        .ok_or_else(|| failed("input.hcl: 'job' block not found".to_owned()))?;
    let id = block
        .labels()
        .first()
        .map_or("", hcl::BlockLabel::as_str)
        .to_owned();
    let mut job = object(block.body(), "job").map_err(failed)?;
    for name in ["ID", "Name"] {
        job.entry(name).or_insert_with(|| json!(id));
    }
    let mut job = Value::Object(job);
    if any_case(&body, "Canonicalize")
        .and_then(Value::as_bool)
        .unwrap_or(false)
    {
        canonicalize(&mut job, &world.region);
    }
    Ok(Reply::json(job))
}

/// Blocks that may be repeated, and the list they make.
const LISTS: &[(&str, &str)] = &[
    ("group", "TaskGroups"),
    ("task", "Tasks"),
    ("constraint", "Constraints"),
    ("affinity", "Affinities"),
    ("spread", "Spreads"),
    ("target", "SpreadTarget"),
    ("network", "Networks"),
    ("service", "Services"),
    ("check", "Checks"),
    ("template", "Templates"),
    ("artifact", "Artifacts"),
    ("volume_mount", "VolumeMounts"),
    ("device", "Devices"),
];

/// Names that are not simply their words put together.
const NAMES: &[(&str, &str)] = &[
    ("cpu", "CPU"),
    ("memory", "MemoryMB"),
    ("memory_max", "MemoryMaxMB"),
    ("disk", "DiskMB"),
    ("size", "SizeMB"),
    ("max_file_size", "MaxFileSizeMB"),
    ("attribute", "LTarget"),
    ("value", "RTarget"),
    ("operator", "Operand"),
    ("restart", "RestartPolicy"),
    ("reschedule", "ReschedulePolicy"),
    ("logs", "LogConfig"),
    ("parameterized", "ParameterizedJob"),
    ("port", "PortLabel"),
    ("data", "EmbeddedTmpl"),
    ("destination", "DestPath"),
    ("source", "GetterSource"),
    ("env", "Env"),
    ("cron", "Spec"),
    ("crons", "Specs"),
    ("prohibit_overlap", "ProhibitOverlap"),
    ("time_zone", "TimeZone"),
    ("tls_skip_verify", "TLSSkipVerify"),
    ("ui", "UI"),
];

fn name_of(name: &str, block: &str) -> String {
    match (block, name) {
        ("template", "env") => return "Envvars".to_owned(),
        ("template", "source") => return "SourcePath".to_owned(),
        ("artifact", "destination") => return "RelativeDest".to_owned(),
        ("volume_mount", "destination") => return "Destination".to_owned(),
        ("spread", "attribute") => return "Attribute".to_owned(),
        ("volume", "source") => return "Source".to_owned(),
        _ => {}
    }
    if let Some((_, known)) = NAMES.iter().find(|(short, _)| *short == name) {
        return (*known).to_owned();
    }
    name.split('_')
        .map(|word| {
            let mut letters = word.chars();
            letters.next().map_or(String::new(), |first| {
                first.to_uppercase().chain(letters).collect()
            })
        })
        .collect()
}

fn object(body: &hcl::Body, block: &str) -> Result<Map<String, Value>, String> {
    let mut members = Map::new();
    for attribute in body.attributes() {
        let value = value(attribute.expr())?;
        members.insert(
            name_of(attribute.key(), block),
            duration(attribute.key(), value),
        );
    }
    for inner in body.blocks() {
        add_block(&mut members, inner, block)?;
    }
    Ok(members)
}

fn add_block(
    members: &mut Map<String, Value>,
    inner: &hcl::Block,
    outer: &str,
) -> Result<(), String> {
    let kind = inner.identifier();
    let label = inner
        .labels()
        .first()
        .map(|label| label.as_str().to_owned());
    if matches!(kind, "config" | "meta" | "env") {
        let name = if kind == "config" {
            "Config"
        } else {
            &name_of(kind, "")
        };
        members.insert(name.to_owned(), free(inner.body())?);
        return Ok(());
    }
    if outer == "network" && kind == "port" {
        return add_port(members, inner, label.unwrap_or_default());
    }
    let mut value = object(inner.body(), kind)?;
    if let Some(label) = &label {
        let member = if kind == "target" { "Value" } else { "Name" };
        value.insert(member.to_owned(), json!(label));
    }
    if kind == "volume" {
        let volumes = members.entry("Volumes").or_insert_with(|| json!({}));
        volumes[label.unwrap_or_default()] = Value::Object(value);
    } else if let Some((_, list)) = LISTS.iter().find(|(one, _)| *one == kind) {
        let list = members.entry(*list).or_insert_with(|| json!([]));
        if let Some(list) = list.as_array_mut() {
            list.push(Value::Object(value));
        }
    } else {
        members.insert(name_of(kind, outer), Value::Object(value));
    }
    Ok(())
}

fn add_port(
    members: &mut Map<String, Value>,
    block: &hcl::Block,
    label: String,
) -> Result<(), String> {
    let body = object(block.body(), "port")?;
    let number = |name: &str| body.get(name).and_then(Value::as_i64).unwrap_or(0);
    let list = if body.contains_key("Static") {
        "ReservedPorts"
    } else {
        "DynamicPorts"
    };
    let port = json!({"Label": label, "Value": number("Static"), "To": number("To"),
        "HostNetwork": body.get("HostNetwork").cloned().unwrap_or_else(|| json!("default"))});
    let list = members.entry(list).or_insert_with(|| json!([]));
    if let Some(list) = list.as_array_mut() {
        list.push(port);
    }
    Ok(())
}

/// A block whose names are the user's own.
fn free(body: &hcl::Body) -> Result<Value, String> {
    let mut members = Map::new();
    for attribute in body.attributes() {
        members.insert(attribute.key().to_owned(), value(attribute.expr())?);
    }
    for inner in body.blocks() {
        let list = members
            .entry(inner.identifier().to_owned())
            .or_insert_with(|| json!([]));
        let inner = free(inner.body())?;
        if let Some(list) = list.as_array_mut() {
            list.push(inner);
        }
    }
    Ok(Value::Object(members))
}

fn value(expression: &hcl::Expression) -> Result<Value, String> {
    Ok(match expression {
        hcl::Expression::Null => Value::Null,
        hcl::Expression::Bool(flag) => json!(flag),
        hcl::Expression::Number(number) => match number.as_i64() {
            Some(whole) => json!(whole),
            None => json!(number.as_f64()),
        },
        hcl::Expression::String(text) => json!(text),
        hcl::Expression::TemplateExpr(template) => {
            json!(template.to_string().trim_end_matches('\n'))
        }
        hcl::Expression::Array(items) => {
            Value::Array(items.iter().map(value).collect::<Result<_, _>>()?)
        }
        hcl::Expression::Object(members) => {
            let mut map = Map::new();
            for (key, inner) in members {
                map.insert(key.to_string().trim_matches('"').to_owned(), value(inner)?);
            }
            Value::Object(map)
        }
        other => return Err(format!("input.hcl: cannot evaluate {other:?} here")),
    })
}

/// Durations are nanoseconds in the JSON form.
fn duration(name: &str, value: Value) -> Value {
    const DURATIONS: &[&str] = &[
        "interval",
        "delay",
        "max_delay",
        "min_healthy_time",
        "healthy_deadline",
        "progress_deadline",
        "stagger",
        "kill_timeout",
        "timeout",
        "shutdown_delay",
        "splay",
        "ttl",
        "lost_after",
        "max_run_duration",
    ];
    match value
        .as_str()
        .filter(|_| DURATIONS.contains(&name))
        .and_then(parse_go)
    {
        Some(span) => json!(span),
        None => value,
    }
}
