//! The token and what it may do.

use super::NOT_ASKED;
use crate::doctor::facts::{
    AroundFacts, Asked, NomadFacts, RightsFacts, TokenFacts, Trouble, TroubleKind,
};
use crate::doctor::{Area, Check, Checks};

const C: Checks = Checks(Area::Rights);

/// A token that ends sooner may end inside a run.
const SOON: i64 = 60 * 60;

pub(super) fn judge(nomad: Option<&NomadFacts>, around: &AroundFacts) -> Vec<Check> {
    let Some(nomad) = nomad else {
        return vec![C.skipped("token", NOT_ASKED)];
    };
    let Some(rights) = &nomad.rights else {
        return vec![C.ok(
            "token",
            "none is needed: this cluster has no ACLs, everybody may do everything",
        )];
    };
    let mut checks = vec![token(&nomad.token, rights)];
    if is_usable(nomad) {
        checks.extend([
            right("list-jobs", "list jobs", &rights.list, nomad, "list-jobs"),
            right("read-job", "read jobs", &rights.read, nomad, "read-job"),
            right("plan-job", "plan jobs", &rights.plan, nomad, "submit-job"),
            register(rights, nomad),
            inventory(rights, nomad, around),
        ]);
    }
    checks
}

/// Whether there is a token that Nomad knows, or none is needed: otherwise every answer is the same refusal.
pub(super) fn is_usable(nomad: &NomadFacts) -> bool {
    let Some(rights) = &nomad.rights else {
        return true;
    };
    let is_known = match &nomad.token {
        Ok(token) => !token.is_anonymous,
        Err(trouble) => trouble.kind != TroubleKind::Forbidden,
    };
    is_known || rights.list.is_ok() || rights.read.is_ok()
}

/// Who has no right in a namespace is not told whether it exists; a plan and a register are told.
pub(super) fn is_namespace_missing(nomad: &NomadFacts) -> bool {
    let rights = nomad.rights.iter();
    let mut asked = rights.flat_map(|rights| [&rights.plan, &rights.register]);
    nomad.namespace_exists == Ok(false) || asked.any(|it| is(it, TroubleKind::NoSuchNamespace))
}

fn is(asked: &Asked<()>, kind: TroubleKind) -> bool {
    matches!(asked, Err(trouble) if trouble.kind == kind)
}

fn token(token: &Asked<TokenFacts>, rights: &RightsFacts) -> Check {
    let token = match token {
        Ok(token) => token,
        Err(trouble) if trouble.kind == TroubleKind::Forbidden => {
            return C.fail(
                "token",
                "Nomad does not know the token: it is mistyped, expired, revoked, or of another cluster",
                "`nomad login`, or ask for another: NOMAD_TOKEN, --token-file or the token of the context",
            );
        }
        Err(trouble) => return C.skipped("token", &trouble.text),
    };
    if token.is_anonymous {
        return anonymous(rights);
    }
    if token.is_identity {
        return C.ok(
            "token",
            "a workload identity: its rights are policies of its job",
        );
    }
    let policies = match (token.is_management, token.policies.as_slice()) {
        (true, _) => "management: may do everything".to_owned(),
        (false, []) => "no policies".to_owned(),
        (false, policies) => policies.join(", "),
    };
    let message = format!("`{}` ({policies})", token.name);
    match token.seconds_left {
        Some(left) if left < SOON => C.warn(
            "token",
            format!("{message} ends in {}", span(left)),
            "`nomad login`, or ask for another",
        ),
        Some(left) => C.ok("token", format!("{message}, ends in {}", span(left))),
        None => C.ok("token", message),
    }
}

fn anonymous(rights: &RightsFacts) -> Check {
    let remedy = "`nomad login`, then set NOMAD_TOKEN, or `cs context set NAME --token-file FILE`";
    if rights.list.is_ok() || rights.read.is_ok() {
        C.warn(
            "token",
            "none: calls have the rights of the anonymous policy",
            remedy,
        )
    } else {
        C.fail("token", "none, and this cluster has ACLs", remedy)
    }
}

fn span(seconds: i64) -> String {
    let seconds = seconds.max(0);
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

fn policy(nomad: &NomadFacts, capabilities: &str) -> String {
    format!(
        "give the token a policy with: namespace \"{}\" {{ capabilities = [{capabilities}] }}",
        nomad.namespace
    )
}

/// A right of the namespace.
fn right(
    name: &'static str,
    what: &str,
    asked: &Asked<()>,
    nomad: &NomadFacts,
    capability: &str,
) -> Check {
    let namespace = &nomad.namespace;
    if is_namespace_missing(nomad) {
        return C.skipped(name, format!("there is no namespace `{namespace}`"));
    }
    match asked {
        Ok(()) => C.ok(name, format!("may {what} in namespace `{namespace}`")),
        Err(trouble) if trouble.kind == TroubleKind::Forbidden => C.fail(
            name,
            format!("may not {what} in namespace `{namespace}`"),
            policy(nomad, &format!("\"{capability}\"")),
        ),
        Err(trouble) => unknown(name, trouble),
    }
}

fn unknown(name: &'static str, trouble: &Trouble) -> Check {
    match trouble.kind {
        TroubleKind::NotAsked => C.skipped(name, &trouble.text),
        _ => C.skipped(name, format!("cannot be told: {}", trouble.text)),
    }
}

fn register(rights: &RightsFacts, nomad: &NomadFacts) -> Check {
    match &rights.register {
        Err(trouble) if trouble.kind == TroubleKind::Forbidden => C.fail(
            "register-job",
            format!("may not register jobs in namespace `{}`", nomad.namespace),
            format!(
                "{}; a token that is only to look is checked by `cs doctor --read-only`",
                policy(nomad, "\"submit-job\", \"read-logs\"")
            ),
        ),
        Err(trouble) if trouble.kind == TroubleKind::RegistrationDisabled => C.fail(
            "register-job",
            "an operator has switched registrations off",
            "`nomad operator scheduler set-config -reject-job-registration=false`",
        ),
        asked => right("register-job", "register jobs", asked, nomad, "submit-job"),
    }
}

fn inventory(rights: &RightsFacts, nomad: &NomadFacts, around: &AroundFacts) -> Check {
    const NAME: &str = "inventory";
    let (path, namespace) = (&nomad.inventory, &nomad.namespace);
    if is_namespace_missing(nomad) {
        return C.skipped(NAME, format!("there is no namespace `{namespace}`"));
    }
    let (read, write) = (&rights.read_inventory, &rights.write_inventory);
    let denied = (
        is(read, TroubleKind::Forbidden),
        is(write, TroubleKind::Forbidden),
    );
    let may = match denied {
        (true, true) => "may neither read nor write",
        (true, false) => "may not read",
        (false, true) => "may not write",
        (false, false) => return open_inventory(path, read, write),
    };
    let directory = around
        .state
        .as_ref()
        .map_or("CS_STATE_DIR", |state| state.directory.as_str());
    C.warn(
        NAME,
        format!("{may} the variable {path}: what is owned is remembered in {directory}, on this machine only"),
        format!(
            "give the token a policy with: namespace \"{namespace}\" {{ variables {{ path \"cs/inventory/*\" {{ \
             capabilities = [\"read\", \"list\", \"write\", \"destroy\"] }} }} }}"
        ),
    )
}

fn open_inventory(path: &str, read: &Asked<()>, write: &Asked<()>) -> Check {
    const NAME: &str = "inventory";
    match (read, write) {
        (Ok(()), Ok(())) => C.ok(NAME, format!("may read and write the variable {path}")),
        (Ok(()), Err(trouble)) if trouble.kind == TroubleKind::NotAsked => {
            C.ok(NAME, format!("may read the variable {path}"))
        }
        (Err(trouble), _) | (_, Err(trouble)) => unknown(NAME, trouble),
    }
}
