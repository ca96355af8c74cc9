//! Why a source could not be had from an archive.

use std::io;
use std::time::Duration;

use crate::artifact::source::OutOfTree;
use crate::artifact::source::text::size;
use crate::clients::egress;

/// Why a source could not be had from an archive. Shows the host that it comes from, never more of its address; names of
/// entries are safe to print.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// No address that can be called.
    #[error(
        "the address of the archive is no http or https URL: upload the source again, or correct it"
    )]
    Address,
    /// What the caller expects can match nothing.
    #[error(
        "the expected sha256 of the archive is not 64 hexadecimal digits: correct it, or leave it out"
    )]
    BadDigest,
    /// TLS cannot be set up.
    #[error(
        "cannot prepare TLS for the download: the system's certificates cannot be used; install them"
    )]
    Tls(#[source] rustls::Error),
    /// The HTTP client cannot be built.
    #[error("cannot prepare the download")]
    Http(#[source] reqwest::Error),
    /// No connection.
    #[error("cannot reach `{host}` to download the archive")]
    Unreachable {
        /// Who was called.
        host: String,
        /// Without the address.
        #[source]
        source: reqwest::Error,
    },
    /// An address that must not be called.
    #[error(transparent)]
    Egress(#[from] egress::Refused),
    /// Something else than the archive was answered.
    #[error("`{host}` does not hand out the archive (status {status}): {hint}")]
    Refused {
        /// Who was called.
        host: String,
        /// Status.
        status: u16,
        /// What may be wrong and what to do.
        hint: &'static str,
    },
    /// A redirect that is not followed.
    #[error("`{host}` redirects the download {how}: that is not followed")]
    Redirect {
        /// Who redirects.
        host: String,
        /// Where to, without an address.
        how: &'static str,
    },
    /// Nothing came for too long.
    #[error("`{host}` sent nothing for {} s while the archive was downloaded: try again", after.as_secs())]
    Silent {
        /// Who was called.
        host: String,
        /// The bound.
        after: Duration,
    },
    /// The connection ended in the middle.
    #[error("the download from `{host}` broke off after {}: try again", size(*received))]
    Broken {
        /// Who was called.
        host: String,
        /// Bytes that came.
        received: u64,
        /// Without the address.
        #[source]
        source: reqwest::Error,
    },
    /// More bytes than may be downloaded.
    #[error(
        "the archive is larger than {}: leave out what the build does not need, or raise CS_SOURCE_MAX_MB",
        size(*limit)
    )]
    DownloadTooLarge {
        /// Bytes.
        limit: u64,
    },
    /// More bytes than may be unpacked.
    #[error(
        "the archive unpacks to more than {}: leave out what the build does not need, or raise CS_SOURCE_MAX_MB",
        size(*limit)
    )]
    UnpackedTooLarge {
        /// Bytes.
        limit: u64,
    },
    /// More entries than allowed.
    #[error(
        "the archive makes more than {limit} files, directories and links: leave out what the build does not need, \
         e.g. installed dependencies"
    )]
    TooManyEntries {
        /// Entries.
        limit: u64,
    },
    /// More links than are kept in memory.
    #[error(
        "the archive has too many symbolic links: leave out what the build does not need, e.g. installed dependencies"
    )]
    TooManyLinks,
    /// A decompression bomb, by all signs.
    #[error(
        "the archive unpacks to more than {ratio} times its own size, which no source does: it is refused as a decompression bomb"
    )]
    Bomb {
        /// Unpacked bytes for each downloaded one.
        ratio: u64,
    },
    /// Not the digest that was promised.
    #[error(
        "the archive is not the one that was uploaded: its sha256 is {actual}, expected was {expected}; upload it again"
    )]
    WrongDigest {
        /// In hexadecimal digits.
        expected: String,
        /// In hexadecimal digits.
        actual: String,
    },
    /// Not gzip at all.
    #[error("expected a gzip tar (`.tar.gz`), got {found}")]
    NotGzip {
        /// What it looks like, with its article.
        found: &'static str,
    },
    /// Broken gzip data.
    #[error("the archive is damaged: its gzip data cannot be decompressed; upload it again")]
    Gzip(#[source] io::Error),
    /// Ends in the middle.
    #[error("the archive is cut off: its {what} ends too early; upload it again")]
    Truncated {
        /// `gzip data` or `tar data`.
        what: &'static str,
    },
    /// Gzip, but of something else.
    #[error("expected a gzip tar (`.tar.gz`), got gzip data that hold no tar archive")]
    NotTar,
    /// A broken entry.
    #[error("the archive is damaged: entry {number} cannot be read; upload it again")]
    Tar {
        /// From 1.
        number: u64,
        /// What the parser says.
        #[source]
        source: io::Error,
    },
    /// Nothing in it.
    #[error("the archive is empty: there is nothing to build")]
    Empty,
    /// More in front of an entry than names need.
    #[error("the archive has an entry, number {number}, whose headers are larger than {}: it is refused", size(*limit))]
    HeaderTooLarge {
        /// From 1.
        number: u64,
        /// Bytes.
        limit: u64,
    },
    /// A way to write sparse files that is not understood.
    #[error(
        "the archive has a sparse file in pax format, `{name}`: pack it without `--sparse`, or with `--format=gnu`"
    )]
    Sparse {
        /// Of the entry.
        name: String,
    },
    /// A name that is not accepted.
    #[error("the archive has an entry that cannot be unpacked, `{name}`: its name {why}")]
    Name {
        /// Of the entry.
        name: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A symbolic link to nowhere that can exist.
    #[error("the archive has a symbolic link that cannot be made, `{name}`: its target {why}")]
    LinkTarget {
        /// Of the entry.
        name: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Something below a symbolic link.
    #[error(
        "the archive has an entry below a symbolic link, `{name}`: nothing is written through links; pack the source again"
    )]
    ThroughLink {
        /// Of the entry.
        name: String,
    },
    /// A file where a directory is needed, or a directory with content where something else is to stand.
    #[error(
        "the archive has `{name}` both as a directory and as something else: pack the source again"
    )]
    Conflict {
        /// Of the entry.
        name: String,
    },
    /// A hard link to something else than a file before it.
    #[error(
        "the archive has a hard link that cannot be made, `{name}` -> `{target}`: its target {why}"
    )]
    HardLink {
        /// Of the entry.
        name: String,
        /// What it is to be.
        target: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A link that leads out.
    #[error(transparent)]
    Tree(#[from] OutOfTree),
    /// No room.
    #[error(
        "the disk is full at `{directory}`: make room there, or set TMPDIR to a directory with more"
    )]
    DiskFull {
        /// Where the source is unpacked.
        directory: String,
        /// As the system puts it.
        #[source]
        source: io::Error,
    },
    /// The disk does not do as it is told.
    #[error("cannot {what} `{path}`")]
    Io {
        /// What was tried.
        what: &'static str,
        /// Where.
        path: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The caller's token was cancelled.
    #[error("the download of the source was stopped")]
    Stopped,
}
