//! HTTPS, with certificates made for the test, in front of the double.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use cs::clients::chain;
use cs::clients::vault::{VaultError, VaultLogin};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::json;
use tempfile::TempDir;

use super::{error, read, values};
use crate::support::vault::{LOGIN, Reply, VaultDouble, login};

const PATH: &str = "kv/data/shop";

/// A CA, a certificate of it for 127.0.0.1, and a CA that signed nothing.
fn make_certificates() -> TempDir {
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let new = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2";
    for ca in ["ca", "foreign"] {
        let arguments = format!("req -x509 {new} -subj /CN={ca} -keyout {ca}.key -out {ca}.pem");
        openssl(directory.path(), &arguments);
    }
    let leaf = format!(
        "req -x509 {new} -subj /CN=vault -addext subjectAltName=IP:127.0.0.1 \
         -addext basicConstraints=critical,CA:FALSE -CA ca.pem -CAkey ca.key -keyout vault.key -out vault.pem"
    );
    openssl(directory.path(), &leaf);
    directory
}

fn openssl(directory: &Path, arguments: &str) {
    let output = Command::new("openssl")
        .args(arguments.split_whitespace())
        .current_dir(directory)
        .output()
        .expect("openssl is installed");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
}

/// Takes TLS off and hands each request on, one a connection. Ends when dropped.
struct Front {
    address: SocketAddr,
    ended: Arc<AtomicBool>,
    connections: Arc<AtomicUsize>,
}

impl Drop for Front {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.address);
    }
}

impl Front {
    fn start(certificates: &Path, target: SocketAddr) -> Self {
        let config = Arc::new(server_config(certificates));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("there are free ports");
        let address = listener.local_addr().expect("it is bound");
        let ended = Arc::new(AtomicBool::new(false));
        let connections = Arc::new(AtomicUsize::new(0));
        let (seen, count) = (Arc::clone(&ended), Arc::clone(&connections));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if seen.load(Ordering::Relaxed) {
                    return;
                }
                count.fetch_add(1, Ordering::Relaxed);
                let config = Arc::clone(&config);
                std::thread::spawn(move || {
                    // A client that breaks off is what some tests want.
                    let _ = hand_on(stream?, config, target);
                    Ok::<_, std::io::Error>(())
                });
            }
        });
        Self {
            address,
            ended,
            connections,
        }
    }

    fn login(&self) -> VaultLogin {
        login(&format!("https://{}", self.address))
    }
}

fn server_config(directory: &Path) -> ServerConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let certificate = CertificateDer::from_pem_file(directory.join("vault.pem"));
    let key = PrivateKeyDer::from_pem_file(directory.join("vault.key"));
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring has cipher suites")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.expect("PEM")], key.expect("PEM"))
        .expect("key and certificate belong together")
}

fn hand_on(
    stream: TcpStream,
    config: Arc<ServerConfig>,
    target: SocketAddr,
) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    let connection = ServerConnection::new(config).map_err(std::io::Error::other)?;
    let mut tls = StreamOwned::new(connection, stream);
    let (head, body) = request(&mut tls)?;
    let mut onward = TcpStream::connect(target)?;
    onward.set_read_timeout(Some(Duration::from_secs(20)))?;
    let head = head.replacen("\r\n", "\r\nconnection: close\r\n", 1);
    onward.write_all(head.as_bytes())?;
    onward.write_all(&body)?;
    let mut answer = Vec::new();
    onward.read_to_end(&mut answer)?;
    tls.write_all(&answer)?;
    tls.conn.send_close_notify();
    tls.flush()
}

/// The head of a request with its empty line, and its body.
fn request(stream: &mut impl std::io::Read) -> std::io::Result<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    let end = loop {
        let mut chunk = [0; 4096];
        let count = stream.read(&mut chunk)?;
        if count == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        bytes.extend_from_slice(&chunk[..count]);
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
    };
    let mut body = bytes.split_off(end);
    let head = String::from_utf8_lossy(&bytes).to_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .map_or(0, |length| length.parse().unwrap_or(0));
    let have = body.len();
    body.resize(length.max(have), 0);
    stream.read_exact(&mut body[have..])?;
    Ok((String::from_utf8_lossy(&bytes).into_owned(), body))
}

struct Stand {
    vault: VaultDouble,
    front: Front,
    certificates: TempDir,
}

impl Stand {
    fn start() -> Self {
        let certificates = make_certificates();
        let vault = VaultDouble::start();
        vault.secret(PATH, json!({"A": "1"}));
        let front = Front::start(certificates.path(), vault.socket());
        Self {
            vault,
            front,
            certificates,
        }
    }

    fn ca(&self, name: &str) -> Option<PathBuf> {
        Some(self.certificates.path().join(name))
    }
}

#[tokio::test]
async fn a_named_ca_is_trusted_besides_the_systems() {
    let stand = Stand::start();
    let mut login = stand.front.login();
    login.ca_cert = stand.ca("ca.pem");
    let secrets = read(&login, PATH).await.unwrap();
    assert_eq!(values(&secrets), [("A", "1")]);
    assert_eq!(stand.vault.live_tokens(), 0);
}

#[tokio::test]
async fn verification_is_left_out_only_when_asked_for() {
    let stand = Stand::start();
    let mut login = stand.front.login();
    login.tls_skip_verify = true;
    assert!(read(&login, PATH).await.is_ok());
}

#[tokio::test]
async fn an_untrusted_vault_gets_no_credentials_and_no_second_attempt() {
    let stand = Stand::start();
    let mut foreign = stand.front.login();
    foreign.ca_cert = stand.ca("foreign.pem");
    let port = stand.front.address.port();
    let mut named = login(&format!("https://localhost:{port}"));
    named.ca_cert = stand.ca("ca.pem");
    for login in [stand.front.login(), foreign, named] {
        let before = stand.front.connections.load(Ordering::Relaxed);
        let error = error(&login, PATH).await;
        assert!(
            matches!(error, VaultError::Untrusted { .. }),
            "{}",
            chain(&error)
        );
        assert!(chain(&error).contains("certificate"), "{}", chain(&error));
        let after = stand.front.connections.load(Ordering::Relaxed);
        assert_eq!(after - before, 1, "another attempt would change nothing");
    }
    assert!(stand.vault.calls().is_empty());
}

#[tokio::test]
async fn nothing_that_was_sent_over_https_follows_to_http() {
    let stand = Stand::start();
    let plain = VaultDouble::start();
    let to = format!("{}{LOGIN}", plain.address());
    stand.vault.script(LOGIN, 1, Reply::Redirect(307, to));
    let mut login = stand.front.login();
    login.ca_cert = stand.ca("ca.pem");
    let error = error(&login, PATH).await;
    assert!(matches!(error, VaultError::Redirected { .. }), "{error}");
    assert!(plain.calls().is_empty());
}

#[tokio::test]
async fn tls_towards_a_plain_server_is_told_at_once() {
    let plain = VaultDouble::start();
    let error = error(&login(&plain.address().replace("http:", "https:")), PATH).await;
    assert!(
        matches!(error, VaultError::Untrusted { .. }),
        "{}",
        chain(&error)
    );
}
