//! Members of a job as Nomad knows them: how they are spelled, and what stands where one is absent.
//!
//! Go's JSON decoder matches names without regard to case, drops those it does not know and takes `null` for absent; the
//! answer spells every member and writes out zero values. Keys that users choose (`Meta`, `Env`, `Config`, names of
//! volumes) are left alone.

mod connect;

use serde_json::{Number, Value};

/// What a member holds.
pub(super) enum Kind {
    /// `""` when absent.
    Text,
    /// 0 when absent.
    Number,
    /// `false` when absent.
    Flag,
    /// `null` when absent.
    Optional,
    /// An object of its own; `null` when absent.
    Block(&'static Schema),
    /// An object that is always there.
    Present(&'static Schema),
    /// An object that is handed down to inner objects and not kept.
    HandedDown(&'static Schema),
    /// A list of objects; `null` when absent.
    Blocks(&'static Schema, Empty),
    /// Objects under names that users choose; `null` when absent.
    Named(&'static Schema, Empty),
    /// A list of texts; `null` when absent.
    Texts(Empty),
    /// A list of numbers; `null` when absent or empty.
    Numbers,
    /// Texts under keys that users choose; `null` when absent.
    Labels(Empty),
    /// Lists of texts under keys that users choose; `null` when absent.
    Headers,
    /// Anything; numbers are floats, as Go decodes them.
    Free(Empty),
}

/// What Nomad makes of a list or map without entries.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Empty {
    /// It becomes `null`.
    Null,
    /// It stays empty.
    Kept,
}

/// An object's members.
pub(super) struct Schema {
    pub(super) members: &'static [(&'static str, Kind)],
    /// Zero values are left out of the answer instead of written out.
    sparse: bool,
}

use Empty::{Kept, Null};
use Kind::{
    Block, Blocks, Flag, Free, HandedDown, Headers, Labels, Named, Number as Num, Optional, Text,
    Texts,
};

macro_rules! schema {
    ($see:vis $name:ident, $sparse:literal, $($member:literal: $kind:expr),* $(,)?) => {
        $see static $name: Schema = Schema { members: &[$(($member, $kind)),*], sparse: $sparse };
    };
}
use schema;

/// The job itself.
pub(super) static JOB: Schema = Schema {
    members: &[
        ("Affinities", Blocks(&AFFINITY, Null)),
        ("AllAtOnce", Flag),
        ("Constraints", Blocks(&CONSTRAINT, Null)),
        ("ConsulNamespace", Text),
        ("Datacenters", Texts(Null)),
        ("DispatchIdempotencyToken", Text),
        ("Dispatched", Flag),
        ("ID", Text),
        ("Meta", Labels(Null)),
        ("Migrate", HandedDown(&MIGRATE)),
        ("Multiregion", Block(&MULTIREGION)),
        ("Name", Text),
        ("Namespace", Text),
        ("NodePool", Text),
        ("NomadTokenID", Text),
        ("ParameterizedJob", Block(&PARAMETERIZED)),
        ("ParentID", Text),
        ("Payload", Optional),
        ("Periodic", Block(&PERIODIC)),
        ("Priority", Num),
        ("Region", Text),
        ("Reschedule", HandedDown(&RESCHEDULE)),
        ("Spreads", Blocks(&SPREAD, Null)),
        ("Stop", Flag),
        ("TaskGroups", Blocks(&GROUP, Null)),
        ("Type", Text),
        ("UI", Block(&UI)),
        ("Update", Block(&UPDATE)),
        ("VaultNamespace", Text),
        ("VersionTag", Block(&VERSION_TAG)),
    ],
    sparse: false,
};

schema!(GROUP, false,
    "Affinities": Blocks(&AFFINITY, Null), "Constraints": Blocks(&CONSTRAINT, Null), "Consul": Block(&CONSUL),
    "Count": Num, "Disconnect": Block(&DISCONNECT), "EphemeralDisk": Block(&DISK), "MaxClientDisconnect": Optional,
    "MaxRunDuration": Optional, "Meta": Labels(Null), "Migrate": Block(&MIGRATE), "Name": Text,
    "Networks": Blocks(&NETWORK, Null), "PreventRescheduleOnLost": Flag, "ReschedulePolicy": Block(&RESCHEDULE),
    "RestartPolicy": Block(&RESTART), "Scaling": Block(&SCALING), "Services": Blocks(&SERVICE, Null),
    "ShutdownDelay": Optional, "Spreads": Blocks(&SPREAD, Null), "StopAfterClientDisconnect": Optional,
    "Tasks": Blocks(&TASK, Null), "Update": Block(&UPDATE), "Volumes": Named(&VOLUME, Null),
);
schema!(TASK, false,
    "Actions": Blocks(&ACTION, Null), "Affinities": Blocks(&AFFINITY, Null), "Artifacts": Blocks(&ARTIFACT, Null),
    "CSIPluginConfig": Block(&CSI_PLUGIN), "Config": Free(Null), "Constraints": Blocks(&CONSTRAINT, Null),
    "Consul": Block(&CONSUL), "DispatchPayload": Block(&DISPATCH_PAYLOAD), "Driver": Text, "Env": Labels(Null),
    "Identities": Blocks(&IDENTITY, Kept), "Identity": Block(&IDENTITY), "KillSignal": Text, "KillTimeout": Num,
    "Kind": Text, "Leader": Flag, "Lifecycle": Block(&LIFECYCLE), "LogConfig": Block(&LOG_CONFIG),
    "Meta": Labels(Null), "Name": Text, "Resources": Block(&RESOURCES), "RestartPolicy": Block(&RESTART),
    "ScalingPolicies": Blocks(&SCALING, Null), "Schedule": Block(&SCHEDULE), "Secrets": Blocks(&SECRET, Null),
    "Services": Blocks(&SERVICE, Null), "ShutdownDelay": Num, "Templates": Blocks(&TEMPLATE, Null), "User": Text,
    "Vault": Block(&VAULT), "VolumeMounts": Blocks(&MOUNT, Null),
);
schema!(SERVICE, false,
    "Address": Text, "AddressMode": Text, "CanaryMeta": Labels(Null), "CanaryTags": Texts(Null),
    "CheckRestart": HandedDown(&CHECK_RESTART), "Checks": Blocks(&CHECK, Null), "Cluster": Text, "Connect": Block(&connect::CONNECT),
    "EnableTagOverride": Flag, "Identity": Block(&IDENTITY), "Kind": Text, "Meta": Labels(Null), "Name": Text,
    "Namespace": Text, "OnUpdate": Text, "PortLabel": Text, "Provider": Text, "TaggedAddresses": Labels(Null),
    "Tags": Texts(Null), "TaskName": Text, "Weights": Block(&WEIGHTS),
);
schema!(CHECK, false,
    "AddressMode": Text, "Args": Texts(Null), "Body": Text, "CheckRestart": Block(&CHECK_RESTART), "Command": Text,
    "Expose": Flag, "FailuresBeforeCritical": Num, "FailuresBeforeWarning": Num, "GRPCService": Text,
    "GRPCUseTLS": Flag, "Header": Headers, "InitialStatus": Text, "Interval": Num, "Method": Text, "Name": Text,
    "Notes": Text, "OnUpdate": Text, "Path": Text, "PortLabel": Text, "Protocol": Text, "SuccessBeforePassing": Num,
    "TLSServerName": Text, "TLSSkipVerify": Flag, "TaskName": Text, "Timeout": Num, "Type": Text,
);
schema!(NETWORK, true,
    "CIDR": Text, "CNI": Block(&CNI), "DNS": Block(&DNS), "DynamicPorts": Blocks(&PORT, Null), "Hostname": Text,
    "IP": Text, "MBits": Num, "Mode": Text, "ReservedPorts": Blocks(&PORT, Null),
);
schema!(PORT, true,
    "HostNetwork": Text, "IgnoreCollision": Flag, "Label": Text, "To": Num, "Value": Num,
);
schema!(TEMPLATE, false,
    "ChangeMode": Text, "ChangeScript": Block(&CHANGE_SCRIPT), "ChangeSignal": Text, "DestPath": Text,
    "EmbeddedTmpl": Text, "Envvars": Flag, "ErrMissingKey": Flag, "Gid": Optional, "LeftDelim": Text, "Once": Flag,
    "Perms": Text, "RightDelim": Text, "SourcePath": Text, "Splay": Num, "Uid": Optional, "VaultGrace": Num,
    "Wait": Block(&WAIT),
);
schema!(RESOURCES, false,
    "CPU": Num, "Cores": Num, "Devices": Blocks(&DEVICE, Null), "DiskMB": Num, "IOPS": Num, "MemoryMB": Num,
    "MemoryMaxMB": Num, "NUMA": Block(&NUMA), "Networks": Blocks(&NETWORK, Null), "SecretsMB": Num,
);
schema!(DEVICE, false,
    "Affinities": Blocks(&AFFINITY, Null), "Constraints": Blocks(&CONSTRAINT, Null), "Count": Num, "Name": Text,
);
schema!(VAULT, false,
    "AllowTokenExpiration": Flag, "ChangeMode": Text, "ChangeSignal": Text, "Cluster": Text, "DisableFile": Flag,
    "Env": Flag, "Namespace": Text, "Role": Text,
);
schema!(IDENTITY, false,
    "Audience": Texts(Kept), "ChangeMode": Text, "ChangeSignal": Text, "Env": Flag, "ExtraClaims": Texts(Kept),
    "File": Flag, "Filepath": Text, "Name": Text, "ServiceName": Text, "TTL": Num,
);
schema!(UPDATE, false,
    "AutoPromote": Flag, "AutoRevert": Flag, "Canary": Num, "HealthCheck": Text, "HealthyDeadline": Num,
    "MaxParallel": Num, "MinHealthyTime": Num, "ProgressDeadline": Num, "Stagger": Num,
);
schema!(RESCHEDULE, false,
    "Attempts": Num, "Delay": Num, "DelayFunction": Text, "Interval": Num, "MaxDelay": Num, "Unlimited": Flag,
);
schema!(SCALING, false,
    "CreateIndex": Num, "Enabled": Flag, "ID": Text, "Max": Num, "Min": Num, "ModifyIndex": Num,
    "Policy": Free(Kept), "Target": Labels(Kept), "Type": Text,
);
schema!(VOLUME, false,
    "AccessMode": Text, "AttachmentMode": Text, "MountOptions": Block(&MOUNT_OPTIONS), "Name": Text,
    "PerAlloc": Flag, "ReadOnly": Flag, "Source": Text, "Sticky": Flag, "Type": Text,
);
schema!(MOUNT, false,
    "Destination": Text, "PropagationMode": Text, "ReadOnly": Flag, "SELinuxLabel": Text, "Volume": Text,
);
schema!(ARTIFACT, false,
    "Chown": Flag, "GetterHeaders": Labels(Null), "GetterInsecure": Flag, "GetterMode": Text,
    "GetterOptions": Labels(Null), "GetterSource": Text, "RelativeDest": Text,
);
schema!(PERIODIC, false,
    "Enabled": Flag, "ProhibitOverlap": Flag, "Spec": Text, "SpecType": Text, "Specs": Texts(Kept), "TimeZone": Text,
);
schema!(CHANGE_SCRIPT, false,
    "Args": Texts(Kept), "Command": Text, "FailOnError": Flag, "RunOnFirstRender": Flag, "Timeout": Num,
);
schema!(CSI_PLUGIN, false,
    "HealthTimeout": Num, "ID": Text, "MountDir": Text, "StagePublishBaseDir": Text, "Type": Text,
);
schema!(RESTART, false,
    "Attempts": Num, "Delay": Num, "Interval": Num, "Mode": Text, "RenderTemplates": Flag,
);
schema!(MIGRATE, false,
    "HealthCheck": Text, "HealthyDeadline": Num, "MaxParallel": Num, "MinHealthyTime": Num,
);
schema!(DISCONNECT, false,
    "LostAfter": Num, "Reconcile": Text, "Replace": Optional, "StopOnClientAfter": Optional,
);
schema!(PARAMETERIZED, false, "MetaOptional": Texts(Kept), "MetaRequired": Texts(Kept), "Payload": Text);
schema!(SECRET, false,
    "Config": Free(Null), "Env": Labels(Null), "Name": Text, "Path": Text, "Provider": Text,
);
schema!(MULTIREGION, false, "Regions": Blocks(&REGION, Kept), "Strategy": Block(&REGION_STRATEGY));
schema!(REGION, false,
    "Count": Num, "Datacenters": Texts(Kept), "Meta": Labels(Kept), "Name": Text, "NodePool": Text,
);
schema!(REGION_STRATEGY, false, "MaxParallel": Num, "OnFailure": Text);
schema!(CONSTRAINT, false, "LTarget": Text, "Operand": Text, "RTarget": Text);
schema!(AFFINITY, false, "LTarget": Text, "Operand": Text, "RTarget": Text, "Weight": Num);
schema!(SPREAD, false, "Attribute": Text, "SpreadTarget": Blocks(&SPREAD_TARGET, Kept), "Weight": Num);
schema!(SPREAD_TARGET, false, "Percent": Num, "Value": Text);
schema!(CHECK_RESTART, false, "Grace": Num, "IgnoreWarnings": Flag, "Limit": Num);
schema!(SCHEDULE, false, "Cron": Block(&SCHEDULE_CRON));
schema!(SCHEDULE_CRON, false, "End": Text, "Start": Text, "Timezone": Text);
schema!(CONSUL, false, "Cluster": Text, "Namespace": Text, "Partition": Text);
schema!(DISK, false, "Migrate": Flag, "SizeMB": Num, "Sticky": Flag);
schema!(DNS, false, "Options": Texts(Kept), "Searches": Texts(Kept), "Servers": Texts(Kept));
schema!(LOG_CONFIG, false, "Disabled": Flag, "MaxFileSizeMB": Num, "MaxFiles": Num);
schema!(ACTION, false, "Args": Texts(Kept), "Command": Text, "Name": Text);
schema!(MOUNT_OPTIONS, false, "FSType": Text, "MountFlags": Texts(Kept));
schema!(NUMA, false, "Affinity": Text, "Devices": Texts(Null));
schema!(VERSION_TAG, false, "Description": Text, "Name": Text, "TaggedTime": Num);
schema!(WEIGHTS, false, "Passing": Num, "Warning": Num);
schema!(WAIT, false, "Max": Optional, "Min": Optional);
schema!(UI, false, "Description": Text, "Links": Blocks(&UI_LINK, Null));
schema!(UI_LINK, false, "Label": Text, "Url": Text);
schema!(LIFECYCLE, false, "Hook": Text, "Sidecar": Flag);
schema!(CNI, false, "Args": Labels(Kept));
schema!(DISPATCH_PAYLOAD, false, "File": Text);

impl Schema {
    pub(super) fn member(&self, name: &str) -> Option<&'static (&'static str, Kind)> {
        let exact = self.members.iter().find(|(known, _)| *known == name);
        exact.or_else(|| {
            let mut members = self.members.iter();
            members.find(|(known, _)| known.eq_ignore_ascii_case(name))
        })
    }
}

/// Spells members as Nomad does and drops those that it does not know or that are `null`.
pub(super) fn spell(value: &mut Value, schema: &Schema) {
    let Value::Object(members) = value else {
        return;
    };
    let odd: Vec<String> = members
        .iter()
        .filter(|(name, value)| {
            value.is_null() || schema.member(name).is_none_or(|(known, _)| known != name)
        })
        .map(|(name, _)| name.clone())
        .collect();
    for name in odd {
        let value = members.remove(&name);
        if let (Some(value), Some((known, _))) = (value, schema.member(&name))
            && !value.is_null()
            && !members.contains_key(*known)
        {
            members.insert((*known).to_owned(), value);
        }
    }
    for (name, value) in members.iter_mut() {
        if let Some((_, kind)) = schema.member(name) {
            spell_member(value, kind);
        }
    }
}

fn spell_member(value: &mut Value, kind: &Kind) {
    match (kind, value) {
        (Kind::Block(schema) | Kind::Present(schema) | Kind::HandedDown(schema), value) => {
            spell(value, schema)
        }
        (Kind::Blocks(schema, _), Value::Array(list)) => {
            list.iter_mut().for_each(|entry| spell(entry, schema));
        }
        (Kind::Named(schema, _), Value::Object(named)) => {
            named.values_mut().for_each(|entry| spell(entry, schema));
        }
        (Kind::Labels(_), Value::Object(labels)) => {
            for label in labels.values_mut().filter(|label| label.is_null()) {
                *label = Value::String(String::new());
            }
        }
        (Kind::Free(_), value) => floats(value),
        _ => {}
    }
}

/// Go decodes numbers of free-form values as 64 bit floats.
fn floats(value: &mut Value) {
    match value {
        Value::Number(number) if !number.is_f64() => {
            if let Some(float) = number.as_f64().and_then(Number::from_f64) {
                *number = float;
            }
        }
        Value::Array(list) => list.iter_mut().for_each(floats),
        Value::Object(members) => members.values_mut().for_each(floats),
        _ => {}
    }
}

/// Writes out what is absent and turns empty lists and maps into what Nomad makes of them.
pub(super) fn complete(value: &mut Value, schema: &Schema) {
    let Value::Object(members) = value else {
        return;
    };
    if schema.sparse {
        members.retain(|_, value| !is_zero(value));
    }
    for (name, kind) in schema.members {
        match members.get_mut(*name) {
            Some(value) => complete_member(value, kind),
            None if schema.sparse || matches!(kind, Kind::HandedDown(_)) => {}
            None => {
                members.insert((*name).to_owned(), kind.zero());
            }
        }
    }
}

fn complete_member(value: &mut Value, kind: &Kind) {
    match (kind, &mut *value) {
        (Kind::Block(schema) | Kind::Present(schema), value) => complete(value, schema),
        (Kind::Blocks(schema, _), Value::Array(list)) => {
            list.iter_mut().for_each(|entry| complete(entry, schema));
        }
        (Kind::Named(schema, _), Value::Object(named)) => {
            named.values_mut().for_each(|entry| complete(entry, schema));
        }
        (Kind::Headers, Value::Object(headers)) => {
            for header in headers.values_mut().filter(|header| is_empty(header)) {
                *header = Value::Null;
            }
        }
        _ => {}
    }
    if kind.empty() == Empty::Null && is_empty(value) {
        *value = Value::Null;
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Array(list) => list.is_empty(),
        Value::Object(members) => members.is_empty(),
        _ => false,
    }
}

/// Whether Go would leave it out of an answer that omits zero values.
fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        _ => false,
    }
}

impl Kind {
    fn zero(&self) -> Value {
        match self {
            Self::Text => Value::String(String::new()),
            Self::Number => Value::from(0),
            Self::Flag => Value::Bool(false),
            Self::Present(schema) => {
                let mut empty = Value::Object(serde_json::Map::new());
                complete(&mut empty, schema);
                empty
            }
            _ => Value::Null,
        }
    }

    fn empty(&self) -> Empty {
        match self {
            Self::Blocks(_, empty)
            | Self::Named(_, empty)
            | Self::Texts(empty)
            | Self::Labels(empty)
            | Self::Free(empty) => *empty,
            Self::Headers | Self::Numbers => Empty::Null,
            Self::Text
            | Self::Number
            | Self::Flag
            | Self::Optional
            | Self::Block(_)
            | Self::Present(_)
            | Self::HandedDown(_) => Empty::Kept,
        }
    }
}
