//! What was found, as plain data. No secrets: tokens are only known to be there.

use std::time::Duration;

/// An answer, or what stood in its way.
pub type Asked<T> = Result<T, Trouble>;

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// What sort of trouble.
    pub kind: TroubleKind,
    /// The same for people, in one line.
    pub text: String,
}

/// Sort of trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TroubleKind {
    /// Not in time.
    Late,
    /// No connection.
    Connect,
    /// TLS failed.
    Tls(TlsReason),
    /// There is no leader.
    NoLeader,
    /// The token is missing, wrong, expired, or may not do this.
    Forbidden,
    /// An operator has switched registrations off.
    RegistrationDisabled,
    /// The namespace is not there.
    NoSuchNamespace,
    /// The region is not there.
    NoSuchRegion,
    /// Something else than Nomad answered.
    NotNomad,
    /// HTTPS is spoken where HTTP was tried.
    NeedsHttps,
    /// There are no ACLs.
    NoAcls,
    /// Nobody wanted to know.
    NotAsked,
    /// Too many connections from here.
    Throttled,
    /// Anything else.
    Other,
}

/// Why the two sides do not agree on TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsReason {
    /// The certificate is no longer valid.
    Expired,
    /// It is not valid yet; or the clock of this machine is wrong.
    NotYetValid,
    /// Nobody whom we trust signed it.
    UnknownAuthority,
    /// It is for another name.
    WrongName,
    /// The server wants a certificate of ours, or another one.
    ClientCertificate,
    /// The other side does not speak TLS.
    NotTls,
    /// Anything else.
    Other,
}

/// Flags, environment and config file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConfigFacts {
    /// Where the file is or would be.
    pub file: Option<String>,
    /// How many contexts it holds; `None` when it is not there.
    pub contexts: Option<usize>,
    /// How to end that others may write it.
    pub exposed: Option<String>,
    /// Why the settings cannot be used, and what to do.
    pub broken: Option<(String, String)>,
    /// The context in use, and what named it.
    pub context: Option<(String, String)>,
    /// Settings of the context that a flag or a variable wins over, by member.
    pub overridden: Vec<&'static str>,
    /// Settings of the context that are kept from another address, by member.
    pub withheld: Vec<&'static str>,
    /// Where calls go, without credentials.
    pub address: String,
    /// Who says so.
    pub address_from: String,
    /// The agent is on this machine.
    pub is_local: bool,
    /// TLS is spoken, or a socket of this machine is used.
    pub is_private: bool,
    /// Certificates go unchecked.
    pub skips_verify: bool,
    /// There is a token, and where it came from.
    pub token_from: Option<String>,
    /// A file with the token or a key that others may read: how to end that.
    pub readable_secrets: Vec<String>,
}

/// The way to the agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// Through a socket of this machine.
    Socket {
        /// Whether somebody listens.
        connected: Asked<()>,
    },
    /// Through the network.
    Tcp {
        /// Name or address.
        host: String,
        /// Port.
        port: u16,
        /// How many addresses the name has, and the one that was reached.
        connected: Result<(usize, String), WayTrouble>,
    },
}

/// What stands in the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WayTrouble {
    /// The name is not known.
    Name(String),
    /// No connection to any of its addresses.
    Connect(String),
    /// Not in time.
    Late(Duration),
}

/// What a server says first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// Address of the leader; empty when there is none.
    pub leader: String,
    /// By how much the server's clock is ahead of ours; negative when it is behind. `None` when it does not tell.
    pub skew_ms: Option<i64>,
    /// How exact that is: half the time of the exchange, and half a second because the server tells whole ones.
    pub skew_error_ms: i64,
}

/// The token.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TokenFacts {
    /// For people.
    pub name: String,
    /// Nobody gave one.
    pub is_anonymous: bool,
    /// May do everything.
    pub is_management: bool,
    /// It is no token but the identity of a task, whose rights come with its job.
    pub is_identity: bool,
    /// Policies and roles.
    pub policies: Vec<String>,
    /// Seconds until it ends; `None` when it does not.
    pub seconds_left: Option<i64>,
}

/// What the token may do, asked by doing it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RightsFacts {
    /// List jobs.
    pub list: Asked<()>,
    /// Read a job.
    pub read: Asked<()>,
    /// Plan one.
    pub plan: Asked<()>,
    /// Register one.
    pub register: Asked<()>,
    /// Read the inventory.
    pub read_inventory: Asked<()>,
    /// Write it.
    pub write_inventory: Asked<()>,
}

/// The nodes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NodesFacts {
    /// All.
    pub all: usize,
    /// Ready, eligible and not draining.
    pub ready: usize,
    /// Ready ones by pool.
    pub pools: Vec<(String, usize)>,
    /// Versions of Nomad on them.
    pub versions: Vec<String>,
    /// A ready one whose attributes were read: its name, the version of Vault and of Consul that it sees.
    pub sample: Option<Sample>,
}

/// What one node sees.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sample {
    /// Its name.
    pub node: String,
    /// Vault's version.
    pub vault: Option<String>,
    /// Consul's version.
    pub consul: Option<String>,
}

/// How the scheduler is set up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SchedulerFacts {
    /// `memory_max` has an effect.
    pub oversubscription: bool,
    /// Only management tokens may register.
    pub rejects_jobs: bool,
    /// Nothing is placed.
    pub is_paused: bool,
}

/// Everything that Nomad was asked once it answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NomadFacts {
    /// Namespace of the calls.
    pub namespace: String,
    /// Path of the inventory.
    pub inventory: String,
    /// The token; an error of kind `NoAcls` where everybody may do everything.
    pub token: Asked<TokenFacts>,
    /// Version of the agent.
    pub version: Asked<String>,
    /// Whether the namespace exists.
    pub namespace_exists: Asked<bool>,
    /// What the token may do; not asked without ACLs.
    pub rights: Option<RightsFacts>,
    /// Nodes.
    pub nodes: Asked<NodesFacts>,
    /// Scheduler.
    pub scheduler: Asked<SchedulerFacts>,
}

/// NATS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NatsFacts {
    /// Whom we talked to.
    pub servers: String,
    /// The server's version.
    pub version: String,
    /// The subject that was asked for.
    pub subject: String,
    /// The stream that stores it; `None` when there is none.
    pub stream: Asked<Option<String>>,
}

/// The state directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateFacts {
    /// Where.
    pub directory: String,
    /// It exists.
    pub exists: bool,
    /// Why it cannot be written.
    pub refused: Option<String>,
    /// Free space in MiB, for this user.
    pub free_mib: Option<u64>,
    /// Events of earlier runs that wait there.
    pub waiting: usize,
}

/// Credentials of the registry of the environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistryFacts {
    /// Its host.
    pub host: String,
    /// User, when there are credentials.
    pub user: Option<String>,
}

/// What else a run uses. `None`: nobody set it up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AroundFacts {
    /// `NATS_SERVERS`.
    pub nats: Option<Asked<NatsFacts>>,
    /// `BACKEND_URL`: its address and the status that it answers with.
    pub backend: Option<(String, Asked<u16>)>,
    /// `REGISTRY_URL`.
    pub registry: Option<RegistryFacts>,
    /// `CS_STATE_DIR`.
    pub state: Asked<StateFacts>,
    /// The engine's address, its version and builder; `None` when it was not asked.
    pub docker: Option<Asked<(String, String)>>,
    /// Whether params of the platform want Vault (`CS_VAULT`) and Consul (`CS_SERVICE_PROVIDER`), when set.
    pub wants: Wants,
}

/// What the environment says about the cluster.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wants {
    /// `CS_VAULT=on` in as many words.
    pub vault: bool,
    /// `CS_SERVICE_PROVIDER=consul` in as many words.
    pub consul: bool,
}

/// Everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Settings.
    pub config: ConfigFacts,
    /// The way; `None` when the settings cannot be used.
    pub way: Option<Way>,
    /// What the server says first; `None` when it was not asked.
    pub hello: Option<Asked<Hello>>,
    /// What it says then; `None` when it was not asked.
    pub nomad: Option<NomadFacts>,
    /// The rest.
    pub around: AroundFacts,
}
