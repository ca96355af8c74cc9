//! The way to Nomad: address, TLS, the first answer, leader, clock, version.

use crate::doctor::facts::{
    Asked, ConfigFacts, Facts, Hello, TlsReason, Trouble, TroubleKind, Way, WayTrouble,
};
use crate::doctor::{Area, Check, Checks};

const C: Checks = Checks(Area::Connection);

/// Skew from which on times in reports and the ends of tokens are off by more than people expect.
const MOST_SKEW_MS: i64 = 5_000;

/// Oldest version that has all calls that `cs` makes. Source: `NomadError::help`, `/v1/jobs/statuses`.
const OLDEST: (u64, u64) = (1, 7);

/// Major version that `cs` is tested with, and the one before it.
const NEWEST_MAJOR: u64 = 2;

pub(super) fn judge(facts: &Facts) -> Vec<Check> {
    let (Some(way), Some(hello)) = (&facts.way, &facts.hello) else {
        return vec![C.skipped("address", "not asked: the settings cannot be used")];
    };
    let config = &facts.config;
    let mut checks = vec![address(way, config)];
    // Somebody may answer through a way that could not be tried: a name that only a proxy knows is none of ours.
    if matches!(&checks[0].status, crate::doctor::Status::Fail) && hello.is_err() {
        return checks;
    }
    match hello {
        Err(trouble) => checks.push(refused(trouble, config)),
        Ok(hello) => {
            checks.push(C.ok("nomad", "answers"));
            checks.push(leader(hello));
            checks.push(clock(hello));
        }
    }
    checks.extend(facts.nomad.as_ref().map(|nomad| version(&nomad.version)));
    checks
}

fn where_to_look(config: &ConfigFacts) -> String {
    let from = &config.address_from;
    format!(
        "correct {from}, or start the agent there; `cs dev` runs an embedded one on 127.0.0.1:4646"
    )
}

fn address(way: &Way, config: &ConfigFacts) -> Check {
    match way {
        Way::Socket { connected: Ok(()) } => {
            C.ok("address", format!("{} accepts connections", config.address))
        }
        Way::Socket {
            connected: Err(trouble),
        } => C.fail(
            "address",
            format!("{}: {}", config.address, trouble.text),
            where_to_look(config),
        ),
        Way::Tcp {
            host,
            port,
            connected,
        } => tcp(host, *port, connected, config),
    }
}

fn tcp(
    host: &str,
    port: u16,
    connected: &Result<(usize, String), WayTrouble>,
    config: &ConfigFacts,
) -> Check {
    match connected {
        Ok((1, address)) => C.ok("address", format!("{address} accepts connections")),
        Ok((count, address)) => C.ok(
            "address",
            format!("{address} accepts connections ({host} has {count} addresses)"),
        ),
        Err(WayTrouble::Name(why)) => C.fail(
            "address",
            format!("the name {host} is not known: {why}"),
            format!(
                "correct {}, or the DNS of this machine: `getent hosts {host}`",
                config.address_from
            ),
        ),
        Err(WayTrouble::Connect(why)) => C.fail("address", why, where_to_look(config)),
        Err(WayTrouble::Late(time)) => C.fail(
            "address",
            format!("{host}:{port} does not answer within {} s", time.as_secs()),
            format!(
                "look for a firewall or a VPN that is off: `nc -vz {host} {port}`; or correct {}",
                config.address_from
            ),
        ),
    }
}

/// The first call failed.
fn refused(trouble: &Trouble, config: &ConfigFacts) -> Check {
    let text = &trouble.text;
    let from = &config.address_from;
    match trouble.kind {
        TroubleKind::Tls(reason) => tls(reason, trouble, config),
        TroubleKind::NoLeader => C.fail("leader", "the servers have no leader", ELECTION),
        TroubleKind::NeedsHttps => C.fail(
            "tls",
            format!("{} speaks TLS", config.address),
            format!("write https:// instead of http:// in {from}"),
        ),
        TroubleKind::NotNomad => C.fail(
            "nomad",
            format!("something else than Nomad answers at {}: {text}", config.address),
            format!("correct {from}: scheme, host, port and path prefix must lead to Nomad itself"),
        ),
        TroubleKind::NoSuchRegion => C.fail(
            "nomad",
            "there is no such region",
            "correct --region, NOMAD_REGION or the region of the context; `nomad server members` shows the regions",
        ),
        TroubleKind::Throttled => C.fail(
            "nomad",
            "Nomad has no room for another connection from here",
            "close other connections, or raise the agent's `http_max_conns_per_client`",
        ),
        TroubleKind::Late => C.fail(
            "nomad",
            format!("a connection stands, but {text}"),
            "look at the agent: `nomad monitor -log-level=WARN`; and at any proxy in between",
        ),
        TroubleKind::Forbidden => C.fail(
            "nomad",
            format!("the way to Nomad is closed: {text}"),
            "a task's socket always wants a token (`identity { env = true }`); a proxy wants NOMAD_HTTP_AUTH",
        ),
        TroubleKind::Connect
        | TroubleKind::RegistrationDisabled
        | TroubleKind::NoSuchNamespace
        | TroubleKind::NoAcls
        | TroubleKind::NotAsked
        | TroubleKind::Other => C.fail(
            "nomad",
            text,
            format!("look at the agent and at any proxy in between; or correct {from}"),
        ),
    }
}

const ELECTION: &str = "wait for an election; `nomad server members` and `nomad operator raft list-peers` show whether \
                        enough servers are alive";

fn tls(reason: TlsReason, trouble: &Trouble, config: &ConfigFacts) -> Check {
    let address = &config.address;
    let (message, remedy) = match reason {
        TlsReason::Expired => (
            "the server's certificate has expired".to_owned(),
            "renew it on the server; `openssl s_client -connect HOST:PORT </dev/null | openssl x509 -noout -dates` shows it"
                .to_owned(),
        ),
        TlsReason::NotYetValid => (
            "the server's certificate is not valid yet".to_owned(),
            "set the clock of this machine (`timedatectl`), or renew the certificate".to_owned(),
        ),
        TlsReason::UnknownAuthority => (
            "nobody whom this machine trusts signed the server's certificate".to_owned(),
            "give the cluster's CA: --ca-cert FILE, NOMAD_CACERT, or `cs context set NAME --ca-cert FILE`".to_owned(),
        ),
        TlsReason::WrongName => (
            format!("the server's certificate is for another name than that of {address}"),
            "give the name that it is for: --tls-server-name server.REGION.nomad, or NOMAD_TLS_SERVER_NAME".to_owned(),
        ),
        TlsReason::ClientCertificate => (
            "the server wants a certificate of this client, or another one".to_owned(),
            "give one that the cluster's CA signed: --client-cert FILE --client-key FILE".to_owned(),
        ),
        TlsReason::NotTls => (
            format!("{address} does not speak TLS"),
            format!("write http:// instead of https:// in {}", config.address_from),
        ),
        TlsReason::Other => (
            trouble.text.clone(),
            "check --ca-cert, --tls-server-name, --client-cert and --client-key".to_owned(),
        ),
    };
    C.fail("tls", message, remedy)
}

fn leader(hello: &Hello) -> Check {
    if hello.leader.is_empty() {
        C.fail("leader", "the servers have no leader", ELECTION)
    } else {
        C.ok("leader", &hello.leader)
    }
}

fn clock(hello: &Hello) -> Check {
    let Some(skew) = hello.skew_ms else {
        return C.skipped("clock", "the server does not tell its time");
    };
    // What the exchange cannot tell apart is no skew.
    let surely = (skew.abs() - hello.skew_error_ms).max(0);
    if surely <= MOST_SKEW_MS {
        return C.ok("clock", "agrees with the server's to within 5 s");
    }
    let direction = if skew > 0 { "behind" } else { "ahead of" };
    C.warn(
        "clock",
        format!(
            "this machine is {} s {direction} the server: times in reports and the ends of tokens are off",
            skew.abs() / 1000
        ),
        "set the clock: `timedatectl set-ntp true`, here and on the server",
    )
}

fn version(version: &Asked<String>) -> Check {
    let text = match version {
        Ok(text) => text,
        Err(trouble) if trouble.kind == TroubleKind::Forbidden => {
            return C.unseen(
                "version",
                "the token may not read it",
                "allow it: `agent { policy = \"read\" }` or `node { policy = \"read\" }`",
            );
        }
        Err(trouble) => return C.skipped("version", &trouble.text),
    };
    let mut numbers = text
        .split(['.', '-', '+'])
        .map(|part| part.parse::<u64>().ok());
    match (numbers.next().flatten(), numbers.next().flatten()) {
        (Some(major), Some(minor)) if (major, minor) < OLDEST => C.fail(
            "version",
            format!("Nomad {text} is older than {}.{}", OLDEST.0, OLDEST.1),
            "update the servers: calls that `cs` needs are not there",
        ),
        (Some(major), Some(_)) if major > NEWEST_MAJOR => C.warn(
            "version",
            format!(
                "Nomad {text} is newer than this `cs` was tested with (1.7 to {NEWEST_MAJOR}.x)"
            ),
            "look for a newer `cs`",
        ),
        (Some(_), Some(_)) => C.ok("version", format!("Nomad {text}")),
        _ => C.skipped("version", format!("`{text}` is no version")),
    }
}
