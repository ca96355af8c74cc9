//! Fetching a repository, against the `git` program on the same repository in the same run.
//!
//! The engine's address leads nowhere, so `cs reconcile` ends right after the source is there: its figure is that of the
//! whole process, checks of the source and announcements included.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use serde_json::json;

use crate::measure::{Samples, can_weigh, peak_mb, weighed};
use crate::report::Report;
use crate::support::git_server::{GitServer, bare_git};

const ROUNDS: usize = 3;
/// Size of each large file: 4 MB of noise, which does not compress.
const FILE_BYTES: usize = 4_000_000;
/// Small files beside them, in a tree of directories.
const SMALL: usize = 2_000;

pub(crate) fn measure(binary: &Path, report: &mut Report) {
    let Some(server) = GitServer::start(None) else {
        return;
    };
    for megabytes in [100, 500] {
        let name = format!("acme/noise-{megabytes}");
        fill(&server, &name, megabytes);
        let (mut ours, mut git) = (Figures::default(), Figures::default());
        for _ in 0..ROUNDS {
            ours.add(|into| cs(binary, &server, &name, into));
            git.add(|into| clone(&server, &name, into));
        }
        let what = format!("{megabytes} MB repository");
        ours.tell(
            report,
            &format!("{what}, `cs reconcile` until it is fetched"),
            "",
        );
        git.tell(report, &format!("{what}, `git clone --depth 1`"), "peer");
    }
}

#[derive(Default)]
struct Figures {
    wall: Samples,
    peak: Samples,
}

impl Figures {
    fn add(&mut self, run: impl FnOnce(&Path) -> Command) {
        let home = tempfile::tempdir().expect("a temporary directory");
        let began = Instant::now();
        let status = run(home.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        self.wall.push_ms(began.elapsed());
        // `cs` ends with an error, as the engine is away.
        status.expect("it starts");
        if can_weigh() {
            self.peak.push(peak_mb(&home.path().join("peak")));
        }
    }

    fn tell(&self, report: &mut Report, what: &str, bound: &str) {
        report.row(&format!("{what}, wall, ms"), &self.wall, bound);
        if can_weigh() {
            let bound = if bound.is_empty() { "≤ 64 MB" } else { bound };
            report.row(&format!("{what}, peak memory, MB"), &self.peak, bound);
        }
    }
}

fn fill(server: &GitServer, name: &str, megabytes: usize) {
    let repository = server.repository(name);
    // Noise that is the same in every run.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for file in 0..megabytes * 1_000_000 / FILE_BYTES {
        let noise: Vec<u8> = std::iter::repeat_with(|| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()
        })
        .take(FILE_BYTES / 8)
        .flatten()
        .collect();
        repository.file(&format!("large/{file}.bin"), noise);
    }
    for file in 0..SMALL {
        let path = format!("src/{}/{}/{file}.txt", file % 10, file % 100);
        repository.file(&path, format!("file {file}\n").repeat(40));
    }
    repository.commit();
    // As a server keeps it; otherwise each fetch measures how the server compresses.
    repository.git(["repack", "-a", "-d", "-q"]);
}

fn cs(binary: &Path, server: &GitServer, name: &str, into: &Path) -> Command {
    let params = json!({
        "jobId": "bench", "deploymentId": "bench", "serviceId": "bench", "projectId": "bench",
        "repository": name, "branch": "main", "imageName": "127.0.0.1:1/bench", "build": {"builder": "csdocker"},
    });
    let mut command = timed(binary, into);
    command
        .arg("reconcile")
        .env_clear()
        .env("NOMAD_META_TASK", "redeploy-repository")
        .env("NOMAD_META_PARAMS", params.to_string())
        .env("CS_GITHUB_URL", server.base())
        .env("DOCKER_HOST", format!("unix://{}/none", into.display()))
        .env("CS_STATE_DIR", into.join("state"))
        .env("TMPDIR", into);
    command
}

fn clone(server: &GitServer, name: &str, into: &Path) -> Command {
    let mut command = timed(Path::new("git"), into);
    command
        .args(["clone", "-q", "--depth", "1", "--branch", "main"])
        .arg(server.url(name))
        .arg(into.join("clone"));
    command.envs(
        bare_git()
            .get_envs()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    command
}

fn timed(program: &Path, into: &Path) -> Command {
    if can_weigh() {
        weighed(program, &into.join("peak"))
    } else {
        Command::new(program)
    }
}
