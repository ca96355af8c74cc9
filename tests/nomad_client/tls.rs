//! HTTPS against a real TLS server with certificates made for the test.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use cs::clients::nomad::{ConnectionConfig, ConnectionError, Disposition, NomadClient, NomadError};

use super::{chain, quick};
use crate::support::ports::free_port;

const NAME: &str = "server.global.nomad";

fn openssl(directory: &Path, arguments: &str) {
    let output = Command::new("openssl")
        .args(arguments.split(' '))
        .current_dir(directory)
        .output()
        .expect("openssl is installed");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// A CA, a certificate for [`NAME`] alone, one for a client, and one CA more that signed nothing.
fn make_certificates(directory: &Path) {
    let new = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2";
    for ca in ["ca", "foreign"] {
        openssl(
            directory,
            &format!("req -x509 {new} -subj /CN={ca} -keyout {ca}.key -out {ca}.pem"),
        );
    }
    for (leaf, name) in [("server", NAME), ("client", "client.global.nomad")] {
        openssl(
            directory,
            &format!(
                "req -x509 {new} -subj /CN={leaf} -addext subjectAltName=DNS:{name} -addext basicConstraints=critical,CA:FALSE \
                 -CA ca.pem -CAkey ca.key -keyout {leaf}.key -out {leaf}.pem"
            ),
        );
    }
}

struct Server {
    process: Child,
    address: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Serves `/v1/status/leader` and demands a certificate of our CA.
async fn serve(directory: &Path) -> Server {
    std::fs::create_dir_all(directory.join("v1/status")).unwrap();
    let body = "\"127.0.0.1:4647\"";
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    std::fs::write(directory.join("v1/status/leader"), answer).unwrap();
    let port = free_port();
    let process = Command::new("openssl")
        .args([
            "s_server",
            "-accept",
            &format!("127.0.0.1:{port}"),
            "-HTTP",
            "-quiet",
        ])
        .args(
            "-cert server.pem -key server.key -CAfile ca.pem -Verify 1 -verify_return_error"
                .split(' '),
        )
        .current_dir(directory)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let server = Server {
        process,
        address: format!("https://127.0.0.1:{port}"),
    };
    let up = async {
        while tokio::net::TcpStream::connect(("127.0.0.1", port))
            .await
            .is_err()
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), up)
        .await
        .expect("the TLS server comes up");
    server
}

async fn leader(config: ConnectionConfig) -> Result<String, NomadError> {
    NomadClient::new(config)
        .unwrap()
        .leader()
        .await
        .map(|read| read.value)
}

#[tokio::test]
async fn ca_client_certificate_and_server_name_are_all_honoured() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| Some(directory.path().join(name));
    make_certificates(directory.path());
    let server = serve(directory.path()).await;
    let mut good = ConnectionConfig::new(&server.address).unwrap();
    good.timeouts = super::quick();
    good.timeouts.read = Duration::from_secs(10);
    good.ca_cert = at("ca.pem");
    good.client_cert = at("client.pem");
    good.client_key = at("client.key");
    good.tls_server_name = Some(NAME.to_owned());
    assert_eq!(leader(good.clone()).await.unwrap(), "127.0.0.1:4647");

    let mut directory_of_cas = good.clone();
    std::fs::create_dir(directory.path().join("cas")).unwrap();
    std::fs::copy(
        directory.path().join("ca.pem"),
        directory.path().join("cas/one.pem"),
    )
    .unwrap();
    (directory_of_cas.ca_cert, directory_of_cas.ca_path) = (None, at("cas"));
    assert_eq!(leader(directory_of_cas).await.unwrap(), "127.0.0.1:4647");

    let mut unchecked = good.clone();
    (
        unchecked.ca_cert,
        unchecked.tls_server_name,
        unchecked.skip_verify,
    ) = (None, None, true);
    assert_eq!(leader(unchecked).await.unwrap(), "127.0.0.1:4647");

    let mut wrong = Vec::new();
    wrong.push(ConnectionConfig {
        tls_server_name: None,
        ..good.clone()
    });
    wrong.push(ConnectionConfig {
        tls_server_name: Some("other.nomad".into()),
        ..good.clone()
    });
    wrong.push(ConnectionConfig {
        ca_cert: at("foreign.pem"),
        ..good.clone()
    });
    wrong.push(ConnectionConfig {
        client_cert: None,
        client_key: None,
        ..good
    });
    for config in wrong {
        let error = leader(config).await.unwrap_err();
        assert!(matches!(error, NomadError::Tls { .. }), "{}", chain(&error));
        assert_eq!(error.disposition(), Disposition::Stall);
    }
}

#[tokio::test]
async fn tls_towards_a_plain_server_is_a_tls_error() {
    let fake = super::fake::Fake::start(vec![super::fake::Step::AtAccept(
        b"HTTP/1.1 400 X\r\n\r\n".to_vec(),
    )])
    .await;
    let mut config = ConnectionConfig::new(&fake.address.replace("http:", "https:")).unwrap();
    config.timeouts = quick();
    config.skip_verify = true;
    let error = leader(config).await.unwrap_err();
    assert!(matches!(error, NomadError::Tls { .. }), "{}", chain(&error));
    assert!(error.help().contains("http://"));
}

#[test]
fn unusable_files_are_named_without_their_contents() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("x.pem");
    std::fs::write(&file, "-----BEGIN PRIVATE KEY-----\ncanary\n").unwrap();
    let mut config = ConnectionConfig::new("https://127.0.0.1:1").unwrap();
    config.ca_cert = Some(file.clone());
    let error = NomadClient::new(config.clone()).unwrap_err();
    assert!(
        matches!(
            error,
            ConnectionError::BadPem {
                variable: "NOMAD_CACERT",
                ..
            }
        ),
        "{error:?}"
    );
    assert!(!format!("{error:?} {error}").contains("canary"));
    config.ca_cert = Some(directory.path().join("missing.pem"));
    let error = NomadClient::new(config).unwrap_err();
    assert!(
        matches!(
            error,
            ConnectionError::ReadFile {
                variable: "NOMAD_CACERT",
                ..
            }
        ),
        "{error:?}"
    );
}
