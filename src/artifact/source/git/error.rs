//! Why a repository is not there.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::clients::egress;

/// Why a repository cannot be had. Carries no credentials.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// The caller wants no more.
    #[error("stopped while fetching the Git repository")]
    Stopped,
    /// The repository's name or address cannot be used.
    #[error("`{repository}` cannot be used as a Git repository: {problem}")]
    Address {
        /// As given, without credentials.
        repository: String,
        /// What is wrong, and what to write instead.
        problem: &'static str,
    },
    /// The revision cannot be a name in Git.
    #[error("`{revision}` cannot be a branch, tag or commit: {problem}")]
    BadRevision {
        /// As given.
        revision: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// TLS cannot be set up.
    #[error(
        "cannot prepare TLS for Git servers: the system's certificates cannot be used; install them"
    )]
    Tls(#[source] rustls::Error),
    /// The HTTP client cannot be built.
    #[error("cannot prepare connections to Git servers")]
    Http(#[source] reqwest::Error),
    /// No connection, or it broke before anything was answered.
    #[error("cannot reach Git server `{host}`")]
    Unreachable {
        /// Host and port.
        host: String,
        /// Without the address.
        #[source]
        source: reqwest::Error,
    },
    /// An address that must not be called.
    #[error(transparent)]
    Egress(#[from] egress::Refused),
    /// Nothing came for too long.
    #[error("Git server `{host}` {what} within {} s", after.as_secs())]
    TimedOut {
        /// Host and port.
        host: String,
        /// What it did not do.
        what: &'static str,
        /// The bound.
        after: Duration,
    },
    /// The connection ended in the middle of an answer.
    #[error(
        "the connection to Git server `{host}` ended after {received} bytes of its answer; try again"
    )]
    Cut {
        /// Host and port.
        host: String,
        /// Bytes of the answer.
        received: u64,
        /// Without the address.
        #[source]
        source: Option<reqwest::Error>,
    },
    /// No access, or no such repository: servers do not tell the two apart.
    #[error("Git repository `{repository}` {why} (status {status})")]
    Refused {
        /// Its address.
        repository: String,
        /// What may be the matter.
        why: WhyRefused,
        /// 401, 403 or 404.
        status: u16,
    },
    /// Any other status.
    #[error("Git server `{host}` answered with status {status}")]
    Status {
        /// Host and port.
        host: String,
        /// Status.
        status: u16,
    },
    /// A redirect that is not followed.
    #[error("Git server `{host}` redirects to `{target}`, which is not followed: {problem}")]
    Redirect {
        /// Host and port.
        host: String,
        /// Where to, without credentials and query.
        target: String,
        /// Why not.
        problem: &'static str,
    },
    /// An answer that does not follow the protocol.
    #[error("Git server `{host}` sent an unusable answer: {problem}")]
    Protocol {
        /// Host and port.
        host: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// The server says what it does not like.
    #[error("Git server `{host}` refuses: {message}")]
    Remote {
        /// Host and port.
        host: String,
        /// Its words, on one line.
        message: String,
    },
    /// Nothing has been committed.
    #[error("Git repository `{repository}` is empty: push a commit first")]
    Empty {
        /// Its address.
        repository: String,
    },
    /// No branch, tag or commit of this name.
    #[error(
        "Git repository `{repository}` has no branch or tag `{revision}`{}",
        Branches(branches)
    )]
    NoSuchRevision {
        /// Its address.
        repository: String,
        /// As asked for.
        revision: String,
        /// Some branches that it has.
        branches: Vec<String>,
    },
    /// A part of a commit's hash.
    #[error(
        "Git repository `{repository}` has no branch or tag `{revision}`; if it is a commit, give all 40 characters of it"
    )]
    ShortCommit {
        /// Its address.
        repository: String,
        /// As asked for.
        revision: String,
    },
    /// The server does not hand the commit out.
    #[error(
        "Git repository `{repository}` does not give commit {commit}: it does not exist there, or no branch leads to it; name a branch or tag"
    )]
    CommitRefused {
        /// Its address.
        repository: String,
        /// Its hash.
        commit: String,
    },
    /// Another object format.
    #[error(
        "Git repository `{repository}` uses SHA-256 object names, which are not supported; only SHA-1 is"
    )]
    Sha256 {
        /// Its address.
        repository: String,
    },
    /// What was sent is damaged, or forged.
    #[error("Git repository `{repository}` arrived damaged: {problem}; try again")]
    Corrupt {
        /// Its address.
        repository: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// An entry of a tree that cannot be checked out.
    #[error(
        "Git repository `{repository}` has an entry that cannot be checked out, `{path}`: {problem}"
    )]
    Entry {
        /// Its address.
        repository: String,
        /// Relative to the top.
        path: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// Too many bytes.
    #[error("Git repository `{repository}` is too large: its {what} is more than {limit} bytes")]
    TooLarge {
        /// Its address.
        repository: String,
        /// `download` or `checkout`.
        what: &'static str,
        /// The bound.
        limit: u64,
    },
    /// Too many files and directories.
    #[error(
        "Git repository `{repository}` is too large: it has more than {limit} files and directories"
    )]
    TooMany {
        /// Its address.
        repository: String,
        /// The bound.
        limit: u64,
    },
    /// No room.
    #[error("the disk is full at `{}`: free some room there, or point TMPDIR to another disk", path.display())]
    DiskFull {
        /// What was being written.
        path: PathBuf,
    },
    /// Something cannot be written or read back.
    #[error("cannot write or read the Git repository at `{}`", path.display())]
    Disk {
        /// What was being written.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// `.gitattributes` cannot be interpreted.
    #[error("cannot read the attributes of `{path}`")]
    Attributes {
        /// Relative to the top.
        path: String,
        /// libgit2's words.
        #[source]
        source: git2::Error,
    },
}

/// What a status of 401, 403 or 404 may mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhyRefused {
    /// A token was sent.
    Token,
    /// None was given.
    NoToken,
    /// One was given, but the server redirects to another host, which did not get it.
    TokenHeldBack,
}

impl fmt::Display for WhyRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Token => "was not found, or the token (gitPass) has no access to it",
            Self::NoToken => "was not found, or it is private: no token (gitPass) was given",
            Self::TokenHeldBack => {
                "was not found, or it is private: it redirects to another host, where the token (gitPass) is not sent; give that address"
            }
        })
    }
}

/// The part of a sentence that names branches.
struct Branches<'a>(&'a [String]);

impl fmt::Display for Branches<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, branch) in self.0.iter().enumerate() {
            f.write_str(if place == 0 { "; it has " } else { ", " })?;
            write!(f, "`{branch}`")?;
        }
        Ok(())
    }
}
