//! Packs of others: the program `nomad-pack` renders them, in a private directory.
//!
//! Only rendering is left to the program. What it renders takes the same road as every native job: planned, written with
//! compare-and-set, watched until it is healthy. Variables go through files that nobody else can read, the token of a private
//! registry through the configuration that Git takes from its environment: neither is in an argument. Written for nomad-pack
//! 0.4.

use std::ffi::OsString;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::log::DeploymentLog;
use super::mask::Mask;
use crate::artifact::build::BuildError;
use crate::artifact::build::command::{Finished, Program, Stdout, run};
use crate::artifact::build::programs::{Surroundings, on_path};
use crate::artifact::output::Output;
use crate::clients::nomad::connection::ConnectionConfig;
use crate::config::Environment;
use crate::events::Phase as LogPhase;
use crate::project::Pack;
use crate::secret::Secret;

/// What the program is called.
const PROGRAM: &str = "nomad-pack";

/// Bytes of its standard output that are kept: where it says why it fails.
const KEPT: usize = 64 << 10;

/// Most files that a pack may render. Real ones have a handful.
const MOST_FILES: usize = 256;

/// Where the jobs are that a pack rendered.
#[derive(Debug)]
pub struct Rendered {
    /// Files with a job each, in the order of their names.
    pub files: Vec<PathBuf>,
}

/// Why a pack was not rendered.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// The program is not there.
    #[error(
        "pack `{pack}` is rendered by the program `nomad-pack`, which is not on PATH: install it, or deploy the built-in \
         pack `cloudstation`, which needs no program"
    )]
    NotInstalled {
        /// Which pack.
        pack: String,
    },
    /// The address of the registry is none.
    #[error("registry_source of pack `{pack}` is no address of a Git repository")]
    Source {
        /// Which pack.
        pack: String,
    },
    /// The program ran and failed.
    #[error("nomad-pack {doing} failed with {ending}: {reason}")]
    Failed {
        /// `registry add` or `render`.
        doing: &'static str,
        /// How it ended.
        ending: String,
        /// What it said last, without secrets.
        reason: String,
    },
    /// It rendered no job.
    #[error(
        "pack `{pack}` rendered no job: nothing that it rendered ends in `.nomad` or `.nomad.hcl`"
    )]
    NoJob {
        /// Which pack.
        pack: String,
    },
    /// A file or a process of ours fails.
    #[error(transparent)]
    Run(#[from] BuildError),
    /// A private file cannot be written.
    #[error("cannot write {what} for nomad-pack")]
    Write {
        /// What was to be written.
        what: &'static str,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
}

/// What rendering needs.
pub struct PackWork<'a> {
    /// What is rendered.
    pub pack: &'a Pack,
    /// Folder that a pack's path is relative to; absolute.
    pub folder: &'a Path,
    /// A private directory that is gone after the run.
    pub scratch: &'a Path,
    /// Environment variables.
    pub environment: &'a Environment,
    /// The cluster, which templates may ask.
    pub connection: &'a ConnectionConfig,
    /// What must not be shown.
    pub secrets: &'a [Secret],
    /// Where the program writes.
    pub log: &'a DeploymentLog,
}

impl PackWork<'_> {
    /// Renders the pack.
    ///
    /// # Errors
    /// The program is not there, or fails; `stop` was cancelled.
    pub async fn render(&self, stop: &CancellationToken) -> Result<Rendered, PackError> {
        let pack = self.pack;
        let Some(program) = on_path(self.environment, PROGRAM).await else {
            return Err(PackError::NotInstalled {
                pack: pack.pack.clone(),
            });
        };
        let source = match &pack.registry_source {
            None => None,
            Some(source) => Some(Source::of(source, pack)?),
        };
        let surroundings = self.surroundings(source.as_ref()).await?;
        let call = |arguments: Vec<OsString>| Program {
            path: program.clone(),
            arguments,
            directory: self.scratch.to_owned(),
            surroundings: surroundings.clone(),
        };
        if let Some(source) = &source {
            let add = call(self.add(source));
            self.call(&add, "registry add", stop).await?;
        }
        let into = self.scratch.join("rendered");
        let render = call(self.arguments(&into)?);
        self.call(&render, "render", stop).await?;
        let files = jobs(&into);
        if files.is_empty() {
            return Err(PackError::NoJob {
                pack: pack.pack.clone(),
            });
        }
        Ok(Rendered { files })
    }

    async fn surroundings(&self, source: Option<&Source>) -> Result<Surroundings, PackError> {
        let mut surroundings = Surroundings::private(self.environment, self.scratch).await?;
        let cache = match source {
            Some(_) => self.scratch.join("cache"),
            // A registry that is only named is one that its user has added.
            None => users_cache(self.environment).unwrap_or_else(|| self.scratch.join("cache")),
        };
        surroundings.set("XDG_CACHE_HOME", cache);
        surroundings.set("NOMAD_ADDR", self.connection.address.to_string());
        if let Some(namespace) = &self.connection.namespace {
            surroundings.set("NOMAD_NAMESPACE", namespace.as_str());
        }
        if let Some(token) = &self.connection.token {
            surroundings.set("NOMAD_TOKEN", token.expose());
        }
        if let Some(region) = &self.connection.region {
            surroundings.set("NOMAD_REGION", region);
        }
        for name in [
            "NOMAD_CACERT",
            "NOMAD_CAPATH",
            "NOMAD_CLIENT_CERT",
            "NOMAD_CLIENT_KEY",
            "NOMAD_TLS_SERVER_NAME",
            "NOMAD_SKIP_VERIFY",
        ] {
            if let Some(value) = self.environment.get(name) {
                surroundings.set(name, value);
            }
        }
        surroundings.set("NOMAD_PACK_PLAIN", "1");
        surroundings.set("GIT_TERMINAL_PROMPT", "0");
        if let Some((key, header)) = source.and_then(Source::header) {
            surroundings.set("GIT_CONFIG_COUNT", "1");
            surroundings.set("GIT_CONFIG_KEY_0", key);
            surroundings.set("GIT_CONFIG_VALUE_0", header.expose());
        }
        Ok(surroundings)
    }

    fn add(&self, source: &Source) -> Vec<OsString> {
        let pack = self.pack;
        let mut arguments: Vec<OsString> = ["registry", "add"].map(OsString::from).to_vec();
        if let Some(target) = &pack.registry_target {
            arguments.push(format!("--target={target}").into());
        }
        if let Some(reference) = &pack.registry_ref {
            arguments.push(format!("--ref={reference}").into());
        }
        arguments.extend([registry(pack).into(), source.address.clone().into()]);
        arguments
    }

    fn arguments(&self, into: &Path) -> Result<Vec<OsString>, PackError> {
        let pack = self.pack;
        let mut arguments: Vec<OsString> = vec![
            "render".into(),
            format!("--name={}", pack.deployment_name).into(),
            "--skip-aux-files".into(),
        ];
        let option = |name: &str, value: &Path| {
            let mut text = OsString::from(format!("--{name}="));
            text.push(value);
            text
        };
        arguments.push(option("to-dir", into));
        if pack.registry_name.is_some() {
            arguments.push(format!("--registry={}", registry(pack)).into());
            if let Some(reference) = &pack.registry_ref {
                arguments.push(format!("--ref={reference}").into());
            }
        }
        if pack.parser_v1 {
            arguments.push("--parser-v1".into());
        }
        let files = pack.variable_files.iter().map(|(_, text)| text);
        for (number, text) in files.chain(&pack.variables).enumerate() {
            let path = self.scratch.join(format!("variables-{number}.hcl"));
            private_file(&path, text)?;
            arguments.push(option("var-file", &path));
        }
        arguments.push(self.name());
        Ok(arguments)
    }

    /// A path as an absolute one; a name as it is.
    fn name(&self) -> OsString {
        let pack = &self.pack.pack;
        if self.pack.registry_name.is_none() && pack.contains('/') {
            return self.folder.join(pack).into();
        }
        pack.into()
    }

    async fn call(
        &self,
        program: &Program,
        doing: &'static str,
        stop: &CancellationToken,
    ) -> Result<(), PackError> {
        let mask = Mask::of(self.secrets);
        let work = |output: Output| async move {
            // What is rendered goes into files; on standard output it may carry secrets.
            run(program, Stdout::Hidden { keep: KEPT }, &output, stop).await
        };
        let recorded = self.log.recording(LogPhase::Deploy, mask.clone(), work);
        let finished = recorded.await?;
        if finished.status.success() {
            return Ok(());
        }
        Err(PackError::Failed {
            doing,
            ending: finished.ending(),
            reason: mask.text(&reason(&finished)),
        })
    }
}

/// What a program said of what is wrong, in one line: from its first complaint on, without what it says around it, else its
/// last lines.
fn reason(finished: &Finished) -> String {
    /// Lines that are shown.
    const LINES: usize = 6;
    let stdout = String::from_utf8_lossy(&finished.stdout);
    let said = stdout.lines().map(str::to_owned);
    let lines: Vec<String> = said
        .chain(finished.tail.iter().cloned())
        .map(|line| line.trim().to_owned())
        .filter(|line| !line.is_empty())
        .collect();
    let complaint = lines.iter().position(|line| line.starts_with('!'));
    let first = complaint.unwrap_or(lines.len().saturating_sub(LINES));
    let shown: Vec<&str> = lines[first..]
        .iter()
        .map(|line| line.trim_start_matches('!').trim())
        .take_while(|line| *line != "Context:")
        .filter(|line| !line.is_empty())
        .take(LINES)
        .collect();
    if shown.is_empty() {
        "it said nothing".to_owned()
    } else {
        shown.join("; ")
    }
}

fn registry(pack: &Pack) -> &str {
    pack.registry_name.as_deref().unwrap_or("default")
}

/// Where the registries of this machine's user are.
fn users_cache(environment: &Environment) -> Option<PathBuf> {
    let named = environment.get("XDG_CACHE_HOME").map(PathBuf::from);
    named.or_else(|| Some(PathBuf::from(environment.get("HOME")?).join(".cache")))
}

/// Files of jobs below a directory, sorted.
fn jobs(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut waiting = vec![directory.to_owned()];
    while let Some(directory) = waiting.pop() {
        let Ok(entries) = std::fs::read_dir(&directory) else {
            continue;
        };
        for entry in entries.filter_map(Result::ok) {
            let path = entry.path();
            let name = entry.file_name();
            let name = name.to_string_lossy();
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => waiting.push(path),
                Ok(kind) if kind.is_file() && is_job(&name) && found.len() < MOST_FILES => {
                    found.push(path);
                }
                _ => {}
            }
        }
    }
    found.sort();
    found
}

fn is_job(name: &str) -> bool {
    name.ends_with(".nomad") || name.ends_with(".nomad.hcl")
}

/// Writes a file that only its owner can read.
fn private_file(path: &Path, text: &Secret) -> Result<(), PackError> {
    use std::io::Write as _;
    let file = std::fs::File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    file.and_then(|mut file| file.write_all(text.expose().as_bytes()))
        .map_err(|source| PackError::Write {
            what: "a variable file",
            source,
        })
}

/// A registry's address without what proves who asks.
struct Source {
    address: String,
    host: Option<String>,
    credentials: Option<Secret>,
}

impl Source {
    fn of(source: &Secret, pack: &Pack) -> Result<Self, PackError> {
        let text = source.expose();
        let refused = || PackError::Source {
            pack: pack.pack.clone(),
        };
        if text.starts_with('-') || text.chars().any(char::is_whitespace) {
            return Err(refused());
        }
        let token = pack.registry_token.as_ref();
        let of_token = |token: &Secret| Secret::new(format!("x-access-token:{}", token.expose()));
        if !text.contains("://") {
            // As people write it: `github.com/owner/repository`.
            let host = text.split('/').next().filter(|host| host.contains('.'));
            return Ok(Self {
                address: text.to_owned(),
                host: host.map(|host| format!("https://{host}/")),
                credentials: token.map(of_token),
            });
        }
        let mut url = Url::parse(text).map_err(|_| refused())?;
        let (user, password) = (url.username().to_owned(), url.password().map(str::to_owned));
        let inner = (!user.is_empty() || password.is_some())
            .then(|| Secret::new(format!("{user}:{}", password.unwrap_or_default())));
        if inner.is_some() && (url.set_password(None).is_err() || url.set_username("").is_err()) {
            return Err(refused());
        }
        let host = matches!(url.scheme(), "http" | "https")
            .then(|| url.origin().ascii_serialization() + "/");
        Ok(Self {
            address: if inner.is_some() {
                url.to_string()
            } else {
                text.to_owned()
            },
            host,
            credentials: token.map(of_token).or(inner),
        })
    }

    /// What Git is told: a header for that host alone.
    fn header(&self) -> Option<(String, Secret)> {
        let (host, credentials) = (self.host.as_ref()?, self.credentials.as_ref()?);
        let value = STANDARD.encode(credentials.expose());
        Some((
            format!("http.{host}.extraHeader"),
            Secret::new(format!("Authorization: Basic {value}")),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pack(source: &str, token: Option<&str>) -> (Secret, Pack) {
        let pack = Pack {
            pack: "hello".to_owned(),
            deployment_name: "hello".to_owned(),
            registry_name: Some("mine".to_owned()),
            registry_source: None,
            registry_ref: None,
            registry_target: None,
            registry_token: token.map(Secret::from),
            parser_v1: false,
            variables: None,
            variable_files: Vec::new(),
        };
        (Secret::from(source), pack)
    }

    #[test]
    fn what_proves_who_asks_leaves_the_address_and_goes_to_that_host_alone() {
        for (source, token, address, header) in [
            (
                "https://user:canary@git.example/a/b.git",
                None,
                "https://git.example/a/b.git",
                Some(("http.https://git.example/.extraHeader", "user:canary")),
            ),
            (
                "https://git.example:8443/a/b",
                Some("canary"),
                "https://git.example:8443/a/b",
                Some((
                    "http.https://git.example:8443/.extraHeader",
                    "x-access-token:canary",
                )),
            ),
            (
                "github.com/acme/packs",
                Some("canary"),
                "github.com/acme/packs",
                Some((
                    "http.https://github.com/.extraHeader",
                    "x-access-token:canary",
                )),
            ),
            ("github.com/acme/packs", None, "github.com/acme/packs", None),
            ("/srv/packs", Some("canary"), "/srv/packs", None),
        ] {
            let (source, pack) = pack(source, token);
            let read = Source::of(&source, &pack).unwrap();
            assert_eq!(read.address, address);
            let found = read.header();
            let found = found
                .as_ref()
                .map(|(key, value)| (key.as_str(), value.expose()));
            let header = header.map(|(key, value)| {
                (
                    key,
                    format!("Authorization: Basic {}", STANDARD.encode(value)),
                )
            });
            let wanted = header.as_ref().map(|(key, value)| (*key, value.as_str()));
            assert_eq!(found, wanted);
        }
    }

    #[test]
    fn an_address_that_would_be_an_option_is_refused() {
        for source in ["--upload-pack=x", "a b", "http://"] {
            let (source, pack) = pack(source, None);
            assert!(Source::of(&source, &pack).is_err());
        }
    }
}
