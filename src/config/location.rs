//! Where the config file is, and who else may write it.

use std::fs::Metadata;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::Environment;
use super::file::{ConfigFile, ContextName};
use crate::spec::diagnostic::Diagnostic;
use crate::spec::parse::MAX_BYTES;
use crate::spec::suggest::closest;

/// Why the config file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LocationError {
    /// It cannot be read.
    #[error("cannot read the config file {path}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// `CS_CONFIG` names a file that is not there.
    #[error("CS_CONFIG names {path}, which does not exist")]
    Missing {
        /// Which.
        path: PathBuf,
    },
    /// It is not what it must be.
    #[error("the config file cannot be used")]
    Invalid {
        /// All that is wrong with it.
        findings: Vec<Diagnostic>,
    },
    /// There is no place for it.
    #[error(
        "there is no place for a config file: neither CS_CONFIG nor XDG_CONFIG_HOME nor HOME is set"
    )]
    Nowhere,
}

/// The config file of this user, or that there is none.
#[derive(Debug, Clone, Default)]
pub struct Loaded {
    /// Where it is or would be; `None` without a home.
    pub path: Option<PathBuf>,
    /// What it holds.
    pub file: Option<ConfigFile>,
    /// Others than its owner may write it, or it belongs to another user: how to end that.
    pub exposed: Option<String>,
}

impl Loaded {
    /// The contexts of the file, sorted.
    pub fn names(&self) -> impl Iterator<Item = &ContextName> + Clone {
        let files = self.file.iter();
        files.flat_map(|file| file.contents().contexts.keys())
    }

    /// What to do about a context that is not there.
    #[must_use]
    pub fn help_with_context(&self, name: &str) -> String {
        let names = self.names().map(ContextName::as_str);
        if let Some(meant) = closest(name, names.clone()) {
            return format!("did you mean `{meant}`?");
        }
        let names: Vec<&str> = names.collect();
        let file = self.path.as_deref().unwrap_or(Path::new("config.yaml"));
        if names.is_empty() {
            format!(
                "{} holds no context; `cs context set NAME --address ADDRESS` makes one",
                file.display()
            )
        } else {
            format!("{} holds {}", file.display(), names.join(", "))
        }
    }
}

/// `CS_CONFIG`, else `cs/config.yaml` in `XDG_CONFIG_HOME`, else in `~/.config`.
#[must_use]
pub fn path(environment: &Environment) -> Option<PathBuf> {
    if let Some(path) = environment.get("CS_CONFIG") {
        return Some(PathBuf::from(path));
    }
    // The specification says that a relative path is to be ignored.
    let xdg = environment.get("XDG_CONFIG_HOME").map(PathBuf::from);
    let home = || Some(PathBuf::from(environment.get("HOME")?).join(".config"));
    let base = xdg.filter(|path| path.is_absolute()).or_else(home)?;
    Some(base.join("cs/config.yaml"))
}

/// Reads the config file. That there is none is fine, unless `CS_CONFIG` names one.
///
/// # Errors
/// It cannot be read or used.
pub fn load(environment: &Environment) -> Result<Loaded, LocationError> {
    let Some(path) = path(environment) else {
        return Ok(Loaded::default());
    };
    let Some((text, exposed)) = text(&path)? else {
        if environment.get("CS_CONFIG").is_some() {
            return Err(LocationError::Missing { path });
        }
        return Ok(Loaded {
            path: Some(path),
            ..Loaded::default()
        });
    };
    let file =
        ConfigFile::parse(&path, &text).map_err(|findings| LocationError::Invalid { findings })?;
    Ok(Loaded {
        path: Some(path),
        file,
        exposed,
    })
}

/// The text of a config file, and how to end that others may write it. `None` when there is none.
pub(super) fn text(path: &Path) -> Result<Option<(String, Option<String>)>, LocationError> {
    let read = |source| LocationError::Read {
        path: path.to_owned(),
        source,
    };
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(read(error)),
    };
    let metadata = file.metadata().map_err(read)?;
    let mut text = String::new();
    // One more than fits is enough to be refused.
    file.take(MAX_BYTES as u64 + 1)
        .read_to_string(&mut text)
        .map_err(read)?;
    Ok(Some((text, exposure(path, &metadata))))
}

fn exposure(path: &Path, metadata: &Metadata) -> Option<String> {
    let me = rustix::process::geteuid().as_raw();
    if !metadata.is_file() {
        None
    } else if metadata.uid() != me && metadata.uid() != 0 {
        Some(format!("chown {me} {}", path.display()))
    } else if metadata.mode() & 0o022 != 0 {
        Some(format!("chmod go-w {}", path.display()))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_looked_for_in_three_places_in_order() {
        let all = [
            ("CS_CONFIG", "x.yaml"),
            ("XDG_CONFIG_HOME", "/xdg"),
            ("HOME", "/home/me"),
        ];
        let place = |environment: &Environment| path(environment).map(|p| p.display().to_string());
        assert_eq!(
            place(&Environment::of_pairs(all)).as_deref(),
            Some("x.yaml")
        );
        let two = Environment::of_pairs([all[1], all[2]]);
        assert_eq!(place(&two).as_deref(), Some("/xdg/cs/config.yaml"));
        let relative = Environment::of_pairs([("XDG_CONFIG_HOME", "xdg"), all[2]]);
        assert_eq!(
            place(&relative).as_deref(),
            Some("/home/me/.config/cs/config.yaml")
        );
        assert_eq!(place(&Environment::default()), None);
    }

    #[test]
    fn a_missing_file_is_fine_unless_it_was_named() {
        let home = tempfile::tempdir().unwrap();
        let home = home.path().to_str().unwrap();
        let loaded = load(&Environment::of_pairs([("HOME", home)])).unwrap();
        assert!(loaded.file.is_none() && loaded.path.is_some());
        let named = format!("{home}/none.yaml");
        let error = load(&Environment::of_pairs([("CS_CONFIG", &named)])).unwrap_err();
        assert!(matches!(error, LocationError::Missing { .. }), "{error:?}");
    }
}
