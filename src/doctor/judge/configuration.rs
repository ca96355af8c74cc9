//! Flags, environment and config file.

use crate::doctor::facts::ConfigFacts;
use crate::doctor::{Area, Check, Checks};

const C: Checks = Checks(Area::Configuration);

pub(super) fn judge(facts: &ConfigFacts) -> Vec<Check> {
    if let Some((message, remedy)) = &facts.broken {
        // Without contexts there is nothing to say about the file that the message does not say.
        let file = facts.contexts.is_some().then(|| file(facts));
        let settings = C.fail("settings", message, remedy);
        return file.into_iter().chain([settings]).collect();
    }
    let mut checks = vec![file(facts), context(facts)];
    checks.extend(privacy(facts));
    checks
}

fn file(facts: &ConfigFacts) -> Check {
    let Some(path) = &facts.file else {
        return C.skipped("config-file", "none: neither CS_CONFIG nor HOME is set");
    };
    match (facts.contexts, &facts.exposed) {
        (_, Some(remedy)) => C.warn(
            "config-file",
            format!("others than you may write {path}: they choose where your commands go"),
            remedy,
        ),
        (None, None) => C.ok("config-file", format!("none at {path}; none is needed")),
        (Some(1), None) => C.ok("config-file", format!("{path} with 1 context")),
        (Some(count), None) => C.ok("config-file", format!("{path} with {count} contexts")),
    }
}

fn context(facts: &ConfigFacts) -> Check {
    let Some((name, origin)) = &facts.context else {
        return C.ok(
            "context",
            format!("none: {} ({})", facts.address, facts.address_from),
        );
    };
    if !facts.withheld.is_empty() {
        return C.warn(
            "context",
            format!(
                "`{name}` is in use, but calls go to {} ({}): its {} are kept from there",
                facts.address,
                facts.address_from,
                facts.withheld.join(", ")
            ),
            format!("unset {}, or give --context {name}", facts.address_from),
        );
    }
    if facts.overridden.contains(&"address") {
        return C.warn(
            "context",
            format!(
                "`{name}` is in use, but {} sends calls to {}",
                facts.address_from, facts.address
            ),
            format!("unset {}, or give --context {name}", facts.address_from),
        );
    }
    C.ok("context", format!("`{name}` ({origin}): {}", facts.address))
}

/// Who else could read the token.
fn privacy(facts: &ConfigFacts) -> Option<Check> {
    if !facts.readable_secrets.is_empty() {
        return Some(C.warn(
            "privacy",
            "others on this machine may read the token or the key",
            facts.readable_secrets.join(" && "),
        ));
    }
    if facts.skips_verify {
        return Some(C.warn(
            "privacy",
            "certificates go unchecked: whoever sits on the way can read the token",
            "give the cluster's CA (--ca-cert, NOMAD_CACERT) and leave tls-skip-verify out",
        ));
    }
    let is_open = facts.token_from.is_some() && !facts.is_private && !facts.is_local;
    is_open.then(|| {
        C.warn(
            "privacy",
            format!("the token goes to {} in clear", facts.address),
            "use an https:// address; `nomad tls ca create` makes the certificates",
        )
    })
}
