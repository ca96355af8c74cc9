//! Runs the commands of a page, in order, in one shell and one fresh directory, with the real binary.
//!
//! The shell is `sh` and belongs to the tests alone. Ports that pages name become free ones, so that pages run side by
//! side; what is printed names the page's ports again.

use std::io::Read as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::expect::difference;
use super::markdown::{Block, Page};
use super::repository;
use crate::support::ports::free_port;

/// A page that takes longer hangs.
const LIMIT: Duration = Duration::from_secs(100);

/// Ports that pages use.
const PORTS: [&str; 4] = ["4646", "4222", "8080", "9464"];

/// Seconds of the embedded Nomad in one of ours, where a page does not say.
const SPEED: &str = "40";

/// Separates steps in the output; nothing prints it by itself.
const MARK: char = '\u{1e}';

/// One command, one script, or one file.
struct Step {
    line: usize,
    what: What,
}

enum What {
    File {
        name: String,
        text: String,
    },
    Run {
        command: String,
        /// What the page shows of its output; `None`: nothing is compared.
        shown: Option<String>,
        code: u8,
        background: bool,
    },
}

/// What happened to one step.
struct Seen {
    output: String,
    code: Option<u8>,
}

/// Runs a page and returns what is wrong with it, each with its line.
pub(super) fn failures(page: &Page) -> Vec<String> {
    let steps = steps(page);
    let stage = Stage::new();
    let (output, ended) = stage.run(&script(&steps, &stage));
    let mut failures = Vec::new();
    for (index, step) in steps.iter().enumerate() {
        let What::Run {
            command,
            shown,
            code,
            ..
        } = &step.what
        else {
            continue;
        };
        let place = page.place(step.line);
        let seen = seen(&output, index);
        let Some(seen) = seen else {
            failures.push(format!(
                "{place}: was not reached: {command}\n{ended}\n{output}"
            ));
            break;
        };
        if seen.code != Some(*code) {
            let ended = seen
                .code
                .map_or(ended.clone(), |code| format!("exit code {code}"));
            failures.push(format!(
                "{place}: expected exit code {code}: {command}\n--- {ended}\n{}",
                seen.output
            ));
            break;
        }
        if let Some(why) = shown
            .as_ref()
            .and_then(|shown| difference(shown, &seen.output))
        {
            failures.push(format!(
                "{place}: {why}\n--- command\n{command}\n--- shown\n{}--- seen\n{}",
                shown.as_deref().unwrap_or_default(),
                seen.output
            ));
        }
    }
    failures
}

/// Whether anything of the page is run.
pub(super) fn is_run(page: &Page) -> bool {
    page.blocks
        .iter()
        .any(|block| block.is_shell() && !block.has("no-run"))
}

fn steps(page: &Page) -> Vec<Step> {
    let mut steps = Vec::new();
    for block in &page.blocks {
        if block.has("no-run") {
            continue;
        }
        if let Some(name) = block.attribute("file") {
            let (name, text) = (name.to_owned(), block.text.clone());
            steps.push(Step {
                line: block.line,
                what: What::File { name, text },
            });
        }
        match block.language.as_str() {
            "sh" => steps.push(Step {
                line: block.line,
                what: What::Run {
                    command: block.text.clone(),
                    shown: None,
                    code: attribute_code(block),
                    background: block.has("background"),
                },
            }),
            "console" => steps.extend(console(page, block)),
            _ => {}
        }
    }
    steps
}

fn attribute_code(block: &Block) -> u8 {
    let code = block.attribute("exit").unwrap_or("0");
    code.parse().expect("`exit` is an exit code")
}

/// Lines with `$ ` are commands, with `> ` their continuation, everything else is what they print.
fn console(page: &Page, block: &Block) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut continues = false;
    for (index, line) in block.text.lines().enumerate() {
        if let Some(command) = line.strip_prefix("$ ") {
            steps.push(Step {
                line: block.line + index,
                what: What::Run {
                    command: command.to_owned(),
                    shown: Some(String::new()),
                    code: 0,
                    background: block.has("background"),
                },
            });
            continues = command.ends_with('\\');
            continue;
        }
        let place = page.place(block.line + index);
        let Some(What::Run { command, shown, .. }) = steps.last_mut().map(|step| &mut step.what)
        else {
            panic!("{place}: a console block begins with a command, as `$ cs demo`");
        };
        let shown = shown.as_mut().expect("console blocks show their output");
        match line.strip_prefix("> ") {
            Some(more) if shown.is_empty() => {
                command.push('\n');
                command.push_str(more);
            }
            _ if continues => {
                command.push('\n');
                command.push_str(line);
                continues = line.ends_with('\\');
            }
            _ => {
                shown.push_str(line);
                shown.push('\n');
            }
        }
    }
    for step in &mut steps {
        let What::Run {
            command,
            shown,
            code,
            background,
        } = &mut step.what
        else {
            continue;
        };
        if let Some((_, told)) = command.split_once("# exit code ") {
            *code = told.trim().parse().expect("`# exit code N`");
        }
        if *background {
            // It goes on, and what it says later is no concern of the page.
            shown
                .as_mut()
                .expect("console blocks show their output")
                .push_str("…\n");
        }
    }
    steps
}

/// The part of the output that belongs to a step.
fn seen(output: &str, index: usize) -> Option<Seen> {
    let begin = format!("{MARK}begin {index}\n");
    let rest = &output[output.find(&begin)? + begin.len()..];
    let end = format!("{MARK}end {index} ");
    let Some(at) = rest.find(&end) else {
        return Some(Seen {
            output: rest.to_owned(),
            code: None,
        });
    };
    let code = rest[at + end.len()..].lines().next()?;
    Some(Seen {
        output: rest[..at].to_owned(),
        code: code.parse().ok(),
    })
}

/// All steps as one script, so that variables and directories stay from one block to the next.
fn script(steps: &[Step], stage: &Stage) -> String {
    let mut script = String::from(
        "exec 2>&1\n\
         __step=\n\
         trap '__code=$?; [ -z \"$__step\" ] || printf \"\\036end %s %s\\n\" \"$__step\" \"$__code\"' EXIT\n\
         __await() { # FILE TEXT\n\
           __n=0\n\
           until grep -qF -- \"$2\" \"$1\" 2>/dev/null; do\n\
             __n=$((__n+1)); [ $__n -lt 600 ] || { echo \"this was not said in 30 s: $2\"; cat \"$1\"; exit 1; }\n\
             sleep 0.05\n\
           done\n\
         }\n",
    );
    let own = steps.iter().any(|step| {
        matches!(&step.what, What::Run { command, background: true, .. } if command.contains("cs dev"))
    });
    if !own {
        script.push_str(&stage.behind("cs dev", "dev", &["NOMAD_ADDR="]));
    }
    for (index, step) in steps.iter().enumerate() {
        match &step.what {
            What::File { name, text } => {
                let file = stage.root.path().join(format!("file-{index}"));
                std::fs::write(&file, stage.to_ours(text)).expect("the directory is ours");
                script.push_str(&format!(
                    "mkdir -p \"$(dirname '{name}')\" && cp '{}' '{name}'\n",
                    file.display()
                ));
            }
            What::Run {
                command,
                shown,
                code,
                background,
            } => {
                script.push_str(&format!("__step={index}; printf '\\036begin {index}\\n'\n"));
                if *background {
                    let shown = shown.as_deref().unwrap_or_default();
                    let said: Vec<&str> = shown.lines().filter_map(longest_part).collect();
                    script.push_str(&stage.behind(command, &index.to_string(), &said));
                    // What it has said is shown by the file; compared is that it was.
                    script.push_str(&format!("cat \"$__logs/{index}\"\n"));
                } else if *code == 0 {
                    script.push_str(&format!("set -e\n{}\nset +e\n", stage.to_ours(command)));
                } else {
                    script.push_str(&format!("{}\n", stage.to_ours(command)));
                }
                script.push_str(&format!(
                    "__code=$?; __step=; printf '\\036end {index} %s\\n' \"$__code\"\n\
                     [ \"$__code\" = {code} ] || exit 1\n"
                ));
            }
        }
    }
    script
}

/// The longest text of a shown line that stands there as it is.
fn longest_part(line: &str) -> Option<&str> {
    line.split('…')
        .max_by_key(|part| part.len())
        .filter(|part| !part.trim().is_empty())
}

/// A directory, an environment and ports of a page's own.
struct Stage {
    root: tempfile::TempDir,
    ports: Vec<(String, String)>,
}

impl Stage {
    fn new() -> Self {
        let stage = Self {
            root: tempfile::tempdir().expect("a temporary directory"),
            ports: PORTS
                .map(|port| (port.to_owned(), free_port().to_string()))
                .into(),
        };
        for folder in ["home", "tmp", "bin", "work", "logs"] {
            std::fs::create_dir(stage.folder(folder)).expect("a fresh directory");
        }
        let link = stage.folder("bin").join("cs");
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_cs"), link).expect("a fresh directory");
        let git = "[user]\nname = Ann\nemail = ann@example.com\n[init]\ndefaultBranch = main\n";
        std::fs::write(stage.folder("home").join(".gitconfig"), git).expect("a fresh directory");
        for folder in ["specs", "deploy", "schemas"] {
            copy(&repository(folder), &stage.folder("work").join(folder));
        }
        stage
    }

    fn folder(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn to_ours(&self, text: &str) -> String {
        let local = text
            .replace("0.0.0.0:", "127.0.0.1:")
            .replace("localhost:", "127.0.0.1:");
        self.ports.iter().fold(local, |text, (theirs, ours)| {
            text.replace(&format!("127.0.0.1:{theirs}"), &format!("127.0.0.1:{ours}"))
        })
    }

    fn to_theirs(&self, text: &str) -> String {
        self.ports
            .iter()
            .fold(text.to_owned(), |text, (theirs, ours)| {
                text.replace(&format!("127.0.0.1:{ours}"), &format!("127.0.0.1:{theirs}"))
            })
    }

    /// A command that goes on beside the others, and the wait until it has said its first lines.
    fn behind(&self, command: &str, log: &str, said: &[&str]) -> String {
        let mut command = command.trim().to_owned();
        if command.starts_with("cs dev") {
            let (first, comment) = command.split_once('#').unwrap_or((&command, ""));
            let mut first = first.trim().to_owned();
            for (flag, value) in [("--listen", "127.0.0.1:4646"), ("--speed", SPEED)] {
                if !first.contains(flag) {
                    first.push_str(&format!(" {flag} {value}"));
                }
            }
            command = format!("{first} # {comment}");
        }
        let mut script = format!(
            "{{ {}\n}} > \"$__logs/{log}\" 2>&1 < /dev/null &\n",
            self.to_ours(&command)
        );
        for text in said {
            let text = self.to_ours(text).replace('\'', "'\\''");
            script.push_str(&format!("__await \"$__logs/{log}\" '{text}'\n"));
        }
        script
    }

    /// Runs the script. What it printed, and how it ended.
    fn run(&self, script: &str) -> (String, String) {
        let file = self.folder("logs").join("script.sh");
        std::fs::write(&file, script).expect("the directory is ours");
        let path = std::env::join_paths(
            std::iter::once(self.folder("bin")).chain(std::env::split_paths(&search_path())),
        );
        let address = self.to_ours("http://127.0.0.1:4646");
        let mut child = Command::new("sh")
            .arg(&file)
            .env_clear()
            .env("PATH", path.expect("no colons in temporary directories"))
            .env("HOME", self.folder("home"))
            .env("TMPDIR", self.folder("tmp"))
            .env("LANG", "C.UTF-8")
            .env("TZ", "UTC")
            .env("NOMAD_ADDR", address)
            .env("__logs", self.folder("logs"))
            .current_dir(self.folder("work"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("there is a shell");
        let group = Group(child.id());
        let mut stdout = child.stdout.take().expect("piped above");
        let reader = std::thread::spawn(move || {
            let mut bytes = Vec::new();
            // What was read until an error is shown all the same.
            let _ = stdout.read_to_end(&mut bytes);
            bytes
        });
        let end = Instant::now() + LIMIT;
        let ended = loop {
            match child.try_wait().expect("a child of ours") {
                Some(status) => break format!("the shell ended with {status}"),
                None if Instant::now() > end => break format!("killed after {LIMIT:?}"),
                None => pause(),
            }
        };
        drop(group);
        let _ = child.wait();
        let bytes = reader.join().expect("a reader does not panic");
        (self.to_theirs(&String::from_utf8_lossy(&bytes)), ended)
    }
}

/// A process group; killed with this value.
struct Group(u32);

impl Drop for Group {
    fn drop(&mut self) {
        let group = format!("-{}", self.0);
        // Fails when nothing of it lives any more.
        let _ = Command::new("kill")
            .args(["-KILL", "--", &group])
            .stderr(Stdio::null())
            .status();
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "where the programs of pages are: the test's own search path"
)]
fn search_path() -> std::ffi::OsString {
    let mut path = std::env::var_os("PATH").unwrap_or_default();
    path.push(":/usr/sbin:/sbin");
    path
}

#[expect(
    clippy::disallowed_methods,
    reason = "the pause between two looks at a process"
)]
fn pause() {
    std::thread::sleep(Duration::from_millis(10));
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).expect("a fresh directory");
    for entry in std::fs::read_dir(from).expect("part of the repository") {
        let from = entry.expect("readable").path();
        let to = to.join(from.file_name().expect("entries have names"));
        if from.is_dir() {
            copy(&from, &to);
        } else {
            std::fs::copy(&from, &to).expect("a fresh directory");
        }
    }
}

#[test]
fn commands_keep_the_shell_their_codes_and_what_they_print() {
    let text = "```console\n$ X=1\n$ echo $X \\\n    two # exit code 0\n1 two\n$ false # exit code 1\n```\n\
                ```text file=a/b.txt\nhello 127.0.0.1:4646\n```\n```console\n$ cat a/b.txt\nhello 127.0.0.1:4646\n```\n";
    assert_eq!(
        failures(&Page::of("p.md", text.to_owned())),
        Vec::<String>::new()
    );
}

#[test]
fn a_command_that_fails_or_prints_something_else_is_named_with_its_line() {
    let failed = |text: &str| failures(&Page::of("p.md", text.to_owned())).join("\n");
    let wrong = failed("a\n```console\n$ echo b\nb\n$ echo c\nd\n```\n");
    assert!(
        wrong.starts_with("p.md:5: nothing fits to the shown line: d"),
        "{wrong}"
    );
    let fails = failed("```sh\ntrue\nfalse\necho late\n```\n");
    assert!(fails.starts_with("p.md:2: expected exit code 0"), "{fails}");
    assert!(!fails.contains("late\n--"), "{fails}");
    let unknown = failed("```sh\ncs frobnicate\n```\n");
    assert!(unknown.contains("frobnicate"), "{unknown}");
}
