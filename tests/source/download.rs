//! What a server may do to a download.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cs::artifact::source::archive::ArchiveError;
use cs::clients::chain;

use super::{Lab, archive};
use crate::support::files_server::{Answer, FilesServer};
use crate::support::ports::CLOSED_PORT;
use crate::support::registry::sha256;

const PRESIGNED: &str =
    "/canary-bucket/canary-key.tar.gz?X-Amz-Signature=canary-signature&X-Amz-Expires=1";

fn source() -> Vec<u8> {
    archive(&[
        ("Dockerfile", b"FROM scratch\n"),
        ("app/main.go", b"package main\n"),
    ])
}

#[tokio::test]
async fn an_uploaded_source_is_downloaded_and_unpacked() {
    let body = source();
    let server = FilesServer::with(Answer::file(body.clone())).await;
    let mut lab = Lab::new();
    lab.sha256 = Some(sha256(&body).to_uppercase());
    let (result, said) = lab.listen(&server.url(PRESIGNED)).await;
    let unpacked = result.unwrap();
    assert_eq!((unpacked.files, unpacked.bytes), (2, 26));
    assert_eq!(format!("sha256:{}", unpacked.sha256), sha256(&body));
    assert_eq!(
        std::fs::read(lab.root().join("app/main.go")).unwrap(),
        b"package main\n"
    );
    assert_eq!(
        said,
        format!("Downloaded {} B\nUnpacked 2 files, 26 B\n", body.len())
    );
    let asked = server.asked();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].target, PRESIGNED);
    assert_eq!(asked[0].header("authorization"), None);
    // A server that compresses on the way would change the digest.
    assert_eq!(asked[0].header("accept-encoding"), None);
}

#[tokio::test]
async fn a_file_that_is_stored_with_a_content_encoding_is_taken_as_it_is() {
    let body = source();
    let server = FilesServer::with(Answer::file(body).header("Content-Encoding", "gzip")).await;
    assert_eq!(Lab::new().fetch(&server.url("/a")).await.unwrap().files, 2);
}

#[tokio::test]
async fn skipped_entries_are_said_once() {
    let mut tar = tar::Builder::new(Vec::new());
    for kind in [
        tar::EntryType::Char,
        tar::EntryType::Fifo,
        tar::EntryType::Regular,
    ] {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(kind);
        header.set_size(0);
        tar.append_data(&mut header, format!("{:?}", kind), &b""[..])
            .unwrap();
    }
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut gzip, &tar.into_inner().unwrap()).unwrap();
    let server = FilesServer::with(Answer::file(gzip.finish().unwrap())).await;
    let (result, said) = Lab::new().listen(&server.url("/a")).await;
    result.unwrap();
    assert!(
        said.contains("Skipped 2 of the archive's entries"),
        "{said}"
    );
    assert!(said.ends_with("Unpacked 1 file, 0 B\n"), "{said}");
}

#[tokio::test]
async fn another_digest_than_expected_is_an_error_with_both() {
    let mut body = source();
    let expected = sha256(&body);
    // Behind the archive, where only the digest sees it.
    body.push(0);
    let server = FilesServer::with(Answer::file(body.clone())).await;
    let mut lab = Lab::new();
    lab.sha256 = Some(expected.clone());
    let text = lab.fetch(&server.url("/a")).await.unwrap_err().to_string();
    for digest in [expected, sha256(&body)] {
        assert!(
            text.contains(digest.trim_start_matches("sha256:")),
            "{text}"
        );
    }
}

#[tokio::test]
async fn an_expected_digest_that_is_none_is_refused_before_anything_is_asked() {
    let server = FilesServer::with(Answer::file(source())).await;
    let mut lab = Lab::new();
    lab.sha256 = Some("abc".to_owned());
    let error = lab.fetch(&server.url("/a")).await.unwrap_err();
    assert!(matches!(error, ArchiveError::BadDigest), "{error}");
    assert!(server.asked().is_empty());
}

#[tokio::test]
async fn a_status_that_is_no_success_is_named_with_what_to_do() {
    for (status, hint) in [
        (403, "may have expired"),
        (401, "may have expired"),
        (400, "may have expired"),
        (404, "not there"),
        (410, "not there"),
        (429, "try again later"),
        (503, "try again later"),
        (206, "plain download"),
        (204, "plain download"),
        (304, "plain download"),
    ] {
        let server = FilesServer::with(Answer::bare(status)).await;
        let text = Lab::new()
            .fetch(&server.url("/a"))
            .await
            .unwrap_err()
            .to_string();
        let start = format!(
            "`{}` does not hand out the archive (status {status})",
            server.host()
        );
        assert!(text.starts_with(&start) && text.contains(hint), "{text}");
    }
}

#[tokio::test]
async fn a_page_instead_of_an_archive_is_called_a_page() {
    let page =
        Answer::file("<!DOCTYPE html><title>Sign in</title>").header("Content-Type", "text/html");
    let server = FilesServer::with(page).await;
    let text = Lab::new()
        .fetch(&server.url("/a"))
        .await
        .unwrap_err()
        .to_string();
    assert_eq!(text, "expected a gzip tar (`.tar.gz`), got an HTML page");
}

#[tokio::test]
async fn credentials_of_the_address_stay_with_its_host() {
    let body = source();
    let store = FilesServer::with(Answer::file(body)).await;
    let away = store.url("/elsewhere?sig=2");
    let first = FilesServer::start(move |asked| {
        Some(match asked.target.as_str() {
            "/a" => Answer::redirect(302, "/b?x"),
            _ => Answer::redirect(307, &away),
        })
    })
    .await;
    let url = format!("http://user:p%40ss@{}/a", first.host());
    Lab::new().fetch(&url).await.unwrap();
    let basic = format!("Basic {}", STANDARD.encode("user:p@ss"));
    let asked = first.asked();
    assert_eq!(asked.len(), 2);
    for asked in &asked {
        assert_eq!(asked.header("authorization"), Some(basic.as_str()));
    }
    assert_eq!(asked[1].target, "/b?x");
    let asked = store.asked();
    assert_eq!(asked[0].target, "/elsewhere?sig=2");
    assert_eq!(asked[0].header("host"), Some(store.host()));
    for header in ["authorization", "referer", "cookie"] {
        assert_eq!(asked[0].header(header), None, "{header}");
    }
}

#[tokio::test]
async fn redirects_come_to_an_end() {
    let server = FilesServer::with(Answer::redirect(301, "/again?canary")).await;
    let text = Lab::new()
        .fetch(&server.url("/a"))
        .await
        .unwrap_err()
        .to_string();
    assert!(text.contains("again and again"), "{text}");
    assert_eq!(server.asked().len(), 6);
    for to in ["ftp://127.0.0.1/x", "http://", ""] {
        let server = FilesServer::with(Answer::redirect(302, to)).await;
        let error = Lab::new().fetch(&server.url("/a")).await.unwrap_err();
        assert!(
            matches!(error, ArchiveError::Redirect { .. }),
            "{to}: {error}"
        );
    }
    let server = FilesServer::with(Answer::bare(302)).await;
    let error = Lab::new().fetch(&server.url("/a")).await.unwrap_err();
    assert!(
        error.to_string().contains("without saying where"),
        "{error}"
    );
}

#[tokio::test]
async fn a_server_that_falls_silent_is_given_up() {
    let body = source();
    let half = body.len() / 2;
    let length = body.len().to_string();
    let answers = [
        None,
        Some(
            Answer::bare(200)
                .header("Content-Length", &length)
                .silence(),
        ),
        Some(
            Answer::bare(200)
                .header("Content-Length", &length)
                .bytes(&body[..half])
                .silence(),
        ),
        // The whole archive, but not the end of the answer.
        Some(Answer::bare(200).bytes(body).silence()),
    ];
    for answer in answers {
        let server = FilesServer::start(move |_| answer.clone()).await;
        let mut lab = Lab::new();
        lab.limits.connect = Duration::from_millis(100);
        lab.limits.silence = Duration::from_millis(200);
        let error = lab.fetch(&server.url("/a")).await.unwrap_err();
        assert!(matches!(error, ArchiveError::Silent { .. }), "{error}");
        assert!(error.to_string().contains(server.host()), "{error}");
    }
}

#[tokio::test]
async fn a_length_that_is_a_lie_is_found_out() {
    let body = source();
    let longer = Answer::bare(200)
        .header("Content-Length", "999999")
        .bytes(body.clone());
    let server = FilesServer::with(longer).await;
    let error = Lab::new().fetch(&server.url("/a")).await.unwrap_err();
    let received = body.len() as u64;
    assert!(
        matches!(error, ArchiveError::Broken { received: told, .. } if told == received),
        "{error}"
    );
    let shorter = Answer::bare(200).header("Content-Length", "60").bytes(body);
    let server = FilesServer::with(shorter).await;
    let error = Lab::new().fetch(&server.url("/a")).await.unwrap_err();
    assert!(
        matches!(error, ArchiveError::Truncated { what: "gzip data" }),
        "{error}"
    );
}

#[tokio::test]
async fn a_download_has_a_bound_whether_it_is_announced_or_not() {
    let announced = Answer::bare(200)
        .header("Content-Length", "1000001")
        .silence();
    let endless = Answer::bare(200)
        .bytes(archive(&[("a", b"x")]))
        .endless([0; 4096]);
    for answer in [announced, endless] {
        let server = FilesServer::with(answer).await;
        let mut lab = Lab::new();
        lab.limits.download_bytes = 1_000_000;
        let error = lab.fetch(&server.url("/a")).await.unwrap_err();
        assert!(
            matches!(error, ArchiveError::DownloadTooLarge { limit: 1_000_000 }),
            "{error}"
        );
        assert!(error.to_string().contains("976.5 KiB"), "{error}");
    }
}

#[tokio::test]
async fn a_bad_archive_ends_the_download_of_the_rest() {
    let bad = archive(&[("a", b"x")]);
    for answer in [
        Answer::bare(200)
            .bytes("<html>")
            .bytes([b' '; 600])
            .endless([b' '; 4096]),
        Answer::bare(200)
            .bytes("<html>")
            .bytes([b' '; 600])
            .silence(),
        Answer::bare(200).bytes(&bad[..20]).endless([0xff; 4096]),
    ] {
        let server = FilesServer::with(answer).await;
        let error = Lab::new().fetch(&server.url("/a")).await.unwrap_err();
        let content = matches!(error, ArchiveError::NotGzip { .. } | ArchiveError::Gzip(_));
        assert!(content, "{error}");
    }
}

#[tokio::test]
async fn nothing_of_an_address_but_its_host_is_ever_told() {
    let whole = source();
    let away =
        |host: &str| Answer::redirect(302, &format!("http://canary-u:canary-p@{host}{PRESIGNED}"));
    let closed = format!("127.0.0.1:{}", CLOSED_PORT);
    let answers = [
        Answer::file(whole.clone()),
        Answer::bare(403).bytes("canary-signature does not match"),
        Answer::bare(500),
        Answer::redirect(302, PRESIGNED),
        Answer::redirect(302, "ftp://canary/canary"),
        away(&closed),
        Answer::bare(200)
            .header("Content-Length", "9999")
            .bytes(&whole[..30]),
        Answer::bare(200).silence(),
        Answer::bare(200).header("Content-Length", "9999999999"),
        Answer::file("<html>canary"),
    ];
    let mut failures = 0;
    for answer in answers {
        let server = FilesServer::with(answer.clone()).await;
        let mut lab = Lab::new();
        lab.limits.silence = Duration::from_millis(200);
        let url = format!(
            "http://canary-user:canary-pass@{}{PRESIGNED}",
            server.host()
        );
        let (result, said) = lab.listen(&url).await;
        let told = match &result {
            Ok(unpacked) => format!("{unpacked:?}"),
            Err(error) => format!("{error} {} {error:?}", chain(error)),
        };
        failures += usize::from(result.is_err());
        assert!(
            !told.contains("canary") && !told.contains("X-Amz"),
            "{answer:?}: {told}"
        );
        assert!(!said.contains("canary"), "{answer:?}: {said}");
    }
    assert_eq!(failures, 9);
}

#[tokio::test]
async fn a_host_that_is_not_there_is_named() {
    let host = format!("127.0.0.1:{}", CLOSED_PORT);
    let error = Lab::new()
        .fetch(&format!("http://{host}{PRESIGNED}"))
        .await
        .unwrap_err();
    assert!(
        matches!(&error, ArchiveError::Unreachable { host: told, .. } if *told == host),
        "{error}"
    );
    assert!(!chain(&error).contains("canary"), "{}", chain(&error));
}

#[tokio::test]
async fn an_address_that_cannot_be_called_is_refused() {
    for url in ["", "canary", "file:///etc/passwd", "ftp://h/canary"] {
        let error = Lab::new().fetch(url).await.unwrap_err();
        assert!(matches!(error, ArchiveError::Address), "{url}: {error}");
    }
}
