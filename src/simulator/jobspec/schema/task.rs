//! Tasks.

use super::group::{AFFINITY, CONSTRAINT, CONSUL, NETWORK, RESTART, TASK_SCALING};
use super::service::{IDENTITY, SERVICE};
use super::{Argument, Block, Kind, Nested, block};

block! { TASK, label "name" "Name",
    arguments {
        "driver" => "Driver" Text, "user" => "User" Text, "kill_timeout" => "KillTimeout" Span,
        "leader" => "Leader" Flag, "shutdown_delay" => "ShutdownDelay" Span, "kill_signal" => "KillSignal" Text,
        "kind" => "Kind" Text,
    }
    blocks {
        "lifecycle" => "Lifecycle" One(&LIFECYCLE), "config" => "Config" Free,
        "constraint" => "Constraints" Many(&CONSTRAINT), "affinity" => "Affinities" Many(&AFFINITY),
        "env" => "Env" Mapping, "service" => "Services" Many(&SERVICE), "resources" => "Resources" One(&RESOURCES),
        "restart" => "RestartPolicy" One(&RESTART), "meta" => "Meta" Mapping, "logs" => "LogConfig" One(&LOG_CONFIG),
        "artifact" => "Artifacts" Many(&ARTIFACT), "vault" => "Vault" One(&VAULT),
        "consul" => "Consul" One(&CONSUL), "template" => "Templates" Many(&TEMPLATE),
        "dispatch_payload" => "DispatchPayload" One(&DISPATCH_PAYLOAD),
        "volume_mount" => "VolumeMounts" Many(&VOLUME_MOUNT), "csi_plugin" => "CSIPluginConfig" One(&CSI_PLUGIN),
        "scaling" => "ScalingPolicies" Many(&TASK_SCALING), "secret" => "Secrets" Many(&SECRET),
        "identity" => "Identities" Many(&IDENTITY), "action" => "Actions" Many(&ACTION),
        "schedule" => "Schedule" One(&SCHEDULE),
    }
}
block! { LIFECYCLE, required ["hook"],
    arguments {
        "hook" => "Hook" Text, "sidecar" => "Sidecar" Flag,
    }
    blocks {}
}
block! { SCHEDULE,
    arguments {}
    blocks {
        "cron" => "Cron" One(&SCHEDULE_CRON),
    }
}
block! { SCHEDULE_CRON,
    arguments {
        "start" => "Start" Text, "end" => "End" Text, "timezone" => "Timezone" Text,
    }
    blocks {}
}
block! { ACTION, label "name" "Name", required ["command"],
    arguments {
        "command" => "Command" Text, "args" => "Args" Texts null,
    }
    blocks {}
}
block! { SECRET, label "name" "Name",
    arguments {
        "provider" => "Provider" Text, "path" => "Path" Text,
    }
    blocks {
        "config" => "Config" Free, "env" => "Env" Labels,
    }
}
block! { CSI_PLUGIN,
    arguments {
        "id" => "ID" Text, "type" => "Type" Text, "mount_dir" => "MountDir" Text,
        "stage_publish_base_dir" => "StagePublishBaseDir" Text, "health_timeout" => "HealthTimeout" Span,
    }
    blocks {}
}
block! { DISPATCH_PAYLOAD,
    arguments {
        "file" => "File" Text,
    }
    blocks {}
}
block! { TEMPLATE,
    arguments {
        "source" => "SourcePath" Text null, "destination" => "DestPath" Text null, "data" => "EmbeddedTmpl" Text null,
        "change_mode" => "ChangeMode" Text null, "change_signal" => "ChangeSignal" Text null, "once" => "Once" Flag null,
        "splay" => "Splay" Span, "perms" => "Perms" Text null, "uid" => "Uid" Whole null, "gid" => "Gid" Whole null,
        "left_delimiter" => "LeftDelim" Text null, "right_delimiter" => "RightDelim" Text null, "env" => "Envvars" Flag null,
        "vault_grace" => "VaultGrace" Span, "error_on_missing_key" => "ErrMissingKey" Flag null,
    }
    blocks {
        "change_script" => "ChangeScript" One(&CHANGE_SCRIPT), "wait" => "Wait" One(&WAIT),
    }
}
block! { WAIT, required ["min", "max"],
    arguments {
        "min" => "Min" Span, "max" => "Max" Span,
    }
    blocks {}
}
block! { CHANGE_SCRIPT, required ["command", "fail_on_error"],
    arguments {
        "command" => "Command" Text null, "args" => "Args" Texts null, "timeout" => "Timeout" Span,
        "fail_on_error" => "FailOnError" Flag null, "run_on_first_render" => "RunOnFirstRender" Flag null,
    }
    blocks {}
}
block! { VAULT,
    arguments {
        "policies" => "Policies" Texts null, "role" => "Role" Text, "namespace" => "Namespace" Text null,
        "cluster" => "Cluster" Text, "env" => "Env" Flag null, "disable_file" => "DisableFile" Flag null,
        "change_mode" => "ChangeMode" Text null, "change_signal" => "ChangeSignal" Text null,
        "allow_token_expiration" => "AllowTokenExpiration" Flag null,
    }
    blocks {}
}
block! { ARTIFACT,
    arguments {
        "source" => "GetterSource" Text null, "mode" => "GetterMode" Text null, "insecure" => "GetterInsecure" Flag null,
        "destination" => "RelativeDest" Text null, "chown" => "Chown" Flag,
    }
    blocks {
        "options" => "GetterOptions" Labels, "headers" => "GetterHeaders" Labels,
    }
}
block! { VOLUME_MOUNT,
    arguments {
        "volume" => "Volume" Text null, "destination" => "Destination" Text null, "read_only" => "ReadOnly" Flag null,
        "propagation_mode" => "PropagationMode" Text null, "selinux_label" => "SELinuxLabel" Text null,
    }
    blocks {}
}
block! { LOG_CONFIG,
    arguments {
        "max_files" => "MaxFiles" Whole null, "max_file_size" => "MaxFileSizeMB" Whole null, "enabled" => "Enabled" Flag null,
        "disabled" => "Disabled" Flag null,
    }
    blocks {}
}
block! { RESOURCES,
    arguments {
        "cpu" => "CPU" Whole null, "cores" => "Cores" Whole null, "memory" => "MemoryMB" Whole null,
        "memory_max" => "MemoryMaxMB" Whole null, "disk" => "DiskMB" Whole null, "secrets" => "SecretsMB" Whole null,
        "iops" => "IOPS" Whole null,
    }
    blocks {
        "network" => "Networks" Many(&NETWORK), "device" => "Devices" Many(&DEVICE), "numa" => "NUMA" One(&NUMA),
    }
}
block! { NUMA,
    arguments {
        "affinity" => "Affinity" Text, "devices" => "Devices" Texts null,
    }
    blocks {}
}
block! { DEVICE, label "" "Name",
    arguments {
        "count" => "Count" Count null,
    }
    blocks {
        "constraint" => "Constraints" Many(&CONSTRAINT), "affinity" => "Affinities" Many(&AFFINITY),
    }
}
