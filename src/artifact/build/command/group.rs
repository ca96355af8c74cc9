//! A process group: one child that leads it and whatever it starts.

use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, kill_process_group, test_kill_process_group, waitid,
};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};
use tokio::signal::unix::{SignalKind, signal};

use super::Program;

/// Between `TERM` and `KILL`. Together with [`SETTLING`] below the second within which a stopped run has to end.
const GRACE: Duration = Duration::from_millis(500);

/// Longest wait for killed members of the group to be gone.
const SETTLING: Duration = Duration::from_millis(300);

/// Between two looks at a group that was killed.
const LOOK: Duration = Duration::from_millis(5);

/// A started program and its group. Killed when dropped before [`Group::reap`] has returned.
#[derive(Debug)]
pub(super) struct Group {
    leader: Child,
    id: Pid,
    /// The leader is gone for good, and its number may be somebody else's.
    reaped: bool,
}

impl Group {
    /// Starts a program as the leader of a group of its own, with nothing to read.
    pub(super) fn start(program: &Program) -> io::Result<Self> {
        let leader = Command::new(&program.path)
            .args(&program.arguments)
            .current_dir(&program.directory)
            .env_clear()
            .envs(program.surroundings.iter())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            // Reaped by the runtime when the guard is dropped.
            .kill_on_drop(true)
            .spawn()?;
        let id = leader
            .id()
            .and_then(|id| Pid::from_raw(id.cast_signed()))
            .expect("a child that is not reaped has a number");
        Ok(Self {
            leader,
            id,
            reaped: false,
        })
    }

    /// Its standard output and its diagnostics. Called once.
    pub(super) fn pipes(&mut self) -> (ChildStdout, ChildStderr) {
        let out = self.leader.stdout.take().expect("piped at the start");
        let err = self.leader.stderr.take().expect("piped at the start");
        (out, err)
    }

    /// Waits until the leader has ended, without reaping it: the group's number stays taken, so that it can be killed
    /// without hitting anybody else.
    pub(super) async fn leader_ended(&self) -> io::Result<()> {
        // Listened to before the first look, so that no end is missed.
        let mut children = signal(SignalKind::child())?;
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        while waitid(WaitId::Pid(self.id), look)?.is_none() {
            children.recv().await;
        }
        Ok(())
    }

    /// Kills every member. Nothing happens to a group that is gone.
    pub(super) fn kill(&self) {
        self.signal(Signal::KILL);
    }

    fn signal(&self, signal: Signal) {
        if !self.reaped {
            // Fails only when no member is left.
            let _ = kill_process_group(self.id, signal);
        }
    }

    /// Asks every member to end, and makes those that do not.
    pub(super) async fn end(&mut self) {
        self.signal(Signal::TERM);
        let _ = tokio::time::timeout(GRACE, self.leader_ended()).await;
        self.kill();
        // The caller learns that it was stopped; how the program took it is of no interest.
        let _ = self.reap().await;
    }

    /// Takes note of the leader's end and waits until the killed rest of the group is gone, so that nobody writes into
    /// its directories any more.
    pub(super) async fn reap(&mut self) -> io::Result<ExitStatus> {
        let status = self.leader.wait().await?;
        self.reaped = true;
        let settled = async {
            while !self.is_empty() {
                tokio::time::sleep(LOOK).await;
            }
        };
        // A member that hangs in the kernel, or whose new parent does not reap, is not worth a wait without end.
        let _ = tokio::time::timeout(SETTLING, settled).await;
        Ok(status)
    }

    fn is_empty(&self) -> bool {
        // Orphans become ours where we are the first process of a container.
        let ours = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
        while let Ok(Some(_)) = waitid(WaitId::Pgid(Some(self.id)), ours) {}
        test_kill_process_group(self.id) == Err(Errno::SRCH)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}
