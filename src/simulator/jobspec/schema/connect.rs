//! Consul's service mesh.

use super::service::IDENTITY;
use super::task::{LOG_CONFIG, RESOURCES, VOLUME_MOUNT};
use super::{Argument, Block, Kind, Nested, block};

block! { CONNECT,
    arguments {
        "native" => "Native" Flag,
    }
    blocks {
        "gateway" => "Gateway" One(&GATEWAY), "sidecar_service" => "SidecarService" One(&SIDECAR_SERVICE),
        "sidecar_task" => "SidecarTask" One(&SIDECAR_TASK),
    }
}
block! { SIDECAR_TASK,
    arguments {
        "name" => "Name" Text, "driver" => "Driver" Text, "user" => "User" Text,
        "kill_timeout" => "KillTimeout" Span, "shutdown_delay" => "ShutdownDelay" Span,
        "kill_signal" => "KillSignal" Text,
    }
    blocks {
        "config" => "Config" Free, "env" => "Env" Labels, "resources" => "Resources" One(&RESOURCES),
        "meta" => "Meta" Labels, "logs" => "LogConfig" One(&LOG_CONFIG),
        "volume_mount" => "VolumeMounts" Many(&VOLUME_MOUNT), "identity" => "Identities" Many(&IDENTITY),
    }
}
block! { SIDECAR_SERVICE,
    arguments {
        "tags" => "Tags" Texts null, "port" => "Port" Text,
        "disable_default_tcp_check" => "DisableDefaultTCPCheck" Flag,
    }
    blocks {
        "proxy" => "Proxy" One(&PROXY), "meta" => "Meta" Labels,
    }
}
block! { PROXY,
    arguments {
        "local_service_address" => "LocalServiceAddress" Text, "local_service_port" => "LocalServicePort" Whole,
    }
    blocks {
        "expose" => "Expose" One(&EXPOSE), "upstreams" => "Upstreams" Many(&UPSTREAM),
        "transparent_proxy" => "TransparentProxy" One(&TRANSPARENT_PROXY), "config" => "Config" Free,
    }
}
block! { TRANSPARENT_PROXY,
    arguments {
        "uid" => "UID" Text, "outbound_port" => "OutboundPort" Port,
        "exclude_inbound_ports" => "ExcludeInboundPorts" Texts null,
        "exclude_outbound_ports" => "ExcludeOutboundPorts" Ports null,
        "exclude_outbound_cidrs" => "ExcludeOutboundCIDRs" Texts null, "exclude_uids" => "ExcludeUIDs" Texts null,
        "no_dns" => "NoDNS" Flag,
    }
    blocks {}
}
block! { UPSTREAM,
    arguments {
        "destination_name" => "DestinationName" Text, "destination_namespace" => "DestinationNamespace" Text,
        "destination_peer" => "DestinationPeer" Text, "destination_partition" => "DestinationPartition" Text,
        "destination_type" => "DestinationType" Text, "local_bind_port" => "LocalBindPort" Whole,
        "datacenter" => "Datacenter" Text, "local_bind_address" => "LocalBindAddress" Text,
        "local_bind_socket_path" => "LocalBindSocketPath" Text,
        "local_bind_socket_mode" => "LocalBindSocketMode" Text,
    }
    blocks {
        "mesh_gateway" => "MeshGateway" One(&MESH_GATEWAY), "config" => "Config" Free,
    }
}
block! { MESH_GATEWAY,
    arguments {
        "mode" => "Mode" Text,
    }
    blocks {}
}
block! { EXPOSE,
    arguments {}
    blocks {
        "path" => "Paths" Many(&EXPOSE_PATH),
    }
}
block! { EXPOSE_PATH,
    arguments {
        "path" => "Path" Text, "protocol" => "Protocol" Text, "local_path_port" => "LocalPathPort" Whole,
        "listener_port" => "ListenerPort" Text,
    }
    blocks {}
}
block! { GATEWAY,
    arguments {}
    blocks {
        "proxy" => "Proxy" One(&GATEWAY_PROXY), "ingress" => "Ingress" One(&INGRESS),
        "terminating" => "Terminating" One(&TERMINATING), "mesh" => "Mesh" One(&MESH),
    }
}
block! { MESH,
    arguments {}
    blocks {}
}
block! { TERMINATING,
    arguments {}
    blocks {
        "service" => "Services" Many(&LINKED_SERVICE),
    }
}
block! { LINKED_SERVICE,
    arguments {
        "name" => "Name" Text, "ca_file" => "CAFile" Text, "cert_file" => "CertFile" Text,
        "key_file" => "KeyFile" Text, "sni" => "SNI" Text,
    }
    blocks {}
}
block! { INGRESS,
    arguments {}
    blocks {
        "tls" => "TLS" One(&GATEWAY_TLS), "listener" => "Listeners" Many(&LISTENER),
    }
}
block! { LISTENER,
    arguments {
        "port" => "Port" Whole, "protocol" => "Protocol" Text,
    }
    blocks {
        "service" => "Services" Many(&INGRESS_SERVICE),
    }
}
block! { INGRESS_SERVICE,
    arguments {
        "name" => "Name" Text, "hosts" => "Hosts" Texts null, "max_connections" => "MaxConnections" Count null,
        "max_pending_requests" => "MaxPendingRequests" Count null,
        "max_concurrent_requests" => "MaxConcurrentRequests" Count null,
    }
    blocks {
        "tls" => "TLS" One(&GATEWAY_TLS), "request_headers" => "RequestHeaders" One(&HEADER_MODIFIERS),
        "response_headers" => "ResponseHeaders" One(&HEADER_MODIFIERS),
    }
}
block! { HEADER_MODIFIERS,
    arguments {
        "remove" => "Remove" Texts null,
    }
    blocks {
        "add" => "Add" Labels, "set" => "Set" Labels,
    }
}
block! { GATEWAY_TLS,
    arguments {
        "enabled" => "Enabled" Flag, "tls_min_version" => "TLSMinVersion" Text,
        "tls_max_version" => "TLSMaxVersion" Text, "cipher_suites" => "CipherSuites" Texts null,
    }
    blocks {
        "sds" => "SDS" One(&GATEWAY_SDS),
    }
}
block! { GATEWAY_SDS,
    arguments {
        "cluster_name" => "ClusterName" Text, "cert_resource" => "CertResource" Text,
    }
    blocks {}
}
block! { GATEWAY_PROXY,
    arguments {
        "connect_timeout" => "ConnectTimeout" Span,
        "envoy_gateway_bind_tagged_addresses" => "EnvoyGatewayBindTaggedAddresses" Flag,
        "envoy_gateway_no_default_bind" => "EnvoyGatewayNoDefaultBind" Flag,
        "envoy_dns_discovery_type" => "EnvoyDNSDiscoveryType" Text,
    }
    blocks {
        "envoy_gateway_bind_addresses" => "EnvoyGatewayBindAddresses" Named(&BIND_ADDRESS),
        "config" => "Config" Free,
    }
}
block! { BIND_ADDRESS, label "" "Name",
    arguments {
        "address" => "Address" Text, "port" => "Port" Whole,
    }
    blocks {}
}
