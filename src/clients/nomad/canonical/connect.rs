//! What Nomad makes of a group whose services are in Consul's mesh: names, ports, kinds of tasks, proxies of gateways.
//!
//! The tasks that it adds are not made here. Their images and arguments change with Nomad's version, so the comparator
//! leaves them alone, and the simulator adds its own. Ports and paths that Nomad generates for checks with `expose`
//! carry a digest in their names: they are taken out, so that a job has one canonical form with and without them.
//!
//! Source: `jobConnectHook`, `jobExposeCheckHook` of Nomad.

use serde_json::{Map, Value, json};

use super::job::Inherited;
use super::{
    Object, SECOND, block, block_or_new, blocks, blocks_mut, default, default_text, number,
    task as tasks, text,
};

/// The role of a service in the mesh.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// A proxy runs beside the service.
    Sidecar,
    /// The task speaks for itself.
    Native,
    /// The way into the mesh.
    Ingress,
    /// The way out of it.
    Terminating,
    /// The way to another one.
    Mesh,
}

impl Role {
    /// Of a service, in whatever form; nothing when it is not in the mesh.
    pub(crate) fn of(service: &Object) -> Option<Self> {
        let connect = service.get("Connect")?.as_object()?;
        let is = |owner: &Object, member| owner.get(member).is_some_and(Value::is_object);
        if is(connect, "SidecarService") {
            return Some(Self::Sidecar);
        }
        if connect.get("Native") == Some(&Value::Bool(true)) {
            return Some(Self::Native);
        }
        let gateway = connect.get("Gateway")?.as_object()?;
        let roles = [
            ("Ingress", Self::Ingress),
            ("Terminating", Self::Terminating),
            ("Mesh", Self::Mesh),
        ];
        let found = roles.into_iter().find(|(member, _)| is(gateway, member));
        found.map(|(_, role)| role)
    }

    /// What the names of its task and ports, and the kind of its task, begin with.
    pub(crate) const fn prefix(self) -> &'static str {
        match self {
            Self::Sidecar => "connect-proxy",
            Self::Native => "connect-native",
            Self::Ingress => "connect-ingress",
            Self::Terminating => "connect-terminating",
            Self::Mesh => "connect-mesh",
        }
    }
}

pub(super) fn fill(group: &mut Object, job: &Inherited) {
    for service in blocks_mut(group, "Services") {
        defaults(service);
    }
    let Some(mode) = blocks(group, "Networks")
        .next()
        .map(|network| text(network, "Mode").to_owned())
    else {
        // Nomad refuses such a group later.
        return;
    };
    let names = names(group, job);
    let mut ports = Vec::new();
    let mut natives = Vec::new();
    let only_task = only_task(group);
    for service in blocks_mut(group, "Services") {
        let Some(role) = Role::of(service) else {
            continue;
        };
        if role == Role::Native {
            default_text(
                service,
                "TaskName",
                only_task.as_deref().unwrap_or_default(),
            );
            let kind = format!("{}:{}", role.prefix(), text(service, "Name"));
            natives.push((text(service, "TaskName").to_owned(), kind));
            continue;
        }
        let name = resolved(text(service, "Name"), &names);
        service.insert("Name".to_owned(), json!(name));
        ports.extend(port(service, role, &name));
        if role != Role::Sidecar {
            gateway_proxy(service, &mode);
        }
    }
    for label in ports {
        add_port(group, &label);
    }
    for (task, kind) in natives {
        let mut tasks = blocks_mut(group, "Tasks");
        if let Some(task) = tasks.find(|other| text(other, "Name") == task) {
            task.insert("Kind".to_owned(), json!(kind));
        }
    }
    forget_exposed(group);
}

fn only_task(group: &Object) -> Option<String> {
    let mut tasks = blocks(group, "Tasks");
    let first = text(tasks.next()?, "Name").to_owned();
    tasks.next().is_none().then_some(first)
}

fn defaults(service: &mut Object) {
    let Some(connect) = block(service, "Connect") else {
        return;
    };
    if let Some(task) = block(connect, "SidecarTask") {
        tasks::resources(task);
        tasks::logs(task);
        default(task, "KillTimeout", 5 * SECOND);
        tasks::mounts(task);
    }
    let Some(gateway) = block(connect, "Gateway") else {
        return;
    };
    if let Some(proxy) = block(gateway, "Proxy") {
        default(proxy, "ConnectTimeout", 5 * SECOND);
        if let Some(addresses) = block(proxy, "EnvoyGatewayBindAddresses") {
            // The name is the key.
            addresses
                .values_mut()
                .filter_map(Value::as_object_mut)
                .for_each(|address| {
                    address.remove("Name");
                });
        }
    }
    if let Some(ingress) = block(gateway, "Ingress") {
        for listener in blocks_mut(ingress, "Listeners") {
            default_text(listener, "Protocol", "tcp");
        }
    }
}

/// What can be said of an allocation before there is one.
fn names(group: &Object, job: &Inherited) -> Vec<(String, String)> {
    let mut names: Vec<(String, String)> = [
        ("NOMAD_JOB_ID", job.id.as_str()),
        ("NOMAD_JOB_NAME", &job.name),
        ("NOMAD_GROUP_NAME", text(group, "Name")),
        ("NOMAD_REGION", &job.region),
        ("NOMAD_ALLOC_INDEX", "0"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    let own = group.get("Meta").and_then(Value::as_object);
    for (key, value) in own.into_iter().chain([&job.meta]).flatten() {
        let value = value.as_str().unwrap_or_default().to_owned();
        names.push((format!("NOMAD_META_{key}"), value.clone()));
        names.push((format!("NOMAD_META_{}", key.to_uppercase()), value));
    }
    names
}

/// The first of several values of a name counts.
fn resolved(name: &str, names: &[(String, String)]) -> String {
    if !name.contains("${") {
        return name.to_owned();
    }
    names.iter().fold(name.to_owned(), |name, (known, value)| {
        name.replace(&format!("${{{known}}}"), value)
    })
}

/// The port that Nomad adds for a service.
fn port(service: &mut Object, role: Role, name: &str) -> Option<String> {
    let prefix = role.prefix();
    match role {
        Role::Sidecar => {
            let sidecar = service.get("Connect")?.get("SidecarService")?;
            match sidecar.get("Port").and_then(Value::as_str) {
                None | Some("") => Some(format!("{prefix}-{name}")),
                Some(port) => Some(port.to_owned()),
            }
        }
        Role::Terminating => {
            let label = format!("{prefix}-{name}");
            let own = text(service, "PortLabel");
            (own.is_empty() || own == label).then(|| {
                service.insert("PortLabel".to_owned(), json!(label));
                label
            })
        }
        Role::Mesh => Some(format!("{prefix}-{name}-lan")),
        Role::Ingress | Role::Native => None,
    }
}

fn add_port(group: &mut Object, label: &str) {
    let Some(network) = blocks_mut(group, "Networks").next() else {
        return;
    };
    if blocks(network, "DynamicPorts").any(|port| text(port, "Label") == label) {
        return;
    }
    default(network, "DynamicPorts", json!([]));
    if let Some(Value::Array(ports)) = network.get_mut("DynamicPorts") {
        ports.push(json!({"Label": label, "To": -1, "HostNetwork": "default"}));
    }
}

/// A proxy about whose addresses nothing is said gets those that go with the network.
fn gateway_proxy(service: &mut Object, mode: &str) {
    let gateway = block(service, "Connect").and_then(|connect| block(connect, "Gateway"));
    let Some(gateway) = gateway else {
        return;
    };
    let addresses = bind_addresses(gateway);
    let Some(proxy) = block_or_new(gateway, "Proxy") else {
        return;
    };
    let is_set = |member| proxy.get(member) == Some(&Value::Bool(true));
    let own = proxy
        .get("EnvoyGatewayBindAddresses")
        .and_then(Value::as_object);
    let is_custom = is_set("EnvoyGatewayNoDefaultBind")
        || is_set("EnvoyGatewayBindTaggedAddresses")
        || own.is_some_and(|own| !own.is_empty());
    if is_custom {
        return;
    }
    default(proxy, "ConnectTimeout", 5 * SECOND);
    if mode == "bridge" || mode.starts_with("cni/") {
        proxy.insert("EnvoyGatewayNoDefaultBind".to_owned(), true.into());
        proxy.insert("EnvoyGatewayBindAddresses".to_owned(), addresses);
    }
}

/// Ports that are chosen later are −1.
fn bind_addresses(gateway: &Object) -> Value {
    let any = |port: Value| json!({"Address": "0.0.0.0", "Port": port});
    if let Some(ingress) = gateway.get("Ingress").and_then(Value::as_object) {
        let mut addresses = Map::new();
        for listener in blocks(ingress, "Listeners") {
            let port = number(listener, "Port").unwrap_or_default();
            for service in blocks(listener, "Services") {
                addresses.insert(text(service, "Name").to_owned(), any(port.into()));
            }
        }
        return Value::Object(addresses);
    }
    if gateway.get("Terminating").is_some_and(Value::is_object) {
        return json!({"default": any((-1).into())});
    }
    json!({"wan": any((-1).into()), "lan": any((-1).into())})
}

/// Takes out what Nomad generates for checks that are exposed: a port where the check names none, and the proxy's path.
fn forget_exposed(group: &mut Object) {
    let mut generated = Vec::new();
    for service in blocks_mut(group, "Services") {
        if Role::of(service) != Some(Role::Sidecar) {
            continue;
        }
        let start = format!("svc_{}_ck_", text(service, "Name"));
        let mut paths = Vec::new();
        for check in blocks_mut(service, "Checks") {
            if check.get("Expose") != Some(&Value::Bool(true)) {
                continue;
            }
            let port = text(check, "PortLabel").to_owned();
            paths.push([text(check, "Path"), text(check, "Protocol"), &port].map(str::to_owned));
            if port.starts_with(&start) {
                check.remove("PortLabel");
                generated.push(port);
            }
        }
        if !paths.is_empty() {
            forget_paths(service, &paths);
        }
    }
    if generated.is_empty() {
        return;
    }
    for network in blocks_mut(group, "Networks") {
        if let Some(Value::Array(ports)) = network.get_mut("DynamicPorts") {
            ports.retain(|port| {
                let label = port.get("Label").and_then(Value::as_str);
                !generated.iter().any(|gone| Some(gone.as_str()) == label)
            });
        }
    }
}

/// Nomad makes the proxy for the paths' sake; without them it says nothing.
fn forget_paths(service: &mut Object, gone: &[[String; 3]]) {
    let sidecar = block(service, "Connect").and_then(|connect| block(connect, "SidecarService"));
    let Some(sidecar) = sidecar else {
        return;
    };
    let Some(proxy) = block(sidecar, "Proxy") else {
        return;
    };
    if let Some(expose) = block(proxy, "Expose") {
        if let Some(Value::Array(paths)) = expose.get_mut("Paths") {
            paths.retain(|path| {
                let own = ["Path", "Protocol", "ListenerPort"]
                    .map(|member| path.get(member).and_then(Value::as_str).unwrap_or_default());
                !gone.iter().any(|gone| *gone == own)
            });
        }
        let paths = expose.get("Paths").and_then(Value::as_array);
        if paths.is_none_or(Vec::is_empty) {
            proxy.remove("Expose");
        }
    }
    let says_nothing = |value: &Value| match value {
        Value::Null => true,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Bool(flag) => !flag,
    };
    if proxy.values().all(says_nothing) {
        sidecar.remove("Proxy");
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::canonicalize;

    fn canonical(network: &Value, service: &Value) -> Value {
        let mut job = json!({
            "ID": "shop",
            "Meta": {"tier": "front"},
            "TaskGroups": [{
                "Name": "web",
                "Networks": [network],
                "Services": [service],
                "Tasks": [{"Name": "app", "Driver": "docker"}],
            }],
        });
        canonicalize(&mut job, "global");
        let once = job.clone();
        canonicalize(&mut job, "global");
        assert_eq!(job, once);
        job["TaskGroups"][0].take()
    }

    fn labels(group: &Value) -> Vec<&str> {
        let ports = group["Networks"][0]["DynamicPorts"].as_array();
        let labels = ports.into_iter().flatten().map(|port| &port["Label"]);
        labels.filter_map(Value::as_str).collect()
    }

    #[test]
    fn a_name_of_the_mesh_is_resolved_before_there_is_an_allocation() {
        let service = json!({
            "Name": "${NOMAD_JOB_NAME}-${NOMAD_META_tier}-${NOMAD_META_TIER}-${NOMAD_ALLOC_ID}",
            "Connect": {"SidecarService": {}},
        });
        let group = canonical(&json!({"Mode": "bridge"}), &service);
        let name = "shop-front-front-${NOMAD_ALLOC_ID}";
        assert_eq!(group["Services"][0]["Name"], name);
        assert_eq!(labels(&group), [format!("connect-proxy-{name}")]);
    }

    #[test]
    fn the_proxy_gets_a_port_under_its_own_name_or_the_given_one() {
        let service = |port| json!({"Name": "api", "Connect": {"SidecarService": {"Port": port}}});
        let network = json!({"Mode": "bridge", "DynamicPorts": [{"Label": "20000", "To": -1}]});
        assert_eq!(labels(&canonical(&network, &service("20000"))), ["20000"]);
        let named = canonical(&network, &service(""));
        assert_eq!(labels(&named), ["20000", "connect-proxy-api"]);
    }

    #[test]
    fn without_a_network_nothing_is_added() {
        let mut job = json!({"ID": "a", "TaskGroups": [{"Name": "g", "Services": [{"Name": "${NOMAD_JOB_ID}", "Connect": {"SidecarService": {}}}]}]});
        canonicalize(&mut job, "global");
        assert_eq!(job["TaskGroups"][0]["Networks"], Value::Null);
        assert_eq!(
            job["TaskGroups"][0]["Services"][0]["Name"],
            "${NOMAD_JOB_ID}"
        );
    }

    #[test]
    fn a_native_service_marks_its_task() {
        let service = json!({"Name": "api", "Connect": {"Native": true}});
        let group = canonical(&json!({}), &service);
        assert_eq!(group["Tasks"][0]["Kind"], "connect-native:api");
        assert_eq!(group["Services"][0]["TaskName"], "app");
    }

    #[test]
    fn gateways_listen_where_the_network_lets_them() {
        let gateway =
            |kind: Value| json!({"Name": "gate", "PortLabel": "", "Connect": {"Gateway": kind}});
        let bridge = json!({"Mode": "bridge"});
        let proxy = |group: &Value| group["Services"][0]["Connect"]["Gateway"]["Proxy"].clone();
        let out = canonical(&bridge, &gateway(json!({"Terminating": {}})));
        assert_eq!(out["Services"][0]["PortLabel"], "connect-terminating-gate");
        assert_eq!(labels(&out), ["connect-terminating-gate"]);
        assert_eq!(
            proxy(&out)["EnvoyGatewayBindAddresses"]["default"]["Port"],
            -1
        );
        let between = canonical(&bridge, &gateway(json!({"Mesh": {}})));
        assert_eq!(labels(&between), ["connect-mesh-gate-lan"]);
        let listener = json!({"Listeners": [{"Port": 8080, "Services": [{"Name": "web"}]}]});
        let inward = canonical(&bridge, &gateway(json!({"Ingress": listener})));
        assert_eq!(
            proxy(&inward)["EnvoyGatewayBindAddresses"]["web"]["Port"],
            8080
        );
        assert_eq!(proxy(&inward)["ConnectTimeout"], 5_000_000_000_i64);
        let on_host = canonical(&json!({"Mode": "host"}), &gateway(json!({"Mesh": {}})));
        assert_eq!(proxy(&on_host)["EnvoyGatewayNoDefaultBind"], false);
        let custom = json!({"Mesh": {}, "Proxy": {"EnvoyGatewayBindTaggedAddresses": true}});
        let custom = canonical(&bridge, &gateway(custom));
        assert_eq!(proxy(&custom)["EnvoyGatewayBindAddresses"], Value::Null);
    }

    #[test]
    fn what_nomad_generates_for_exposed_checks_is_no_part_of_the_form() {
        let check = |port: &str| json!({"Type": "http", "Path": "/health", "Expose": true, "PortLabel": port});
        let network = |ports: Value| json!({"Mode": "bridge", "DynamicPorts": ports});
        let service = |port: &str, proxy: Value| json!({"Name": "api", "PortLabel": "9001", "Checks": [check(port)], "Connect": {"SidecarService": {"Proxy": proxy}}});
        let written = canonical(&network(json!([])), &service("", Value::Null));
        let label = "svc_api_ck_bf7c77";
        let path = json!({"Path": "/health", "Protocol": "", "LocalPathPort": 9001, "ListenerPort": label});
        let stored = canonical(
            &network(json!([{"Label": "connect-proxy-api", "To": -1}, {"Label": label, "To": -1}])),
            &service(label, json!({"Expose": {"Paths": [path]}})),
        );
        assert_eq!(written, stored);
        let other = json!({"Path": "/other", "LocalPathPort": 1, "ListenerPort": "x"});
        let kept = canonical(
            &network(json!([])),
            &service("", json!({"Expose": {"Paths": [other]}})),
        );
        assert_ne!(written, kept, "paths that users write stay");
    }
}
