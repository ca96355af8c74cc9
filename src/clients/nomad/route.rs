//! What kind of call a path is: the same for all jobs, for traces.

/// Words of the API; whatever else stands in a path is an id.
const WORDS: &[&str] = &[
    "acl",
    "agent",
    "allocate",
    "allocation",
    "allocations",
    "checks",
    "client",
    "configuration",
    "csi",
    "deployment",
    "deployments",
    "dispatch",
    "evaluate",
    "evaluation",
    "evaluations",
    "event",
    "fail",
    "force",
    "fs",
    "health",
    "job",
    "jobs",
    "leader",
    "logs",
    "ls",
    "members",
    "namespace",
    "namespaces",
    "node",
    "nodes",
    "operator",
    "parse",
    "pause",
    "periodic",
    "plan",
    "plugins",
    "policy",
    "pool",
    "pools",
    "promote",
    "regions",
    "revert",
    "scale",
    "scheduler",
    "self",
    "service",
    "services",
    "snapshot",
    "stat",
    "status",
    "statuses",
    "stream",
    "submission",
    "summary",
    "token",
    "unblock",
    "var",
    "vars",
    "versions",
    "volume",
    "volumes",
];

/// The route of a path below `/v1/`, e.g. `/v1/job/{id}/plan`.
pub(super) fn route(path: &str) -> String {
    let mut route = String::from("/v1");
    for part in path.split('/') {
        let is_word = WORDS.contains(&part);
        let part = if is_word { part } else { "{id}" };
        // A variable's path has several parts, and is one id.
        if part == "{id}" && route.ends_with("/{id}") {
            continue;
        }
        route.push('/');
        route.push_str(part);
    }
    route
}

#[cfg(test)]
mod tests {
    use super::route;

    #[test]
    fn ids_are_not_part_of_a_route() {
        for (path, expected) in [
            ("jobs", "/v1/jobs"),
            ("job/shop", "/v1/job/{id}"),
            ("job/shop/plan", "/v1/job/{id}/plan"),
            ("deployment/promote/4f-2a", "/v1/deployment/promote/{id}"),
            ("var/cs/inventory/canary", "/v1/var/{id}"),
            ("client/fs/logs/4f", "/v1/client/fs/logs/{id}"),
            ("agent/self", "/v1/agent/self"),
        ] {
            assert_eq!(route(path), expected);
        }
    }
}
