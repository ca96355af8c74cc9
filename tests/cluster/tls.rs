//! What the doctor says about TLS, against a real TLS server with certificates made for the test.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::{assert_check, report};
use crate::support::env::{TestEnv, eventually};
use crate::support::ports::free_port;

fn openssl(directory: &Path, arguments: &str) {
    let output = Command::new("openssl")
        .args(arguments.split(' '))
        .current_dir(directory)
        .output()
        .expect("openssl is installed");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "openssl {arguments}\n{said}");
}

/// A CA, one that signed nothing, and certificates for a name and an address: one in order, one that has just ended.
fn make_certificates(directory: &Path) {
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    for ca in ["ca", "foreign"] {
        openssl(
            directory,
            &format!("req -x509 {key} -days 2 -subj /CN={ca} -keyout {ca}.key -out {ca}.pem"),
        );
    }
    let extensions = "basicConstraints=critical,CA:FALSE\nsubjectAltName=DNS:server.global.nomad,DNS:localhost\n";
    std::fs::write(directory.join("leaf.ext"), extensions).expect("the directory is ours");
    for (leaf, days) in [("good", 2), ("expired", 0)] {
        openssl(
            directory,
            &format!("req {key} -subj /CN={leaf} -keyout {leaf}.key -out {leaf}.csr"),
        );
        openssl(
            directory,
            &format!(
                "x509 -req -in {leaf}.csr -CA ca.pem -CAkey ca.key -days {days} -extfile leaf.ext -out {leaf}.pem"
            ),
        );
    }
}

struct Server {
    process: Child,
    port: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Answers nothing that Nomad would: whoever gets that far has come through TLS.
fn serve(directory: &Path, leaf: &str, more: &[&str]) -> Server {
    let port = free_port();
    let process = Command::new("openssl")
        .args([
            "s_server",
            "-accept",
            &format!("127.0.0.1:{port}"),
            "-WWW",
            "-quiet",
            "-tls1_3",
        ])
        .args([
            "-cert",
            &format!("{leaf}.pem"),
            "-key",
            &format!("{leaf}.key"),
        ])
        .args(more)
        .current_dir(directory)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("openssl is installed");
    eventually("the TLS server listens", || {
        std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
    });
    Server { process, port }
}

#[test]
fn every_reason_of_tls_is_told_with_the_flag_that_helps() {
    let env = TestEnv::new();
    let directory = env.root().join("certificates");
    std::fs::create_dir(&directory).unwrap();
    make_certificates(&directory);
    let at = |name: &str| directory.join(name).display().to_string();
    let doctor = |server: &Server, host: &str, flags: &[&str]| {
        let address = format!("https://{host}:{}", server.port);
        let run = env
            .cs(["doctor", "-o", "json", "--address", &address])
            .args(flags);
        report(&run.var("NOMAD_TOKEN", "canary").run())
    };
    let good = serve(&directory, "good", &[]);
    let ca = at("ca.pem");

    let found = doctor(&good, "localhost", &["--ca-cert", &at("foreign.pem")]);
    assert_check(&found, "address", "ok", "accepts connections", "");
    assert_check(
        &found,
        "tls",
        "fail",
        "nobody whom this machine trusts",
        "--ca-cert FILE",
    );
    let found = doctor(&good, "127.0.0.1", &["--ca-cert", &ca]);
    assert_check(
        &found,
        "tls",
        "fail",
        "for another name",
        "--tls-server-name server.REGION.nomad",
    );
    // Past TLS: a file server is no Nomad.
    for flags in [
        &["--ca-cert", &ca, "--tls-server-name", "server.global.nomad"][..],
        &["--tls-skip-verify"],
    ] {
        let found = doctor(&good, "127.0.0.1", flags);
        assert_check(&found, "nomad", "fail", "something else than Nomad", "");
    }
    let found = doctor(&good, "127.0.0.1", &["--tls-skip-verify"]);
    assert_check(
        &found,
        "privacy",
        "warn",
        "certificates go unchecked",
        "NOMAD_CACERT",
    );
    let found = doctor(&good, "localhost", &["--ca-cert", &ca]);
    assert_check(&found, "nomad", "fail", "something else than Nomad", "");

    let closed = serve(
        &directory,
        "good",
        &["-Verify", "1", "-verify_return_error", "-CAfile", "ca.pem"],
    );
    let found = doctor(&closed, "localhost", &["--ca-cert", &ca]);
    assert_check(
        &found,
        "tls",
        "fail",
        "wants a certificate of this client",
        "--client-cert FILE",
    );

    let expired = serve(&directory, "expired", &[]);
    let mut found = serde_json::Value::Null;
    // It ends with the second in which it was made.
    eventually("the certificate has ended", || {
        found = doctor(&expired, "localhost", &["--ca-cert", &ca]);
        found.to_string().contains("has expired")
    });
    assert_check(
        &found,
        "tls",
        "fail",
        "has expired",
        "openssl x509 -noout -dates",
    );
}
