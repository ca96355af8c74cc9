//! A disk without room, for real: a file system of one megabyte.

use std::path::Path;

use cs::artifact::output::Output;
use cs::artifact::source::WorkDir;
use cs::artifact::source::archive::{ArchiveError, ArchiveRequest, fetch};
use cs::clients::chain;
use cs::secret::Secret;
use tokio_util::sync::CancellationToken;

use super::archive;
use crate::support::disk::SmallDisk;
use crate::support::files_server::{Answer, FilesServer};

async fn fill(disk: &Path, body: Vec<u8>) -> ArchiveError {
    let server = FilesServer::with(Answer::file(body)).await;
    let work = WorkDir::create(disk).unwrap();
    let request = ArchiveRequest {
        url: Secret::new(server.url("/a")),
        sha256: None,
    };
    let (output, _nobody_listens) = Output::channel();
    let into = work.path().join("source");
    let stop = CancellationToken::new();
    let result = fetch(
        &request,
        &into,
        &crate::support::egress::limits(),
        &output,
        &stop,
    )
    .await;
    work.remove().await.unwrap();
    assert_eq!(std::fs::read_dir(disk).unwrap().count(), 0);
    result.unwrap_err()
}

#[tokio::test]
async fn a_full_disk_is_named_and_leaves_nothing_behind() {
    let content = vec![b'x'; 3 << 20];
    let names: Vec<String> = (0..200).map(|number| format!("d{number}/file")).collect();
    let many: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &b""[..])).collect();
    for (options, body) in [
        ("size=1m", archive(&[("large", &content)])),
        ("nr_inodes=100", archive(&many)),
    ] {
        let Some(disk) = SmallDisk::mount(options) else {
            return;
        };
        let error = fill(disk.path(), body).await;
        assert!(matches!(error, ArchiveError::DiskFull { .. }), "{error}");
        let text = chain(&error);
        assert!(text.contains("the disk is full at `"), "{text}");
        assert!(
            text.contains("TMPDIR") && text.contains("No space left"),
            "{text}"
        );
    }
}
