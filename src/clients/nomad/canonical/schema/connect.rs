//! Members of Consul's service mesh.
//!
//! Source: `structs.ConsulConnect` of Nomad.

use super::Empty::{Kept, Null};
use super::Kind::{
    Block, Blocks, Flag, Free, Labels, Named, Number as Num, Numbers, Optional, Present, Text,
    Texts,
};
use super::{IDENTITY, LOG_CONFIG, MOUNT, RESOURCES, Schema, schema};

schema!(pub(super) CONNECT, false,
    "Gateway": Block(&GATEWAY), "Native": Flag, "SidecarService": Block(&SIDECAR_SERVICE),
    "SidecarTask": Block(&SIDECAR_TASK),
);
schema!(SIDECAR_SERVICE, false,
    "DisableDefaultTCPCheck": Flag, "Meta": Labels(Null), "Port": Text, "Proxy": Block(&PROXY), "Tags": Texts(Null),
);
schema!(SIDECAR_TASK, false,
    "Config": Free(Null), "Driver": Text, "Env": Labels(Null), "Identities": Blocks(&IDENTITY, Null),
    "KillSignal": Text, "KillTimeout": Num, "LogConfig": Block(&LOG_CONFIG), "Meta": Labels(Null), "Name": Text,
    "Resources": Block(&RESOURCES), "ShutdownDelay": Num, "User": Text, "VolumeMounts": Blocks(&MOUNT, Null),
);
schema!(PROXY, false,
    "Config": Free(Null), "Expose": Block(&EXPOSE), "LocalServiceAddress": Text, "LocalServicePort": Num,
    "TransparentProxy": Block(&TRANSPARENT_PROXY), "Upstreams": Blocks(&UPSTREAM, Null),
);
schema!(EXPOSE, false, "Paths": Blocks(&EXPOSE_PATH, Null));
schema!(EXPOSE_PATH, false,
    "ListenerPort": Text, "LocalPathPort": Num, "Path": Text, "Protocol": Text,
);
schema!(TRANSPARENT_PROXY, false,
    "ExcludeInboundPorts": Texts(Null), "ExcludeOutboundCIDRs": Texts(Null), "ExcludeOutboundPorts": Numbers,
    "ExcludeUIDs": Texts(Null), "NoDNS": Flag, "OutboundPort": Num, "UID": Text,
);
schema!(UPSTREAM, false,
    "Config": Free(Null), "Datacenter": Text, "DestinationName": Text, "DestinationNamespace": Text,
    "DestinationPartition": Text, "DestinationPeer": Text, "DestinationType": Text, "LocalBindAddress": Text,
    "LocalBindPort": Num, "LocalBindSocketMode": Text, "LocalBindSocketPath": Text,
    "MeshGateway": Present(&MESH_GATEWAY),
);
schema!(MESH_GATEWAY, false, "Mode": Text);
schema!(GATEWAY, false,
    "Ingress": Block(&INGRESS), "Mesh": Block(&MESH), "Proxy": Block(&GATEWAY_PROXY), "Terminating": Block(&TERMINATING),
);
schema!(GATEWAY_PROXY, false,
    "Config": Free(Null), "ConnectTimeout": Optional, "EnvoyDNSDiscoveryType": Text,
    "EnvoyGatewayBindAddresses": Named(&BIND_ADDRESS, Null), "EnvoyGatewayBindTaggedAddresses": Flag,
    "EnvoyGatewayNoDefaultBind": Flag,
);
schema!(BIND_ADDRESS, false, "Address": Text, "Port": Num);
schema!(INGRESS, false, "Listeners": Blocks(&LISTENER, Null), "TLS": Block(&GATEWAY_TLS));
schema!(LISTENER, false, "Port": Num, "Protocol": Text, "Services": Blocks(&INGRESS_SERVICE, Null));
schema!(INGRESS_SERVICE, false,
    "Hosts": Texts(Null), "MaxConcurrentRequests": Optional, "MaxConnections": Optional,
    "MaxPendingRequests": Optional, "Name": Text, "RequestHeaders": Block(&HEADER_MODIFIERS),
    "ResponseHeaders": Block(&HEADER_MODIFIERS), "TLS": Block(&GATEWAY_TLS),
);
schema!(HEADER_MODIFIERS, false, "Add": Labels(Null), "Remove": Texts(Null), "Set": Labels(Null));
schema!(GATEWAY_TLS, false,
    "CipherSuites": Texts(Kept), "Enabled": Flag, "SDS": Block(&GATEWAY_SDS), "TLSMaxVersion": Text,
    "TLSMinVersion": Text,
);
schema!(GATEWAY_SDS, false, "CertResource": Text, "ClusterName": Text);
schema!(TERMINATING, false, "Services": Blocks(&LINKED_SERVICE, Null));
schema!(LINKED_SERVICE, false, "CAFile": Text, "CertFile": Text, "KeyFile": Text, "Name": Text, "SNI": Text);
// Nothing can be said about it.
schema!(MESH, false,);
