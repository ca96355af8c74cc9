//! Programs of others: where they are, and what surrounds them while they run.
//!
//! A builder's program sees the machine's `PATH`, proxies, certificates and container engine, and nothing else of our
//! environment: what the runner knows (tokens of Nomad, NATS, Vault, a registry or the backend) never reaches it. Home and
//! temporary directory are private, below the run's own directory.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::{BuildError, Builder};
use crate::config::Environment;

/// What programs may know of our environment. Named one by one: a name that merely begins like one of these may be
/// anybody's password.
const INHERITED: [&str; 21] = [
    "LANG",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "FTP_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "ftp_proxy",
    "all_proxy",
    "no_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "DOCKER_HOST",
    "DOCKER_API_VERSION",
    "DOCKER_CERT_PATH",
    "DOCKER_CONFIG",
    "DOCKER_CONTEXT",
    "DOCKER_TLS",
    "DOCKER_TLS_VERIFY",
    "BUILDKIT_HOST",
];

/// Finds a program on `PATH`. Directories that are not absolute are passed over: they would lead into the source.
///
/// # Errors
/// [`BuildError::NotInstalled`] when no directory of `PATH` has an executable file of that name.
pub async fn find(
    environment: &Environment,
    builder: Builder,
    program: &'static str,
) -> Result<PathBuf, BuildError> {
    let found = on_path(environment, program).await;
    found.ok_or(BuildError::NotInstalled { builder, program })
}

/// The same for programs that are no builders; `None` when it is not there.
pub async fn on_path(environment: &Environment, program: &str) -> Option<PathBuf> {
    for directory in directories(environment) {
        let path = directory.join(program);
        if let Ok(found) = tokio::fs::metadata(&path).await
            && found.is_file()
            && found.permissions().mode() & 0o111 != 0
        {
            return Some(path);
        }
    }
    None
}

/// The absolute directories of `PATH`, in order.
fn directories(environment: &Environment) -> Vec<PathBuf> {
    let path = OsString::from_vec(environment.bytes("PATH").unwrap_or_default());
    std::env::split_paths(&path)
        .filter(|directory| directory.is_absolute())
        .collect()
}

/// The whole environment of a program. Values are not shown by `Debug`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Surroundings(BTreeMap<OsString, OsString>);

impl Surroundings {
    /// What every builder's program gets: see the module. Makes its home and temporary directory, empty, below `place`.
    ///
    /// # Errors
    /// [`BuildError::Io`] when a directory cannot be made.
    pub async fn private(environment: &Environment, place: &Path) -> Result<Self, BuildError> {
        let mut surroundings = Self::default();
        for name in INHERITED {
            if let Some(value) = environment.bytes(name) {
                surroundings.set(name, OsString::from_vec(value));
            }
        }
        let path = std::env::join_paths(directories(environment));
        // Joining fails for a name with a colon in it, which a split one does not have.
        surroundings.set("PATH", path.unwrap_or_default());
        // Programs that colour whatever they write to.
        surroundings.set("NO_COLOR", "1");
        surroundings.set("TERM", "dumb");
        if !surroundings.0.contains_key(OsStr::new("LANG")) {
            surroundings.set("LANG", "C.UTF-8");
        }
        for (name, folder) in [("HOME", "home"), ("TMPDIR", "tmp")] {
            let directory = place.join(folder);
            make_private(&directory).await?;
            surroundings.set(name, directory);
        }
        Ok(surroundings)
    }

    /// Adds a variable, or replaces it.
    pub fn set(&mut self, name: impl Into<OsString>, value: impl Into<OsString>) {
        self.0.insert(name.into(), value.into());
    }

    /// All of them, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }
}

impl fmt::Debug for Surroundings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Makes a directory that only its owner can enter, with those above it; removes what an earlier attempt left in it.
pub(super) async fn make_private(directory: &Path) -> Result<(), BuildError> {
    let failed = |source| BuildError::Io {
        what: format!("make the directory `{}`", directory.display()),
        source,
    };
    match tokio::fs::remove_dir_all(directory).await {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    tokio::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .await
        .map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RAILPACK: &str = "railpack";

    fn executable(path: &Path, mode: u32) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "").unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    fn with_path(path: &str) -> Environment {
        Environment::of_pairs([("PATH", path)])
    }

    #[tokio::test]
    async fn the_first_executable_file_on_the_path_is_found() {
        let top = tempfile::tempdir().unwrap();
        let at = |name: &str| top.path().join(name);
        executable(&at("plain/railpack"), 0o644);
        std::fs::create_dir_all(at("folder/railpack")).unwrap();
        executable(&at("good/railpack"), 0o755);
        executable(&at("late/railpack"), 0o755);
        let path = ["missing", "plain", "folder", "good", "late"]
            .map(|name| at(name).display().to_string())
            .join(":");
        let found = find(&with_path(&path), Builder::Railpack, RAILPACK).await;
        assert_eq!(found.unwrap(), at("good/railpack"));
    }

    #[tokio::test]
    async fn a_program_that_is_nowhere_is_named() {
        for path in ["", "/nonexistent", ".:..:relative:"] {
            let error = find(&with_path(path), Builder::Railpack, RAILPACK).await;
            assert_eq!(
                error.unwrap_err().to_string(),
                "railpack is not available: the program `railpack` is not on PATH; install it or choose another builder"
            );
        }
    }

    #[tokio::test]
    async fn a_directory_relative_to_the_source_is_never_searched() {
        let here = std::env::current_dir().unwrap();
        let top = tempfile::tempdir_in(&here).unwrap();
        executable(&top.path().join("railpack"), 0o755);
        let relative = top.path().strip_prefix(&here).unwrap();
        let environment = with_path(relative.to_str().unwrap());
        assert!(
            find(&environment, Builder::Railpack, RAILPACK)
                .await
                .is_err()
        );
        let place = tempfile::tempdir().unwrap();
        let surroundings = Surroundings::private(&environment, place.path())
            .await
            .unwrap();
        let path = surroundings
            .iter()
            .find(|(name, _)| *name == "PATH")
            .unwrap();
        assert_eq!(path.1, "");
    }

    #[tokio::test]
    async fn nothing_of_the_runner_is_passed_on_but_what_is_named() {
        let place = tempfile::tempdir().unwrap();
        let environment = Environment::of_pairs([
            ("PATH", "/usr/bin:relative:/bin"),
            ("HOME", "/root"),
            ("TMPDIR", "/tmp"),
            ("NOMAD_TOKEN", "canary"),
            ("NATS_CLIENT_PRIVATE_KEY", "canary"),
            ("ACCESS_TOKEN", "canary"),
            ("REGISTRY_PASSWORD", "canary"),
            ("VAULT_TOKEN", "canary"),
            ("DOCKER_PASSWORD", "canary"),
            ("DOCKER_HOST", "unix:///run/d.sock"),
            ("https_proxy", "http://proxy:3128"),
            ("SSL_CERT_FILE", "/certs"),
            ("BUILDKIT_HOST", "tcp://b:1"),
        ]);
        let surroundings = Surroundings::private(&environment, place.path())
            .await
            .unwrap();
        let seen: BTreeMap<&str, &str> = surroundings
            .iter()
            .map(|(name, value)| (name.to_str().unwrap(), value.to_str().unwrap()))
            .collect();
        let (home, tmp) = (place.path().join("home"), place.path().join("tmp"));
        assert_eq!(
            seen,
            BTreeMap::from([
                ("PATH", "/usr/bin:/bin"),
                ("HOME", home.to_str().unwrap()),
                ("TMPDIR", tmp.to_str().unwrap()),
                ("LANG", "C.UTF-8"),
                ("NO_COLOR", "1"),
                ("TERM", "dumb"),
                ("DOCKER_HOST", "unix:///run/d.sock"),
                ("https_proxy", "http://proxy:3128"),
                ("SSL_CERT_FILE", "/certs"),
                ("BUILDKIT_HOST", "tcp://b:1"),
            ])
        );
        for directory in [home, tmp] {
            let mode = std::fs::metadata(directory).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o700);
        }
        assert!(!format!("{surroundings:?}").contains("proxy:3128"));
    }

    #[tokio::test]
    async fn the_home_is_empty_again_at_every_start() {
        let place = tempfile::tempdir().unwrap();
        for _ in 0..2 {
            let _ = Surroundings::private(&Environment::default(), place.path())
                .await
                .unwrap();
            let home = place.path().join("home");
            assert_eq!(std::fs::read_dir(&home).unwrap().count(), 0);
            std::fs::write(home.join("left"), "").unwrap();
        }
    }
}
