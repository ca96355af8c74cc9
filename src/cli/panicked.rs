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

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

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
    end_children();
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

/// Builders lead process groups of their own, and would work on for nobody. Where the kernel does not list children, they do.
fn end_children() {
    let threads = std::fs::read_dir("/proc/self/task").into_iter().flatten();
    for thread in threads.flatten() {
        let children = std::fs::read_to_string(thread.path().join("children")).unwrap_or_default();
        let numbers = children
            .split_whitespace()
            .filter_map(|number| number.parse().ok());
        for child in numbers.filter_map(Pid::from_raw) {
            // Whoever is listed is not reaped yet, so the number is nobody else's.
            let _ = kill_process_group(child, Signal::KILL)
                .or_else(|_| kill_process(child, Signal::KILL));
        }
    }
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

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::Stdio;

    use super::*;

    /// Run again in a process of its own: the children of this one are other tests'.
    #[test]
    fn a_panic_leaves_no_child_behind() {
        let again = "cli::panicked::tests::children_and_theirs_end";
        let mut test = Command::new(std::env::current_exe().unwrap());
        let ended = test.args(["--exact", again, "--ignored"]).output().unwrap();
        let said = String::from_utf8_lossy(&ended.stdout);
        assert!(
            ended.status.success() && said.contains("1 passed"),
            "{said}"
        );
    }

    #[test]
    #[ignore = "run by the test above"]
    fn children_and_theirs_end() {
        let mut leader = Command::new("sh")
            .args(["-c", "sleep 600 & echo; wait"])
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap();
        // Its own child is there, and holds the other end.
        let mut end = leader.stdout.take().unwrap();
        end.read_exact(&mut [0]).unwrap();
        let mut simple = Command::new("sleep").arg("600").spawn().unwrap();
        end_children();
        for child in [&mut leader, &mut simple] {
            assert_eq!(child.wait().unwrap().signal(), Some(9));
        }
        // Nobody of the group holds the pipe any more.
        assert_eq!(end.read(&mut [0]).unwrap(), 0);
    }
}
