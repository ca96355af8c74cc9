//! A secret by reference: an environment variable, a file, or what a program prints.

use std::fmt;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};
use tokio::io::AsyncReadExt as _;

use super::Environment;
use crate::secret::Secret;

/// Longest secret. Nomad's own tokens have 36 characters, workload identities some 1,000.
const LONGEST: u64 = 64 * 1024;

/// How long a program may take: it may ask a person for a second factor.
pub const COMMAND_TIME: Duration = Duration::from_secs(60);

/// Where a secret is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// An environment variable of `cs`.
    Env(String),
    /// A file; white space around its text is dropped.
    File(String),
    /// A program and its arguments, started without a shell; what it prints, without white space around it.
    Command(Vec<String>),
}

/// Why a secret cannot be had. None of the texts repeats what was read.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// The variable is not there.
    #[error("the environment variable {0} is not set")]
    Unset(String),
    /// The file cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The program cannot be started or waited for.
    #[error("cannot run `{program}`")]
    Run {
        /// Which.
        program: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The program says that it failed.
    #[error("`{program}` ended with {status}")]
    Failed {
        /// Which.
        program: String,
        /// How.
        status: std::process::ExitStatus,
    },
    /// The program does not end.
    #[error("`{program}` did not end within {} s", COMMAND_TIME.as_secs())]
    Late {
        /// Which.
        program: String,
    },
    /// There is no text, more than one line, or far too much.
    #[error("{place} must hold one line of text, at most 64 KiB")]
    NotOneLine {
        /// Where it was read.
        place: String,
    },
    /// Others could make `cs` run what they like.
    #[error("`{program}` is not run, because others than you may write {path}")]
    Exposed {
        /// Which.
        program: String,
        /// The file that names it.
        path: PathBuf,
    },
}

impl Credential {
    /// Reads the secret. Blocks: on a file, or on a program that may ask the person at the terminal.
    ///
    /// Relative paths start at `base`, `~/` at the home directory.
    ///
    /// # Errors
    /// It cannot be had; the text names the place.
    pub fn read(&self, environment: &Environment, base: &Path) -> Result<Secret, CredentialError> {
        match self {
            Self::Env(name) => environment
                .secret(name)
                .ok_or_else(|| CredentialError::Unset(name.clone())),
            Self::File(path) => read_file(&resolved(path, base, environment)),
            Self::Command(words) => run(words, base, environment),
        }
    }
}

impl fmt::Display for Credential {
    /// Where it is kept, never what.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "variable {name}"),
            Self::File(path) => write!(f, "file {path}"),
            // Arguments may be more than the world should see.
            Self::Command(words) => {
                write!(
                    f,
                    "output of `{}`",
                    words.first().map_or("", String::as_str)
                )
            }
        }
    }
}

/// A path of the config file as it is meant.
pub(super) fn resolved(path: &str, base: &Path, environment: &Environment) -> PathBuf {
    match path.strip_prefix("~/") {
        Some(rest) => PathBuf::from(environment.get("HOME").unwrap_or_default()).join(rest),
        None => base.join(path),
    }
}

/// Reads a file that holds one secret.
///
/// # Errors
/// It cannot be read, or holds something else.
pub fn read_file(path: &Path) -> Result<Secret, CredentialError> {
    let read = |source| CredentialError::Read {
        path: path.to_owned(),
        source,
    };
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(read)?;
    file.take(LONGEST + 1)
        .read_to_string(&mut text)
        .map_err(read)?;
    one_line(&text, || path.display().to_string())
}

fn one_line(text: &str, place: impl Fn() -> String) -> Result<Secret, CredentialError> {
    let trimmed = text.trim();
    if trimmed.is_empty() || trimmed.contains(['\n', '\r']) || text.len() as u64 > LONGEST {
        return Err(CredentialError::NotOneLine { place: place() });
    }
    Ok(Secret::new(trimmed))
}

fn run(
    words: &[String],
    base: &Path,
    environment: &Environment,
) -> Result<Secret, CredentialError> {
    let (first, arguments) = words.split_first().expect("a command has a program");
    // A bare name is looked up on PATH; a path is one of the file that names it, wherever `cs` runs.
    let program = if first.contains('/') {
        resolved(first, base, environment)
    } else {
        PathBuf::from(first)
    };
    let mut command = tokio::process::Command::new(program);
    command
        .args(arguments)
        .stdin(Stdio::inherit())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .kill_on_drop(true);
    let name = first.clone();
    // On a thread and a runtime of its own: the caller may be inside a runtime already.
    let thread = std::thread::spawn(move || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|source| failed_to_run(&name, source))?
            .block_on(output(command, &name))
    });
    let text = thread.join().expect("it does not panic")?;
    one_line(&text, || format!("the output of `{first}`"))
}

async fn output(
    mut command: tokio::process::Command,
    program: &str,
) -> Result<String, CredentialError> {
    let work = async {
        let mut child = command
            .spawn()
            .map_err(|source| failed_to_run(program, source))?;
        let stdout = child.stdout.take().expect("it is piped");
        let mut bytes = Vec::new();
        let read = stdout.take(LONGEST + 1).read_to_end(&mut bytes).await;
        read.map_err(|source| failed_to_run(program, source))?;
        if bytes.len() as u64 > LONGEST {
            // Refused whatever its end: nobody reads the rest, which may well be what it dies of.
            return Ok(String::from_utf8_lossy(&bytes).into_owned());
        }
        let ended = child.wait().await;
        let status = ended.map_err(|source| failed_to_run(program, source))?;
        if !status.success() {
            return Err(CredentialError::Failed {
                program: program.to_owned(),
                status,
            });
        }
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    // Dropping the child kills it.
    let late = CredentialError::Late {
        program: program.to_owned(),
    };
    tokio::time::timeout(COMMAND_TIME, work)
        .await
        .unwrap_or(Err(late))
}

fn failed_to_run(program: &str, source: std::io::Error) -> CredentialError {
    CredentialError::Run {
        program: program.to_owned(),
        source,
    }
}

impl<'de> Deserialize<'de> for Credential {
    /// By hand, so that a secret in the wrong place is told as such.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(CredentialVisitor)
    }
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Written {
    from_env: Option<String>,
    from_file: Option<String>,
    from_command: Option<Vec<String>>,
}

struct CredentialVisitor;

impl<'de> Visitor<'de> for CredentialVisitor {
    type Value = Credential;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a reference such as `{fromFile: PATH}`")
    }

    fn visit_str<E: de::Error>(self, _text: &str) -> Result<Credential, E> {
        Err(E::custom(
            "must not be the secret itself: write `{fromEnv: NAME}`, `{fromFile: PATH}` or `{fromCommand: [PROGRAM, \
             ARGUMENT]}`, and revoke what stood here if the file was shared",
        ))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Credential, A::Error> {
        let written = Written::deserialize(MapAccessDeserializer::new(map))?;
        let filled = |text: &String| !text.trim().is_empty();
        match (written.from_env, written.from_file, written.from_command) {
            (Some(name), None, None) if filled(&name) => Ok(Credential::Env(name)),
            (None, Some(path), None) if filled(&path) => Ok(Credential::File(path)),
            (None, None, Some(words)) if words.first().is_some_and(filled) => {
                Ok(Credential::Command(words))
            }
            _ => Err(de::Error::custom(
                "must have exactly one of `fromEnv`, `fromFile` and `fromCommand`, and it must not be empty",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(credential: &Credential, base: &Path) -> Result<String, String> {
        let environment = Environment::of_pairs([("T", "canary"), ("HOME", "/nowhere")]);
        credential
            .read(&environment, base)
            .map(|secret| secret.expose().to_owned())
            .map_err(|error| crate::clients::chain(&error))
    }

    fn command(words: &[&str]) -> Credential {
        Credential::Command(words.iter().map(|word| (*word).to_owned()).collect())
    }

    #[test]
    fn a_secret_is_read_from_where_it_is_kept() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("t"), "  canary\n").unwrap();
        for kept in [
            Credential::Env("T".to_owned()),
            Credential::File("t".to_owned()),
            command(&["printf", "canary\\n"]),
            command(&["sh", "-c", "echo canary"]),
        ] {
            assert_eq!(read(&kept, directory.path()).unwrap(), "canary", "{kept}");
            assert!(!kept.to_string().contains("canary") || kept.to_string().contains("printf"));
        }
    }

    #[test]
    fn what_cannot_be_had_is_told_without_what_was_read() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("two"), "canary\ncanary\n").unwrap();
        std::fs::write(directory.path().join("none"), "\n").unwrap();
        for (kept, expected) in [
            (
                Credential::Env("X".to_owned()),
                "environment variable X is not set",
            ),
            (Credential::File("two".to_owned()), "one line"),
            (Credential::File("none".to_owned()), "one line"),
            (Credential::File("absent".to_owned()), "cannot read"),
            (Credential::File("~/t".to_owned()), "cannot read /nowhere/t"),
            (
                command(&["sh", "-c", "echo canary; exit 3"]),
                "exit status: 3",
            ),
            (command(&["true"]), "one line"),
            (command(&["./absent"]), "cannot run"),
            (
                command(&["sh", "-c", "yes canary | head -c 70000"]),
                "one line",
            ),
        ] {
            let error = read(&kept, directory.path()).unwrap_err();
            assert!(error.contains(expected), "{kept}: {error}");
            assert!(!error.contains("canary"), "{error}");
        }
    }

    #[tokio::test]
    async fn a_program_can_be_run_from_inside_a_runtime() {
        assert_eq!(
            read(&command(&["echo", "canary"]), Path::new("/")).unwrap(),
            "canary"
        );
    }
}
