//! Changes to the config file that keep what people wrote around them.
//!
//! A change is made to the lines that it concerns, so comments, order and quotes of all others stay. Then the result is
//! read again: if it does not say exactly what was meant (flow style, anchors, texts over several lines), the file is
//! written anew instead, and refused when that would lose comments.

mod lines;

use std::io::Write as _;
use std::path::{Path, PathBuf};

use lines::{add_context, block, current, indent, scalar, set_current, set_members};

use super::credential::Credential;
use super::file::{ConfigFile, Contents, ContextName, Entry};
use super::location::{self, LocationError};

/// What is to be changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Make a context the current one.
    Use(ContextName),
    /// Set members of a context, which is made if it is not there; all others stay.
    Set(ContextName, Box<Entry>),
    /// Forget a context, also as the current one.
    Delete(ContextName),
    /// Give a context another name, also as the current one.
    Rename(ContextName, ContextName),
}

/// Why the file was not changed.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// It cannot be read.
    #[error(transparent)]
    Location(#[from] LocationError),
    /// Writing it anew would lose comments.
    #[error(
        "{path} is written in a way that cannot be changed without losing its comments: change it by hand"
    )]
    Comments {
        /// Which.
        path: PathBuf,
    },
    /// Somebody else changed it at the same time.
    #[error("{path} was changed by somebody else meanwhile: run the command again")]
    Moved {
        /// Which.
        path: PathBuf,
    },
    /// It cannot be written.
    #[error("cannot write {path}")]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

impl Change {
    /// The contents after the change.
    fn on(&self, contents: &Contents) -> Contents {
        let mut contents = contents.clone();
        match self {
            Self::Use(name) => contents.current_context = Some(name.clone()),
            Self::Set(name, given) => {
                let entry = contents.contexts.entry(name.clone()).or_default();
                entry.take(given);
            }
            Self::Delete(name) => {
                contents.contexts.remove(name);
                contents.current_context = contents.current_context.filter(|it| it != name);
            }
            Self::Rename(from, to) => {
                if let Some(entry) = contents.contexts.remove(from) {
                    contents.contexts.insert(to.clone(), entry);
                }
                let current = contents.current_context;
                contents.current_context =
                    current.map(|it| if it == *from { to.clone() } else { it });
            }
        }
        contents
    }

    /// The lines after the change, if they are laid out as people lay them out.
    fn on_lines(&self, lines: &mut Vec<String>) {
        match self {
            Self::Use(name) => set_current(lines, Some(name)),
            Self::Set(name, given) => set_members(lines, name, given),
            Self::Delete(name) => {
                if let Some(block) = block(lines, name) {
                    lines.drain(block);
                }
                if current(lines).as_ref() == Some(name) {
                    set_current(lines, None);
                }
            }
            Self::Rename(from, to) => {
                if let Some(block) = block(lines, from) {
                    let line = &mut lines[block.start];
                    let indent = indent(line);
                    let rest = line[indent..].split_once(':').map_or("", |(_, rest)| rest);
                    *line = format!("{}{}:{rest}", " ".repeat(indent), scalar(to.as_str()));
                }
                if current(lines).as_ref() == Some(from) {
                    set_current(lines, Some(to));
                }
            }
        }
    }
}

impl Entry {
    /// Takes over every member that `given` has.
    fn take(&mut self, given: &Self) {
        fn over<T: Clone>(mine: &mut Option<T>, given: &Option<T>) {
            if given.is_some() {
                mine.clone_from(given);
            }
        }
        over(&mut self.address, &given.address);
        over(&mut self.region, &given.region);
        over(&mut self.namespace, &given.namespace);
        over(&mut self.owner, &given.owner);
        over(&mut self.token, &given.token);
        over(&mut self.http_auth, &given.http_auth);
        over(&mut self.ca_cert, &given.ca_cert);
        over(&mut self.ca_path, &given.ca_path);
        over(&mut self.client_cert, &given.client_cert);
        over(&mut self.client_key, &given.client_key);
        over(&mut self.tls_server_name, &given.tls_server_name);
        over(&mut self.tls_skip_verify, &given.tls_skip_verify);
    }

    /// Its members as YAML: name and value on one line.
    fn members(&self) -> Vec<(&'static str, String)> {
        let text = |text: &Option<String>| text.as_deref().map(scalar);
        let members = [
            (
                "address",
                self.address.as_ref().map(|it| scalar(&it.to_string())),
            ),
            ("region", text(&self.region)),
            (
                "namespace",
                self.namespace.as_ref().map(|it| scalar(it.as_str())),
            ),
            ("owner", self.owner.as_ref().map(|it| scalar(it.as_str()))),
            ("token", self.token.as_ref().map(reference)),
            ("httpAuth", self.http_auth.as_ref().map(reference)),
            ("caCert", text(&self.ca_cert)),
            ("caPath", text(&self.ca_path)),
            ("clientCert", text(&self.client_cert)),
            ("clientKey", text(&self.client_key)),
            ("tlsServerName", text(&self.tls_server_name)),
            (
                "tlsSkipVerify",
                self.tls_skip_verify.map(|skip| skip.to_string()),
            ),
        ];
        let written = members.into_iter();
        written
            .filter_map(|(name, value)| Some((name, value?)))
            .collect()
    }
}

fn reference(kept: &Credential) -> String {
    match kept {
        Credential::Env(name) => format!("{{fromEnv: {}}}", scalar(name)),
        Credential::File(path) => format!("{{fromFile: {}}}", scalar(path)),
        Credential::Command(words) => {
            let words: Vec<String> = words.iter().map(|word| scalar(word)).collect();
            format!("{{fromCommand: [{}]}}", words.join(", "))
        }
    }
}

/// The whole file, written anew.
fn rendered(contents: &Contents) -> String {
    let mut lines = Vec::new();
    set_current(&mut lines, contents.current_context.as_ref());
    for (name, entry) in &contents.contexts {
        add_context(&mut lines, name, entry);
    }
    joined(&lines)
}

fn joined(lines: &[String]) -> String {
    let mut text = lines.join("\n");
    if !text.is_empty() {
        text.push('\n');
    }
    text
}

/// The text after a change.
///
/// # Errors
/// `None`: it would lose comments.
fn changed(path: &Path, text: &str, contents: &Contents, change: &Change) -> Option<String> {
    let wanted = change.on(contents);
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    change.on_lines(&mut lines);
    let kept = joined(&lines);
    let says = |text: &str| match ConfigFile::parse(path, text) {
        Ok(Some(file)) => Some(file.contents().clone()),
        Ok(None) => Some(Contents::default()),
        Err(_) => None,
    };
    if says(&kept).as_ref() == Some(&wanted) {
        return Some(kept);
    }
    let has_comments = text.lines().any(|line| {
        let line = line.trim_start();
        line.starts_with('#') || line.contains(" #")
    });
    (!has_comments).then(|| rendered(&wanted))
}

/// Changes the file at `path`, which is made if it is not there: as a whole or not at all, readable by its owner alone. A
/// symbolic link stays one.
///
/// # Errors
/// It cannot be read, changed or written; then it is as before.
pub fn apply(path: &Path, change: &Change) -> Result<(), EditError> {
    let before = location::text(path)?.map(|(text, _)| text);
    let text = before.as_deref().unwrap_or_default();
    let file =
        ConfigFile::parse(path, text).map_err(|findings| LocationError::Invalid { findings })?;
    let contents = file.map(|file| file.contents().clone()).unwrap_or_default();
    let after = changed(path, text, &contents, change).ok_or_else(|| EditError::Comments {
        path: path.to_owned(),
    })?;
    // Where a link leads; a file that is not there yet leads nowhere.
    let target = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let temporary = prepare(&target, &after).map_err(|source| EditError::Write {
        path: target.clone(),
        source,
    })?;
    let now = location::text(path)?.map(|(text, _)| text);
    let renamed = if now == before {
        std::fs::rename(&temporary, &target).map_err(|source| EditError::Write {
            path: target,
            source,
        })
    } else {
        Err(EditError::Moved { path: target })
    };
    if renamed.is_err() {
        // It is of no use to anybody; that it stays is not worth another message.
        let _ = std::fs::remove_file(&temporary);
    }
    renamed
}

/// Writes a text beside `target`, on disk when this returns.
fn prepare(target: &Path, text: &str) -> std::io::Result<PathBuf> {
    use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
    let directory = target.parent().filter(|path| !path.as_os_str().is_empty());
    if let Some(directory) = directory {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)?;
    }
    let mut name = target.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let temporary = target.with_file_name(name);
    // What a run that was killed left behind.
    let _ = std::fs::remove_file(&temporary);
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&temporary)?;
    let written = file
        .write_all(text.as_bytes())
        .and_then(|()| file.sync_all());
    if let Err(error) = written {
        let _ = std::fs::remove_file(&temporary);
        return Err(error);
    }
    Ok(temporary)
}

#[cfg(test)]
mod tests;
