//! Asks everything at the same time and waits for no answer longer than it is worth.

mod around;
mod local;
mod nomad;
mod trouble;
mod way;

use std::time::Duration;

pub use local::config_facts;
pub use trouble::trouble;

use super::facts::{Asked, ConfigFacts, Facts, Hello, NomadFacts, Trouble, TroubleKind, Way};
use crate::clients::nomad::{ConnectionConfig, NomadClient};
use crate::config::Environment;
use crate::ids::OwnerId;

/// Longest wait for one answer.
pub const EACH: Duration = Duration::from_secs(5);

/// Longest wait for the first answer: a server without a leader takes 5 s to say so (nomad-api.md 1.1).
const FIRST: Duration = Duration::from_millis(6500);

/// What is to be asked.
pub struct Questions<'a> {
    /// What the settings say.
    pub config: ConfigFacts,
    /// How to reach Nomad; `None` when the settings cannot be used.
    pub connection: Option<ConnectionConfig>,
    /// Whose inventory is looked for.
    pub owner: &'a OwnerId,
    /// What else is set up.
    pub environment: &'a Environment,
    /// Also what only builds need.
    pub all: bool,
    /// Nothing about rights to write.
    pub read_only: bool,
}

/// Asks. Takes at most 15 s.
///
/// # Cancel safety
/// May be dropped at any point: nothing is changed.
pub async fn gather(questions: Questions<'_>) -> Facts {
    let Questions {
        config,
        connection,
        owner,
        environment,
        all,
        read_only,
    } = questions;
    let ((way, hello, nomad), around) = tokio::join!(
        ask_nomad(connection, owner, read_only),
        around::ask(environment, all)
    );
    Facts {
        config,
        way,
        hello,
        nomad,
        around,
    }
}

type OfNomad = (Option<Way>, Option<Asked<Hello>>, Option<NomadFacts>);

async fn ask_nomad(
    connection: Option<ConnectionConfig>,
    owner: &OwnerId,
    read_only: bool,
) -> OfNomad {
    let Some(mut config) = connection else {
        return (None, None, None);
    };
    config.timeouts.connect = EACH;
    config.timeouts.read = FIRST;
    config.timeouts.write = EACH;
    let address = config.address.clone();
    let client = match NomadClient::new(config) {
        Ok(client) => client,
        // Files were read before; what is left is the system's own trust.
        Err(error) => {
            let trouble = Trouble {
                kind: TroubleKind::Tls(super::facts::TlsReason::Other),
                text: crate::clients::chain(&error),
            };
            return (Some(way::ask(&address).await), Some(Err(trouble)), None);
        }
    };
    let (way, hello) = tokio::join!(way::ask(&address), within(FIRST, nomad::hello(&client)));
    let has_leader = matches!(&hello, Ok(hello) if !hello.leader.is_empty());
    let nomad = if has_leader {
        Some(nomad::ask(&client, owner, read_only).await)
    } else {
        None
    };
    (Some(way), Some(hello), nomad)
}

/// An answer, or that it came too late.
async fn within<T>(time: Duration, question: impl Future<Output = Asked<T>>) -> Asked<T> {
    tokio::time::timeout(time, question)
        .await
        .unwrap_or_else(|_| {
            Err(Trouble {
                kind: TroubleKind::Late,
                text: format!("no answer within {} s", time.as_secs()),
            })
        })
}
