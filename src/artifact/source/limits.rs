//! How much a source may be.

use std::time::Duration;

use crate::clients::egress::Egress;

const MIB: u64 = 1 << 20;

/// Bounds of one fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the unpacked files together.
    pub unpacked_bytes: u64,
    /// Bytes that are downloaded.
    pub download_bytes: u64,
    /// Files, directories and links together.
    pub entries: u64,
    /// Unpacked bytes for each downloaded one, once more than [`Limits::RATIO_FREE_BYTES`] are unpacked.
    pub ratio: u64,
    /// Longest wait for a connection.
    pub connect: Duration,
    /// Longest silence of a server that is to send something.
    pub silence: Duration,
    /// Where the source, and whatever it redirects to, may be.
    pub egress: Egress,
}

impl Limits {
    /// Up to here an archive may be as well compressed as it likes: 64 MiB.
    pub const RATIO_FREE_BYTES: u64 = 64 * MIB;

    /// Largest bound that can be asked for: 1 TiB, in MiB.
    pub const MOST_MIB: u64 = 1 << 20;

    /// The defaults with another bound of the unpacked files, in MiB, at most [`Limits::MOST_MIB`].
    ///
    /// Half of it may be downloaded: sources seldom compress worse. At least 64 MiB, because a small bound is meant for the
    /// tree, not for the history that comes with it.
    #[must_use]
    pub fn of_unpacked_mib(mib: u64) -> Self {
        let unpacked = mib.min(Self::MOST_MIB) * MIB;
        Self {
            unpacked_bytes: unpacked,
            download_bytes: (unpacked / 2).max(64 * MIB),
            ..Self::default()
        }
    }
}

impl Default for Limits {
    /// 4 GiB unpacked, 2 GiB downloaded, 500,000 entries, ratio 200 (text seldom passes 20), 10 s, 60 s, not on this machine.
    fn default() -> Self {
        Self {
            unpacked_bytes: 4096 * MIB,
            download_bytes: 2048 * MIB,
            entries: 500_000,
            ratio: 200,
            connect: Duration::from_secs(10),
            // A Git server may think for a while before it sends the first byte of a large pack.
            silence: Duration::from_secs(60),
            egress: Egress::default(),
        }
    }
}
