//! Modes of what is written, whatever the umask says.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use cs::simulator::{Effect, Matcher};
use serde_json::json;

use super::below;
use crate::cli::lab::{Lab, image, image_with, rule};
use crate::set::lab::Specs;
use crate::support::env::{TestEnv, eventually};
use crate::support::files_server::{Answer, FilesServer};

const UMASKS: [&str; 2] = ["000", "022"];

/// A command under a umask. The shell is the test's.
fn under(env: &TestEnv, umask: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new("sh");
    command
        .args([
            "-c",
            "umask $0; exec \"$@\"",
            umask,
            env!("CARGO_BIN_EXE_cs"),
        ])
        .args(arguments)
        .env_clear()
        .envs(env.vars())
        .current_dir(env.root())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

#[track_caller]
fn run(env: &TestEnv, umask: &str, arguments: &[&str]) -> String {
    let ended = under(env, umask, arguments).output().expect("it runs");
    format!(
        "{}{}",
        String::from_utf8_lossy(&ended.stdout),
        String::from_utf8_lossy(&ended.stderr)
    )
}

fn mode(path: &Path) -> u32 {
    let metadata = std::fs::symlink_metadata(path);
    let metadata = metadata.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    metadata.permissions().mode() & 0o777
}

/// Everything below a directory, and the directory, is closed to others. Returns how many files there are.
#[track_caller]
fn assert_closed(directory: &Path) -> usize {
    let all = below(directory);
    for path in all.iter().chain([&directory.to_owned()]) {
        let wanted = if path.is_dir() { 0o700 } else { 0o600 };
        let found = mode(path);
        assert_eq!(found, wanted, "{} has mode {found:o}", path.display());
    }
    all.iter().filter(|path| path.is_file()).count()
}

#[track_caller]
fn assert_nothing_is_left(env: &TestEnv) {
    let left = below(&env.root().join("tmp"));
    assert!(left.is_empty(), "{left:?}");
}

/// What people ask for follows the umask.
#[track_caller]
fn assert_follows(path: &Path, umask: &str) {
    let umask = u32::from_str_radix(umask, 8).unwrap();
    assert_eq!(mode(path), 0o666 & !umask, "{}", path.display());
}

#[test]
fn a_dispatch_leaves_nothing_that_others_may_read() {
    for umask in UMASKS {
        let mut lab = Lab::new();
        // Events that are not delivered stay.
        lab.env
            .set("NATS_SERVERS", "nats://127.0.0.1:1")
            .set("CS_DEADLINE", "3s")
            .set("NOMAD_META_TASK", "deploy-image")
            .set("NOMAD_META_PARAMS", image().to_string());
        let said = run(&lab.env, umask, &["reconcile", "--summary", "summary.json"]);
        assert!(assert_closed(&lab.env.state()) > 0, "{said}");
        // Log lines of tasks are in it.
        assert_eq!(mode(&lab.env.root().join("summary.json")), 0o600);
        assert_nothing_is_left(&lab.env);
    }
}

#[test]
fn sealed_plans_and_inventories_are_closed_and_specs_follow_the_umask() {
    for umask in UMASKS {
        let specs = Specs::new();
        let env = &specs.lab.env;
        // Then the inventory is a file.
        let refused = Effect::Error {
            status: 403,
            body: "Permission denied".to_owned(),
        };
        let faults = rule(Matcher::new("PUT", "/v1/var/*"), refused);
        specs.lab.nomad.set_faults(faults);
        specs.service("app", "app:1", "");
        let plan = env.root().join("plan.json");
        // One that was open to others before.
        std::fs::write(&plan, "old").unwrap();
        std::fs::set_permissions(&plan, std::fs::Permissions::from_mode(0o666)).unwrap();
        run(env, umask, &["plan", "-f", "specs", "--out", "plan.json"]);
        assert_eq!(mode(&plan), 0o600);
        run(env, umask, &["apply", "-f", "specs", "--timeout", "40s"]);
        assert!(assert_closed(&env.state()) > 0);
        run(
            env,
            umask,
            &[
                "new", "workload", "one", "--image", "x:1", "--out", "one.yaml",
            ],
        );
        std::fs::create_dir(env.root().join("project")).unwrap();
        std::fs::write(env.root().join("project/Dockerfile"), "FROM scratch\n").unwrap();
        run(env, umask, &["init", "--path", "project", "--yes"]);
        env.file("params.json", image().to_string());
        run(
            env,
            umask,
            &[
                "convert",
                "--params",
                "params.json",
                "--task",
                "deploy-image",
                "--out",
                "converted",
            ],
        );
        assert_follows(&env.root().join("one.yaml"), umask);
        for folder in ["project", "converted"] {
            let written = below(&env.root().join(folder));
            let written = written.iter().filter(|path| !path.ends_with("Dockerfile"));
            assert!(written.clone().count() > 0, "{folder}");
            written.for_each(|path| assert_follows(path, umask));
        }
        assert_nothing_is_left(env);
    }
}

#[test]
fn the_config_file_is_closed() {
    for umask in UMASKS {
        let env = TestEnv::new();
        let file = env.root().join("conf/cs/config");
        let mut command = under(
            &env,
            umask,
            &["context", "set", "a", "--address", "http://127.0.0.1:1"],
        );
        let ended = command.env("CS_CONFIG", &file).output().unwrap();
        assert!(file.exists(), "{}", String::from_utf8_lossy(&ended.stderr));
        assert_closed(&env.root().join("conf"));
    }
}

/// Killed when dropped.
struct Guarded(Child);

impl Drop for Guarded {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_database_of_the_server_is_closed_with_all_that_stands_beside_it() {
    for umask in UMASKS {
        let mut lab = Lab::new();
        lab.env
            .set("CS_API_TOKEN", "0123456789abcdef0123456789abcdef")
            .set("CS_WEBHOOK_SECRET", "0123456789abcdef0123456789abcdef")
            .set("CS_JENKINS_URL", "http://127.0.0.1:1")
            .set("CS_JENKINS_USER", "u")
            .set("CS_JENKINS_TOKEN", "t");
        let server = under(&lab.env, umask, &["serve", "--listen", "127.0.0.1:0"]).spawn();
        let _server = Guarded(server.expect("it runs"));
        let state = lab.env.state();
        // The database and its journal.
        eventually("the database is there", || below(&state).len() > 1);
        assert!(assert_closed(&state) > 0);
    }
}

#[test]
fn a_source_is_closed_while_it_is_there_and_gone_afterwards() {
    let lab = Lab::new();
    let slow = lab.runtime.block_on(FilesServer::with(
        Answer::bare(200).bytes(vec![0x1f, 0x8b, 8, 0]).silence(),
    ));
    for umask in UMASKS {
        let params =
            image_with(json!({"sourceType": "local_upload", "sourceUrl": slow.url("/a.tar.gz")}));
        let mut command = under(&lab.env, umask, &["reconcile"]);
        command
            .env("NOMAD_META_TASK", "deploy-repository")
            .env("NOMAD_META_PARAMS", params.to_string());
        let mut child = Guarded(command.spawn().expect("it runs"));
        let temporary = lab.env.root().join("tmp");
        eventually("the source is asked for", || {
            if child.0.try_wait().unwrap().is_some() {
                let mut said = String::new();
                let mut stderr = child.0.stderr.take().unwrap();
                std::io::Read::read_to_string(&mut stderr, &mut said).unwrap();
                panic!("it ended early: {said}");
            }
            !slow.asked().is_empty() && !below(&temporary).is_empty()
        });
        let work: Vec<PathBuf> = std::fs::read_dir(&temporary)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        for directory in &work {
            assert_eq!(mode(directory), 0o700, "{}", directory.display());
        }
        let told = Command::new("kill")
            .args(["-TERM", &child.0.id().to_string()])
            .status();
        assert!(told.unwrap().success());
        child.0.wait().unwrap();
        assert_nothing_is_left(&lab.env);
    }
}

#[test]
fn a_link_that_somebody_else_planted_is_not_followed() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("SKIPPED: only root can play somebody else");
        return;
    }
    let mut lab = Lab::new();
    let (everybodys, precious) = (
        lab.env.root().join("everybodys"),
        lab.env.root().join("precious"),
    );
    for path in [&everybodys, &precious] {
        std::fs::create_dir(path).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    std::fs::set_permissions(&everybodys, std::fs::Permissions::from_mode(0o1777)).unwrap();
    let link = everybodys.join("cs-state");
    std::os::unix::fs::symlink(&precious, &link).unwrap();
    std::os::unix::fs::lchown(&link, Some(1234), None).unwrap();
    lab.env
        .set("CS_STATE_DIR", &link)
        .set("NATS_SERVERS", "nats://127.0.0.1:1");
    let ended = lab.deploy(&image()).var("CS_DEADLINE", "3s").run();
    assert_eq!(mode(&precious), 0o755, "{ended}");
    assert_eq!(below(&precious), Vec::<PathBuf>::new(), "{ended}");
    ended.assert_says("belongs to somebody else");
}
