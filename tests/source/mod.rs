//! Sources that are uploaded: the download, with servers that misbehave, and trees that a real `tar` packed.

mod download;
mod full_disk;
mod real_tar;
mod stopping;

use std::path::PathBuf;

use cs::artifact::output::Output;
use cs::artifact::source::archive::{ArchiveError, ArchiveRequest, Unpacked, fetch};
use cs::artifact::source::{Limits, WorkDir};
use cs::secret::Secret;
use flate2::Compression;
use flate2::write::GzEncoder;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

/// A place to unpack to, and what was said meanwhile.
struct Lab {
    parent: TempDir,
    work: WorkDir,
    limits: Limits,
    sha256: Option<String>,
    stop: CancellationToken,
}

impl Lab {
    fn new() -> Self {
        let parent = tempfile::tempdir().unwrap();
        let work = WorkDir::create(parent.path()).unwrap();
        Self {
            parent,
            work,
            limits: crate::support::egress::limits(),
            sha256: None,
            stop: CancellationToken::new(),
        }
    }

    fn root(&self) -> PathBuf {
        self.work.path().join("source")
    }

    async fn fetch(&self, url: &str) -> Result<Unpacked, ArchiveError> {
        self.listen(url).await.0
    }

    /// The same with all that was said.
    async fn listen(&self, url: &str) -> (Result<Unpacked, ArchiveError>, String) {
        let request = ArchiveRequest {
            url: Secret::new(url),
            sha256: self.sha256.clone(),
        };
        let (output, mut said) = Output::channel();
        let work = async {
            let output = output;
            fetch(&request, &self.root(), &self.limits, &output, &self.stop).await
        };
        let listening = async {
            let mut text = String::new();
            while let Some(chunk) = said.recv().await {
                text.push_str(&String::from_utf8_lossy(&chunk.bytes));
            }
            text
        };
        tokio::join!(work, listening)
    }
}

/// A gzip tar of some files.
fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (name, content) in files {
        let mut header = tar::Header::new_ustar();
        header.set_mode(0o644);
        header.set_size(content.len() as u64);
        tar.append_data(&mut header, name, *content).unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap()
}
