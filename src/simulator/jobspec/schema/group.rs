//! Groups, and what groups share with jobs and tasks.

use super::service::SERVICE;
use super::task::{SECRET, TASK, VAULT};
use super::{Argument, Block, Kind, Nested, block};

block! { GROUP, label "name" "Name",
    arguments {
        "count" => "Count" Whole null, "shutdown_delay" => "ShutdownDelay" Span,
        "max_run_duration" => "MaxRunDuration" Span,
        "stop_after_client_disconnect" => "StopAfterClientDisconnect" Span,
        "max_client_disconnect" => "MaxClientDisconnect" Span,
        "prevent_reschedule_on_lost" => "PreventRescheduleOnLost" Flag null,
    }
    blocks {
        "constraint" => "Constraints" Many(&CONSTRAINT), "affinity" => "Affinities" Many(&AFFINITY),
        "task" => "Tasks" Many(&TASK), "spread" => "Spreads" Many(&SPREAD), "volume" => "Volumes" Named(&VOLUME),
        "restart" => "RestartPolicy" One(&RESTART), "disconnect" => "Disconnect" One(&DISCONNECT),
        "reschedule" => "ReschedulePolicy" One(&RESCHEDULE),
        "ephemeral_disk" => "EphemeralDisk" One(&EPHEMERAL_DISK), "update" => "Update" One(&UPDATE),
        "migrate" => "Migrate" One(&MIGRATE), "network" => "Networks" Many(&NETWORK), "meta" => "Meta" Mapping,
        "service" => "Services" Many(&SERVICE), "scaling" => "Scaling" One(&SCALING),
        "consul" => "Consul" One(&CONSUL), "vault" => "@vault" One(&VAULT), "secret" => "@secrets" Many(&SECRET),
    }
}
block! { MIGRATE,
    arguments {
        "max_parallel" => "MaxParallel" Whole null, "health_check" => "HealthCheck" Text null,
        "min_healthy_time" => "MinHealthyTime" Span, "healthy_deadline" => "HealthyDeadline" Span,
    }
    blocks {}
}
block! { UPDATE,
    arguments {
        "stagger" => "Stagger" Span, "max_parallel" => "MaxParallel" Whole null, "health_check" => "HealthCheck" Text null,
        "min_healthy_time" => "MinHealthyTime" Span, "healthy_deadline" => "HealthyDeadline" Span,
        "progress_deadline" => "ProgressDeadline" Span, "canary" => "Canary" Whole null,
        "auto_revert" => "AutoRevert" Flag null, "auto_promote" => "AutoPromote" Flag null,
    }
    blocks {}
}
block! { EPHEMERAL_DISK,
    arguments {
        "sticky" => "Sticky" Flag null, "migrate" => "Migrate" Flag null, "size" => "SizeMB" Whole null,
    }
    blocks {}
}
block! { RESCHEDULE,
    arguments {
        "attempts" => "Attempts" Whole null, "interval" => "Interval" Span, "delay" => "Delay" Span,
        "delay_function" => "DelayFunction" Text null, "max_delay" => "MaxDelay" Span, "unlimited" => "Unlimited" Flag null,
    }
    blocks {}
}
block! { RESTART,
    arguments {
        "interval" => "Interval" Span, "attempts" => "Attempts" Whole null, "delay" => "Delay" Span,
        "mode" => "Mode" Text null, "render_templates" => "RenderTemplates" Flag null,
    }
    blocks {}
}
block! { DISCONNECT,
    arguments {
        "lost_after" => "LostAfter" Span, "stop_on_client_after" => "StopOnClientAfter" Span,
        "replace" => "Replace" Flag null, "reconcile" => "Reconcile" Text null,
    }
    blocks {}
}
block! { VOLUME, label "name" "Name",
    arguments {
        "type" => "Type" Text, "source" => "Source" Text, "read_only" => "ReadOnly" Flag, "sticky" => "Sticky" Flag,
        "access_mode" => "AccessMode" Text, "attachment_mode" => "AttachmentMode" Text,
        "per_alloc" => "PerAlloc" Flag,
    }
    blocks {
        "mount_options" => "MountOptions" One(&MOUNT_OPTIONS),
    }
}
block! { MOUNT_OPTIONS,
    arguments {
        "fs_type" => "FSType" Text, "mount_flags" => "MountFlags" Texts null,
    }
    blocks {}
}
block! { SCALING,
    arguments {
        "min" => "Min" Whole null, "max" => "Max" Whole null, "enabled" => "Enabled" Flag null, "type" => "Type" Text,
    }
    blocks {
        "policy" => "Policy" Free,
    }
}
block! { TASK_SCALING, label "name" "@name",
    arguments {
        "min" => "Min" Whole null, "max" => "Max" Whole null, "enabled" => "Enabled" Flag null, "type" => "Type" Text,
    }
    blocks {
        "policy" => "Policy" Free,
    }
}
block! { CONSUL,
    arguments {
        "namespace" => "Namespace" Text, "cluster" => "Cluster" Text, "partition" => "Partition" Text,
    }
    blocks {}
}
block! { SPREAD,
    arguments {
        "attribute" => "Attribute" Text, "weight" => "Weight" Small null,
    }
    blocks {
        "target" => "SpreadTarget" Many(&SPREAD_TARGET),
    }
}
block! { SPREAD_TARGET, label "" "Value",
    arguments {
        "percent" => "Percent" Byte,
    }
    blocks {}
}
block! { AFFINITY,
    arguments {
        "attribute" => "LTarget" Text null, "value" => "RTarget" Text null, "operator" => "Operand" Text null,
        "weight" => "Weight" Small null, "version" => "@version" Text null, "semver" => "@semver" Text null,
        "regexp" => "@regexp" Text null, "set_contains" => "@set_contains" Text null,
        "set_contains_all" => "@set_contains_all" Text null, "set_contains_any" => "@set_contains_any" Text null,
    }
    blocks {}
}
block! { CONSTRAINT,
    arguments {
        "attribute" => "LTarget" Text null, "value" => "RTarget" Text null, "operator" => "Operand" Text null,
        "distinct_property" => "@distinct_property" Text null, "distinct_hosts" => "@distinct_hosts" Flag null,
        "regexp" => "@regexp" Text null, "version" => "@version" Text null, "semver" => "@semver" Text null,
        "set_contains" => "@set_contains" Text null, "set_contains_all" => "@set_contains_all" Text null,
        "set_contains_any" => "@set_contains_any" Text null, "is_set" => "@is_set" Text null,
        "is_not_set" => "@is_not_set" Text null,
    }
    blocks {}
}
block! { NETWORK,
    arguments {
        "mode" => "Mode" Text, "device" => "Device" Text, "cidr" => "CIDR" Text, "ip" => "IP" Text,
        "hostname" => "Hostname" Text, "mbits" => "MBits" Whole null,
    }
    blocks {
        "dns" => "DNS" One(&DNS), "reserved_ports" => "ReservedPorts" Many(&PORT),
        "port" => "DynamicPorts" Many(&PORT), "cni" => "CNI" One(&CNI),
    }
}
block! { CNI,
    arguments {
        "args" => "Args" Labels null,
    }
    blocks {}
}
block! { PORT, label "" "Label",
    arguments {
        "static" => "Value" Whole, "to" => "To" Whole, "host_network" => "HostNetwork" Text,
        "ignore_collision" => "IgnoreCollision" Flag,
    }
    blocks {}
}
block! { DNS,
    arguments {
        "servers" => "Servers" Texts null, "searches" => "Searches" Texts null, "options" => "Options" Texts null,
    }
    blocks {}
}
