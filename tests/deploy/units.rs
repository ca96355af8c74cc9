//! The systemd units: what they start is what the binary takes, and they start with what they give it.

use std::path::Path;
use std::process::Command;

use super::{assert_accepted, assert_documented, read, repository, shipped};
use crate::support::env::TestEnv;

/// Assignments of a unit, in order.
struct Unit(Vec<(String, String)>);

impl Unit {
    fn read(file: &str) -> Self {
        let text = read(file);
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        Self(
            lines
                .filter_map(|line| line.split_once('='))
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
        )
    }

    fn all(&self, name: &str) -> Vec<&str> {
        let matching = self.0.iter().filter(|(known, _)| known == name);
        matching.map(|(_, value)| value.as_str()).collect()
    }

    #[track_caller]
    fn one(&self, name: &str) -> &str {
        let [value] = self.all(name)[..] else {
            panic!("{name}: {:?}", self.all(name));
        };
        value
    }

    /// The arguments that the binary gets.
    #[track_caller]
    fn arguments(&self) -> Vec<String> {
        let line = self.one("ExecStart");
        let arguments = line
            .strip_prefix("/usr/local/bin/cs ")
            .expect("the installed binary");
        arguments.split(' ').map(str::to_owned).collect()
    }

    fn environment(&self) -> Vec<(&str, &str)> {
        let all = self.all("Environment").into_iter();
        all.map(|pair| pair.split_once('=').expect("a pair"))
            .collect()
    }
}

fn seconds(text: &str) -> u64 {
    let number = text
        .trim_end_matches(['s', 'm'])
        .parse::<u64>()
        .expect("a number");
    if text.ends_with('m') {
        number * 60
    } else {
        number
    }
}

#[test]
fn they_start_what_the_binary_takes_with_variables_that_it_knows() {
    for file in shipped("deploy/systemd", ".service") {
        let unit = Unit::read(&file);
        assert_accepted(&unit.arguments());
        for (name, _) in unit.environment() {
            assert_documented(name);
        }
        // What the comments above the files of variables promise.
        let text = read(&file);
        let comments = text.lines().filter(|line| line.starts_with('#'));
        let words = comments.flat_map(|line| {
            line.split(|letter: char| !(letter.is_ascii_uppercase() || letter == '_'))
        });
        let mut named = words
            .filter(|word| word.len() > 4 && word.contains('_'))
            .peekable();
        assert!(named.peek().is_some(), "{file}");
        named.for_each(assert_documented);
    }
}

#[test]
fn they_are_confined_and_stop_as_the_binary_does() {
    for file in shipped("deploy/systemd", ".service") {
        let unit = Unit::read(&file);
        for (name, value) in [
            ("DynamicUser", "yes"),
            ("NoNewPrivileges", "yes"),
            ("ProtectSystem", "strict"),
            ("ProtectHome", "yes"),
            ("PrivateTmp", "yes"),
            ("CapabilityBoundingSet", ""),
            ("StateDirectoryMode", "0700"),
            ("UMask", "0077"),
            ("KillSignal", "SIGTERM"),
            ("KillMode", "mixed"),
        ] {
            assert_eq!(unit.one(name), value, "{file}: {name}");
        }
        assert!(
            ["always", "on-failure"].contains(&unit.one("Restart")),
            "{file}"
        );
        let grace = seconds(unit.one("TimeoutStopSec"));
        let arguments = unit.arguments();
        let drain = arguments
            .iter()
            .skip_while(|argument| *argument != "--drain")
            .nth(1);
        // docs/runner.md: the drain time and 15 s; docs/bridge.md: requests end at 30 s.
        let needed = drain.map_or(30, |drain| seconds(drain)) + 15;
        assert!(grace >= needed, "{file}: {grace} s, {needed} s are needed");
        // Every credential has its variable, and the other way round.
        let credentials = unit.all("LoadCredential").into_iter();
        let mut loaded: Vec<&str> = credentials
            .filter_map(|pair| Some(pair.split_once(':')?.0))
            .collect();
        let environment = unit.environment().into_iter();
        let mut used: Vec<&str> = environment
            .filter_map(|(_, value)| value.strip_prefix("%d/"))
            .collect();
        loaded.sort_unstable();
        used.sort_unstable();
        assert_eq!(loaded, used, "{file}");
        // Secrets are in no unit.
        let plain = unit.environment().into_iter();
        let secret = |name: &str| {
            ["TOKEN", "SECRET", "KEY", "DATABASE"]
                .iter()
                .any(|end| name.ends_with(end))
        };
        assert_eq!(plain.filter(|(name, _)| secret(name)).count(), 0, "{file}");
    }
}

/// With its own arguments and variables, only the port is another.
#[test]
fn the_bridge_starts_with_what_its_unit_gives_it() {
    let unit = Unit::read("deploy/systemd/cs-serve.service");
    let env = TestEnv::new();
    let home = |path: &str| env.root().join(path).display().to_string();
    for folder in ["credentials", "var", "var/cs-serve"] {
        std::fs::create_dir(home(folder)).expect("a fresh directory");
    }
    for credential in unit.all("LoadCredential") {
        let (name, _) = credential.split_once(':').expect("a pair");
        env.file(&format!("credentials/{name}"), "canary\n");
    }
    let port = |argument: String| argument.replace("127.0.0.1:8080", "127.0.0.1:0");
    let mut invocation = env.cs(unit.arguments().into_iter().map(port));
    for (name, value) in unit.environment() {
        let value = value
            .replace("%d", &home("credentials"))
            .replace("%S", &home("var"));
        invocation = invocation.var(name, value);
    }
    let invocation = invocation
        .var("CS_JENKINS_URL", "http://127.0.0.1:1")
        .var("CS_JENKINS_USER", "deployer");
    let mut server = invocation.start();
    server.until("it listens", |server| {
        server.stdout().starts_with("CS_SERVER_URL=")
    });
    assert!(Path::new(&home("var/cs-serve/bridge.db")).is_file());
    server.signal(unit.one("KillSignal").trim_start_matches("SIG"));
    server.wait().assert_code(0).assert_hides("canary");
}

/// systemd's own opinion, where there is one. The installed binary is not there, so it is replaced by that of the tests.
#[test]
fn systemd_finds_nothing_wrong_with_them() {
    if Command::new("systemd-analyze")
        .arg("--version")
        .output()
        .is_err()
    {
        #[expect(clippy::print_stderr, reason = "a skipped test must be seen")]
        {
            eprintln!(
                "NO SYSTEMD: `systemd-analyze` is not on PATH; the units are not verified by it"
            );
        }
        return;
    }
    let env = TestEnv::new();
    for file in shipped("deploy/systemd", ".service") {
        let name = Path::new(&file).file_name().expect("a file");
        let text = read(&file).replace("/usr/local/bin/cs", env!("CARGO_BIN_EXE_cs"));
        let copy = env.file(&name.to_string_lossy(), text);
        let verified = Command::new("systemd-analyze")
            .args(["verify", "--man=no"])
            .arg(&copy)
            .output()
            .expect("it ran just before");
        let said = String::from_utf8_lossy(&verified.stderr);
        let ours: Vec<&str> = said
            .lines()
            .filter(|line| line.contains(&*name.to_string_lossy()))
            .collect();
        assert!(ours.is_empty(), "{said}");
        assert!(
            verified.status.success(),
            "{}: {said}",
            repository(&file).display()
        );
    }
}
