//! Parses arguments, runs the command, maps its result to an exit code.

use std::process::ExitCode;

/// musl's own has one lock for all threads and gives memory back at every turn: validation took twice as long with it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // One TLS stack with one provider, chosen here and nowhere else. Fails only when it was chosen before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    cs::cli::run()
}
