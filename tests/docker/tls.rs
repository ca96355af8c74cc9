//! An engine behind TLS that wants to know its clients.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use cs::clients::docker::{Engine, EngineError, Unreachable};
use cs::config::Environment;

use crate::support::ports::free_port;

fn openssl(directory: &Path, arguments: &str) {
    let output = Command::new("openssl")
        .args(arguments.split(' '))
        .current_dir(directory)
        .output()
        .expect("openssl is installed");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}

/// A CA, a certificate of it for the loopback, and one for a client under the names that Docker gives them.
fn make_certificates(directory: &Path) {
    let new = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2";
    let ca = format!("req -x509 {new} -subj /CN=ca -keyout ca.key -out ca.pem");
    openssl(directory, &ca);
    for (leaf, key, name) in [
        ("server.pem", "server.key", "IP:127.0.0.1"),
        ("cert.pem", "key.pem", "DNS:client"),
    ] {
        let leaf = format!(
            "req -x509 {new} -subj /CN=leaf -addext subjectAltName={name} -addext basicConstraints=critical,CA:FALSE \
             -CA ca.pem -CAkey ca.key -keyout {key} -out {leaf}"
        );
        openssl(directory, &leaf);
    }
}

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Serves the answers by which an engine says who it is, to clients with a certificate of the CA.
async fn serve(directory: &Path) -> (Server, String) {
    let version = r#"{"ApiVersion":"1.41","MinAPIVersion":"1.12","Os":"linux","Version":"20"}"#;
    for (path, body) in [("_ping", "OK"), ("version", version)] {
        let length = body.len();
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}");
        std::fs::write(directory.join(path), answer).unwrap();
    }
    let port = free_port();
    let arguments = format!(
        "s_server -accept 127.0.0.1:{port} -HTTP -quiet -cert server.pem -key server.key -CAfile ca.pem -Verify 1 \
         -verify_return_error"
    );
    let server = Command::new("openssl")
        .args(arguments.split(' '))
        .current_dir(directory)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
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
    (Server(server), format!("tcp://127.0.0.1:{port}"))
}

fn engine(host: &str, certificates: &Path) -> Engine {
    let environment = Environment::of_pairs([
        ("DOCKER_HOST", host),
        ("DOCKER_TLS_VERIFY", "1"),
        ("DOCKER_CERT_PATH", certificates.to_str().unwrap()),
    ]);
    Engine::from_environment(&environment).unwrap()
}

#[tokio::test]
async fn both_sides_show_their_certificates() {
    let home = tempfile::tempdir().unwrap();
    make_certificates(home.path());
    let (_server, host) = serve(home.path()).await;
    let info = engine(&host, home.path()).ping().await.unwrap();
    assert_eq!(info.version, "20");

    let nameless = tempfile::tempdir().unwrap();
    std::fs::copy(home.path().join("ca.pem"), nameless.path().join("ca.pem")).unwrap();
    engine(&host, nameless.path()).ping().await.unwrap_err();

    let foreign = tempfile::tempdir().unwrap();
    make_certificates(foreign.path());
    let refused = engine(&host, foreign.path()).ping().await.unwrap_err();
    let why = Unreachable::Other;
    assert!(
        matches!(&refused, EngineError::Unreachable { why: is, .. } if *is == why),
        "{refused:?}"
    );
}
