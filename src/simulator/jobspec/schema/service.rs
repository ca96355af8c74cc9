//! Services and their checks.

use super::connect::CONNECT;
use super::{Argument, Block, Kind, Nested, block};

block! { SERVICE,
    arguments {
        "name" => "Name" Text, "tags" => "Tags" Texts null, "canary_tags" => "CanaryTags" Texts null,
        "enable_tag_override" => "EnableTagOverride" Flag, "port" => "PortLabel" Text,
        "address_mode" => "AddressMode" Text, "address" => "Address" Text, "task" => "TaskName" Text,
        "on_update" => "OnUpdate" Text, "provider" => "Provider" Text, "cluster" => "Cluster" Text,
        "kind" => "Kind" Text,
    }
    blocks {
        "check" => "Checks" Many(&CHECK), "check_restart" => "CheckRestart" One(&CHECK_RESTART),
        "connect" => "Connect" One(&CONNECT), "meta" => "Meta" Labels, "canary_meta" => "CanaryMeta" Labels,
        "tagged_addresses" => "TaggedAddresses" Labels, "identity" => "Identity" One(&IDENTITY),
        "weights" => "Weights" One(&WEIGHTS),
    }
}
block! { WEIGHTS,
    arguments {
        "passing" => "Passing" Whole, "warning" => "Warning" Whole,
    }
    blocks {}
}
block! { CHECK,
    arguments {
        "name" => "Name" Text, "type" => "Type" Text, "command" => "Command" Text, "args" => "Args" Texts null,
        "path" => "Path" Text, "protocol" => "Protocol" Text, "port" => "PortLabel" Text, "expose" => "Expose" Flag,
        "address_mode" => "AddressMode" Text, "advertise" => "Advertise" Text, "interval" => "Interval" Span,
        "timeout" => "Timeout" Span, "initial_status" => "InitialStatus" Text, "notes" => "Notes" Text,
        "tls_server_name" => "TLSServerName" Text, "tls_skip_verify" => "TLSSkipVerify" Flag,
        "method" => "Method" Text, "grpc_service" => "GRPCService" Text, "grpc_use_tls" => "GRPCUseTLS" Flag,
        "task" => "TaskName" Text, "success_before_passing" => "SuccessBeforePassing" Whole,
        "failures_before_critical" => "FailuresBeforeCritical" Whole,
        "failures_before_warning" => "FailuresBeforeWarning" Whole, "body" => "Body" Text,
        "on_update" => "OnUpdate" Text,
    }
    blocks {
        "header" => "Header" Headers, "check_restart" => "CheckRestart" One(&CHECK_RESTART),
    }
}
block! { CHECK_RESTART,
    arguments {
        "limit" => "Limit" Whole, "grace" => "Grace" Span, "ignore_warnings" => "IgnoreWarnings" Flag,
    }
    blocks {}
}
block! { IDENTITY,
    arguments {
        "name" => "Name" Text, "aud" => "Audience" Texts null, "change_mode" => "ChangeMode" Text,
        "change_signal" => "ChangeSignal" Text, "env" => "Env" Flag, "file" => "File" Flag,
        "filepath" => "Filepath" Text, "service_name" => "ServiceName" Text, "ttl" => "TTL" Span,
        "extra_claims" => "ExtraClaims" Texts null,
    }
    blocks {}
}
