//! Parses arguments, runs the command, maps its result to an exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    // One TLS stack with one provider, chosen here and nowhere else. Fails only when it was chosen before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    cs::cli::run()
}
