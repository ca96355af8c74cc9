//! The members of a job that Nomad knows, with their kinds: what is not listed here is dropped on the way in.
//!
//! Source: `nomad/structs` of Nomad 2.0.6-dev, seen through `GET /v1/job/:id`.

use serde_json::{Map, Value};

use super::json::any_case;

/// What a member holds.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    /// Text, `""` when absent.
    Text,
    /// Text or `null`.
    OptionalText,
    /// Whole number, 0 when absent.
    Int,
    /// Whole number or `null`.
    OptionalInt,
    /// Flag, false when absent.
    Flag,
    /// Flag or `null`.
    OptionalFlag,
    /// Text to text.
    TextMap,
    /// Texts.
    TextList,
    /// Kept as it is.
    Any,
    /// No longer read, always `null`.
    Removed,
    /// One object or `null`.
    Object(&'static [Field]),
    /// Objects.
    List(&'static [Field]),
    /// Objects whose empty members are left out.
    Sparse(&'static [Field]),
    /// Name to object.
    Named(&'static [Field]),
}

/// A member's name and kind.
pub(super) type Field = (&'static str, Kind);

use Kind::{
    Any, Flag, Int, List, Named, Object, OptionalFlag, OptionalInt, OptionalText, Removed, Sparse,
    Text, TextList, TextMap,
};

const CONSTRAINT: &[Field] = &[("LTarget", Text), ("RTarget", Text), ("Operand", Text)];
const AFFINITY: &[Field] = &[
    ("LTarget", Text),
    ("RTarget", Text),
    ("Operand", Text),
    ("Weight", Int),
];
const SPREAD: &[Field] = &[
    ("Attribute", Text),
    ("Weight", Int),
    ("SpreadTarget", List(&[("Value", Text), ("Percent", Int)])),
];
pub(super) const UPDATE: &[Field] = &[
    ("AutoPromote", Flag),
    ("AutoRevert", Flag),
    ("Canary", Int),
    ("HealthCheck", Text),
    ("HealthyDeadline", Int),
    ("MaxParallel", Int),
    ("MinHealthyTime", Int),
    ("ProgressDeadline", Int),
    ("Stagger", Int),
];
const RESTART: &[Field] = &[
    ("Attempts", Int),
    ("Delay", Int),
    ("Interval", Int),
    ("Mode", Text),
    ("RenderTemplates", Flag),
];
const PORT: &[Field] = &[
    ("Label", Text),
    ("Value", Int),
    ("To", Int),
    ("HostNetwork", Text),
    ("IgnoreCollision", Flag),
];
const NETWORK: &[Field] = &[
    ("Mode", Text),
    ("Device", Text),
    ("Hostname", Text),
    ("CIDR", Text),
    ("IP", Text),
    ("MBits", Int),
    (
        "DNS",
        Object(&[
            ("Servers", TextList),
            ("Searches", TextList),
            ("Options", TextList),
        ]),
    ),
    ("ReservedPorts", List(PORT)),
    ("DynamicPorts", List(PORT)),
    ("CNI", Object(&[("Args", TextMap)])),
];
const CHECK_RESTART: &[Field] = &[("Limit", Int), ("Grace", Int), ("IgnoreWarnings", Flag)];
const CHECK: &[Field] = &[
    ("Name", Text),
    ("Type", Text),
    ("Command", Text),
    ("Args", TextList),
    ("Path", Text),
    ("Protocol", Text),
    ("PortLabel", Text),
    ("Expose", Flag),
    ("AddressMode", Text),
    ("Interval", Int),
    ("Timeout", Int),
    ("InitialStatus", Text),
    ("Notes", Text),
    ("TLSServerName", Text),
    ("TLSSkipVerify", Flag),
    ("Method", Text),
    ("Header", Any),
    ("CheckRestart", Object(CHECK_RESTART)),
    ("GRPCService", Text),
    ("GRPCUseTLS", Flag),
    ("TaskName", Text),
    ("SuccessBeforePassing", Int),
    ("FailuresBeforeCritical", Int),
    ("FailuresBeforeWarning", Int),
    ("Body", Text),
    ("OnUpdate", Text),
];
const IDENTITY: &[Field] = &[
    ("Name", Text),
    ("Audience", TextList),
    ("ChangeMode", Text),
    ("ChangeSignal", Text),
    ("Env", Flag),
    ("ExtraClaims", TextList),
    ("File", Flag),
    ("Filepath", Text),
    ("ServiceName", Text),
    ("TTL", Int),
];
const SERVICE: &[Field] = &[
    ("Name", Text),
    ("TaskName", Text),
    ("PortLabel", Text),
    ("AddressMode", Text),
    ("Address", Text),
    ("EnableTagOverride", Flag),
    ("Tags", TextList),
    ("CanaryTags", TextList),
    ("Checks", List(CHECK)),
    // Written for the service, kept by its checks.
    ("CheckRestart", Object(CHECK_RESTART)),
    ("Connect", Any),
    ("Meta", TextMap),
    ("CanaryMeta", TextMap),
    ("TaggedAddresses", TextMap),
    ("Namespace", Text),
    ("OnUpdate", Text),
    ("Provider", Text),
    ("Cluster", Text),
    ("Identity", Object(IDENTITY)),
    ("Weights", Any),
    ("Kind", Text),
];
const RESOURCES: &[Field] = &[
    ("CPU", Int),
    ("Cores", Int),
    (
        "Devices",
        List(&[
            ("Name", Text),
            ("Count", Int),
            ("Constraints", List(CONSTRAINT)),
            ("Affinities", List(AFFINITY)),
        ]),
    ),
    ("DiskMB", Int),
    ("IOPS", Int),
    ("MemoryMB", Int),
    ("MemoryMaxMB", Int),
    ("NUMA", Any),
    ("Networks", Sparse(NETWORK)),
    ("SecretsMB", Int),
];
const SCALING: &[Field] = &[
    ("ID", Text),
    ("Type", Text),
    ("Target", TextMap),
    ("Policy", Any),
    ("Min", Int),
    ("Max", Int),
    ("Enabled", Flag),
    ("CreateIndex", Int),
    ("ModifyIndex", Int),
];
const TEMPLATE: &[Field] = &[
    ("SourcePath", Text),
    ("DestPath", Text),
    ("EmbeddedTmpl", Text),
    ("ChangeMode", Text),
    ("ChangeSignal", Text),
    ("ChangeScript", Any),
    ("Splay", Int),
    ("Perms", Text),
    ("Uid", OptionalInt),
    ("Gid", OptionalInt),
    ("LeftDelim", Text),
    ("RightDelim", Text),
    ("Envvars", Flag),
    ("VaultGrace", Int),
    ("Wait", Any),
    ("Once", Flag),
    ("ErrMissingKey", Flag),
];
const ARTIFACT: &[Field] = &[
    ("GetterSource", Text),
    ("GetterOptions", TextMap),
    ("GetterHeaders", TextMap),
    ("GetterMode", Text),
    ("GetterInsecure", Flag),
    ("RelativeDest", Text),
    ("Chown", Flag),
];
const VAULT: &[Field] = &[
    ("Role", Text),
    ("Policies", TextList),
    ("Namespace", Text),
    ("Cluster", Text),
    ("Env", Flag),
    ("DisableFile", Flag),
    ("ChangeMode", Text),
    ("ChangeSignal", Text),
    ("AllowTokenExpiration", Flag),
];
pub(super) const TASK: &[Field] = &[
    ("Name", Text),
    ("Driver", Text),
    ("User", Text),
    ("Config", Any),
    ("Env", TextMap),
    ("Services", List(SERVICE)),
    ("Vault", Object(VAULT)),
    ("Consul", Any),
    ("Templates", List(TEMPLATE)),
    ("Constraints", List(CONSTRAINT)),
    ("Affinities", List(AFFINITY)),
    ("Resources", Object(RESOURCES)),
    ("RestartPolicy", Object(RESTART)),
    ("DispatchPayload", Object(&[("File", Text)])),
    ("Lifecycle", Object(&[("Hook", Text), ("Sidecar", Flag)])),
    ("Meta", TextMap),
    ("KillTimeout", Int),
    (
        "LogConfig",
        Object(&[
            ("MaxFiles", Int),
            ("MaxFileSizeMB", Int),
            ("Disabled", Flag),
        ]),
    ),
    ("Artifacts", List(ARTIFACT)),
    ("Leader", Flag),
    ("ShutdownDelay", Int),
    (
        "VolumeMounts",
        List(&[
            ("Volume", Text),
            ("Destination", Text),
            ("ReadOnly", Flag),
            ("PropagationMode", Text),
            ("SELinuxLabel", Text),
        ]),
    ),
    ("ScalingPolicies", List(SCALING)),
    ("KillSignal", Text),
    ("Kind", Text),
    ("CSIPluginConfig", Any),
    ("Identity", Object(IDENTITY)),
    ("Identities", List(IDENTITY)),
    ("Actions", Any),
    ("Schedule", Any),
    ("Secrets", Any),
];
const VOLUME: &[Field] = &[
    ("Name", Text),
    ("Type", Text),
    ("Source", Text),
    ("ReadOnly", Flag),
    ("Sticky", Flag),
    ("AccessMode", Text),
    ("AttachmentMode", Text),
    (
        "MountOptions",
        Object(&[("FSType", Text), ("MountFlags", TextList)]),
    ),
    ("PerAlloc", Flag),
];
const MIGRATE: &[Field] = &[
    ("HealthCheck", Text),
    ("HealthyDeadline", Int),
    ("MaxParallel", Int),
    ("MinHealthyTime", Int),
];
const RESCHEDULE: &[Field] = &[
    ("Attempts", Int),
    ("Delay", Int),
    ("DelayFunction", Text),
    ("Interval", Int),
    ("MaxDelay", Int),
    ("Unlimited", Flag),
];
pub(super) const GROUP: &[Field] = &[
    ("Name", Text),
    ("Count", OptionalInt),
    ("Constraints", List(CONSTRAINT)),
    ("Affinities", List(AFFINITY)),
    ("Spreads", List(SPREAD)),
    ("Scaling", Object(SCALING)),
    ("RestartPolicy", Object(RESTART)),
    ("ReschedulePolicy", Object(RESCHEDULE)),
    ("Tasks", List(TASK)),
    (
        "EphemeralDisk",
        Object(&[("Migrate", Flag), ("SizeMB", Int), ("Sticky", Flag)]),
    ),
    ("Meta", TextMap),
    ("Migrate", Object(MIGRATE)),
    ("Update", Object(UPDATE)),
    ("Networks", Sparse(NETWORK)),
    ("Services", List(SERVICE)),
    ("Volumes", Named(VOLUME)),
    ("ShutdownDelay", OptionalInt),
    ("StopAfterClientDisconnect", Removed),
    ("MaxClientDisconnect", Removed),
    ("PreventRescheduleOnLost", Flag),
    (
        "Disconnect",
        Object(&[
            ("LostAfter", Int),
            ("Replace", OptionalFlag),
            ("Reconcile", Text),
            ("StopOnClientAfter", OptionalInt),
        ]),
    ),
    ("Consul", Any),
    ("MaxRunDuration", OptionalInt),
];
/// A job, without the members that only the server writes.
pub(super) const JOB: &[Field] = &[
    ("Region", Text),
    ("Namespace", Text),
    ("ID", Text),
    ("Name", Text),
    ("Type", Text),
    ("Priority", Int),
    ("AllAtOnce", Flag),
    ("Datacenters", TextList),
    ("NodePool", Text),
    ("Constraints", List(CONSTRAINT)),
    ("Affinities", List(AFFINITY)),
    ("Spreads", List(SPREAD)),
    ("TaskGroups", List(GROUP)),
    ("Update", Object(UPDATE)),
    // Written for the job, kept by its groups.
    ("Migrate", Object(MIGRATE)),
    ("Reschedule", Object(RESCHEDULE)),
    ("Multiregion", Any),
    (
        "Periodic",
        Object(&[
            ("Enabled", OptionalFlag),
            ("Spec", Text),
            ("Specs", TextList),
            ("SpecType", Text),
            ("ProhibitOverlap", Flag),
            ("TimeZone", Text),
        ]),
    ),
    (
        "ParameterizedJob",
        Object(&[
            ("Payload", Text),
            ("MetaRequired", TextList),
            ("MetaOptional", TextList),
        ]),
    ),
    ("Payload", OptionalText),
    ("Meta", TextMap),
    ("ConsulNamespace", Text),
    ("VaultNamespace", Text),
    (
        "UI",
        Object(&[
            ("Description", Text),
            ("Links", List(&[("Label", Text), ("Url", Text)])),
        ]),
    ),
    ("Stop", Flag),
    ("VersionTag", Any),
];

/// Keeps what Nomad knows, in Nomad's spelling; refuses a value of the wrong kind as Go's decoder would.
///
/// # Errors
/// The decoder's sentence, e.g. for `"KillTimeout": "10s"`.
pub(super) fn decode(value: &Value, fields: &'static [Field], at: &str) -> Result<Value, String> {
    let Some(members) = value.as_object() else {
        return Err(mismatch(value, at, "struct"));
    };
    let mut kept = Map::new();
    for (name, kind) in fields {
        let Some(member) = any_case(value, name).filter(|_| !matches!(kind, Removed)) else {
            continue;
        };
        let path = format!("{at}.{name}");
        kept.insert((*name).to_owned(), decode_member(member, *kind, &path)?);
    }
    debug_assert!(members.len() >= kept.len());
    Ok(Value::Object(kept))
}

fn decode_member(value: &Value, kind: Kind, at: &str) -> Result<Value, String> {
    if value.is_null() {
        return Ok(Value::Null);
    }
    let (fits, wanted) = match kind {
        Text | OptionalText => (value.is_string(), "string"),
        Int | OptionalInt => (is_whole(value), "int64"),
        Flag | OptionalFlag => (value.is_boolean(), "bool"),
        TextMap => (
            value
                .as_object()
                .is_some_and(|map| map.values().all(|text| text.is_string() || text.is_null())),
            "map[string]string",
        ),
        TextList => (
            value
                .as_array()
                .is_some_and(|list| list.iter().all(Value::is_string)),
            "[]string",
        ),
        Any | Removed => (true, ""),
        Object(fields) => return decode(value, fields, at),
        List(fields) | Sparse(fields) => return decode_list(value, fields, at),
        Named(fields) => return decode_named(value, fields, at),
    };
    if fits {
        Ok(value.clone())
    } else {
        Err(mismatch(value, at, wanted))
    }
}

fn decode_list(value: &Value, fields: &'static [Field], at: &str) -> Result<Value, String> {
    let Some(items) = value.as_array() else {
        return Err(mismatch(value, at, "slice"));
    };
    let items: Result<Vec<_>, _> = items.iter().map(|item| decode(item, fields, at)).collect();
    Ok(Value::Array(items?))
}

fn decode_named(value: &Value, fields: &'static [Field], at: &str) -> Result<Value, String> {
    let Some(items) = value.as_object() else {
        return Err(mismatch(value, at, "map"));
    };
    let mut kept = Map::new();
    for (name, item) in items {
        kept.insert(name.clone(), decode(item, fields, at)?);
    }
    Ok(Value::Object(kept))
}

/// Go takes `1` for a whole number, and not `1.0`.
fn is_whole(value: &Value) -> bool {
    value.is_i64() || value.is_u64()
}

fn mismatch(value: &Value, at: &str, wanted: &str) -> String {
    if let Value::Number(number) = value
        && wanted == "int64"
    {
        return format!(
            "json: cannot unmarshal number {number} into Go struct field {at} of type {wanted}"
        );
    }
    let found = match value {
        Value::String(_) => "string",
        Value::Number(_) => "number",
        Value::Bool(_) => "bool",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
        Value::Null => "null",
    };
    format!("json: cannot unmarshal {found} into Go struct field {at} of type {wanted}")
}
