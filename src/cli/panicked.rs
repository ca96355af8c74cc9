//! What happens when `cs` itself is at fault: a panic.
//!
//! The release build does not unwind, so what a panic owes to others is paid in its hook, in every build alike: it is said what
//! happened and where, and nobody is left waiting. A dispatched run replaces itself by a fresh process that only announces
//! `deployment.failed`: it has no lock, no thread and no half-made state of the one that broke. Everything else ends with 1.
//! An agent's tasks come back to the queue, where another try finds how far this one came; so does a rollout of `cs serve`.

use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::panic::PanicHookInfo;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

/// Who waits for the end of this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owes {
    /// A platform, for the end of its deployment.
    Announcement,
    /// Only whoever reads its exit code.
    Nothing,
}

/// The flag of `cs reconcile` under which it announces the failure of the run before it, and does nothing else.
pub(super) const FLAG: &str = "--after-panic";

/// Sees to it that a panic in any thread ends the process, with what it owes. Core dumps would hold secrets: there are none.
pub(super) fn prepare(owes: Owes) {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Core);
    let none = rustix::process::Rlimit {
        current: Some(0),
        ..limit
    };
    // Where it is refused, it is the machine's decision.
    let _ = rustix::process::setrlimit(rustix::process::Resource::Core, none);
    std::panic::set_hook(Box::new(move |info| last_words(info, owes)));
}

fn last_words(info: &PanicHookInfo<'_>, owes: Owes) {
    static IS_SAID: AtomicBool = AtomicBool::new(false);
    if IS_SAID.swap(true, Ordering::SeqCst) {
        // Another thread is at it; what came first is what counts.
        loop {
            std::thread::park();
        }
    }
    say(info);
    if owes == Owes::Announcement {
        // The very file that runs, also when its name was given to a newer one meanwhile.
        let error = Command::new("/proc/self/exe")
            .args(std::env::args_os().skip(1))
            .arg(FLAG)
            .exec();
        let _ = writeln!(
            std::io::stderr(),
            "error: the failure cannot be announced: {error}"
        );
    }
    #[expect(
        clippy::disallowed_methods,
        clippy::exit,
        reason = "a panic has no way back to main"
    )]
    std::process::exit(1);
}

/// Standard error may be gone as well, so nothing here may panic.
fn say(info: &PanicHookInfo<'_>) {
    let text: String = info
        .to_string()
        .chars()
        .map(|c| if crate::plain::steers(c) { ' ' } else { c })
        .collect();
    let _ = writeln!(
        std::io::stderr(),
        "error: internal error: {text}\n  help: this is a bug in cs; report the line above with the command and `cs --version`"
    );
}
