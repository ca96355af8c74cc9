//! What stands between this machine and a deployment that works, each finding with what to type next.
//!
//! [`gather`] asks: files, sockets, Nomad, NATS, backend, engine; everything at the same time, every question with a bound
//! of 5 s, all of it within 15 s. [`judge`] decides what the answers mean; pure, [`facts`] in, [`Check`]s out.
//!
//! Nothing is changed. Whether a token may register jobs and write variables is asked with writes that name an index that
//! no object can have, so Nomad checks the right and then refuses: two lines in the log of a server, no change of its
//! state. Reading policies instead would mean to know all rules of how they are merged. No secret is part of a fact.

pub mod facts;
pub mod gather;
pub mod judge;

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// Fine.
    Ok,
    /// It could not be asked, or nobody needs it; the message says which.
    Skipped,
    /// It works, but somebody should look.
    Warn,
    /// It does not work.
    Fail,
}

impl Status {
    /// The word in reports.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Skipped => "skipped",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// What belongs together in a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Area {
    /// Flags, environment, config file.
    Configuration,
    /// The way to Nomad.
    Connection,
    /// What the token may do.
    Rights,
    /// What the cluster offers.
    Cluster,
    /// What else a run uses.
    Surroundings,
}

impl Area {
    /// The word in reports.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Configuration => "configuration",
            Self::Connection => "connection",
            Self::Rights => "rights",
            Self::Cluster => "cluster",
            Self::Surroundings => "surroundings",
        }
    }
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// Stable name, e.g. `leader`.
    pub name: &'static str,
    /// What it belongs to.
    pub area: Area,
    /// How it ended.
    pub status: Status,
    /// What was found, in one line.
    pub message: String,
    /// What to do, if possible to type. For every warning and failure.
    pub remedy: Option<String>,
}

/// Makes the checks of one area.
#[derive(Debug, Clone, Copy)]
struct Checks(Area);

impl Checks {
    fn ok(self, name: &'static str, message: impl Into<String>) -> Check {
        self.check(name, Status::Ok, message.into(), None)
    }

    fn skipped(self, name: &'static str, message: impl Into<String>) -> Check {
        self.check(name, Status::Skipped, message.into(), None)
    }

    /// Skipped for want of a right that would be good to have.
    fn unseen(
        self,
        name: &'static str,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Check {
        self.check(name, Status::Skipped, message.into(), Some(remedy.into()))
    }

    fn warn(
        self,
        name: &'static str,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Check {
        self.check(name, Status::Warn, message.into(), Some(remedy.into()))
    }

    fn fail(
        self,
        name: &'static str,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Check {
        self.check(name, Status::Fail, message.into(), Some(remedy.into()))
    }

    fn check(
        self,
        name: &'static str,
        status: Status,
        message: String,
        remedy: Option<String>,
    ) -> Check {
        Check {
            name,
            area: self.0,
            status,
            message,
            remedy,
        }
    }
}
