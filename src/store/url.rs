//! Which database is meant.

use std::fmt;
use std::path::{Path, PathBuf};

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use url::Url;

use crate::secret::SafeUrl;

/// The databases there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A file.
    Sqlite,
    /// A server.
    Postgres,
}

/// Address of a database. Prints without its password.
#[derive(Clone)]
pub struct DatabaseUrl {
    kind: Kind,
    url: SafeUrl,
    file: Option<PathBuf>,
}

/// A text that names no database. Never repeats it: there may be a password in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected `sqlite:///path/to/file`, or `postgres://user:password@host/database`")]
pub struct InvalidDatabaseUrl;

/// What a path must not hold as it is in an address.
const IN_PATH: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'?')
    .add(b'#')
    .add(b'%')
    .add(b'"')
    .add(b'<')
    .add(b'>');

impl DatabaseUrl {
    /// Reads an address. A path of SQLite that is not absolute (`sqlite://bridge.db`) begins in the working directory.
    ///
    /// # Errors
    /// It is none.
    pub fn parse(text: &str) -> Result<Self, InvalidDatabaseUrl> {
        if let Some(rest) = text.strip_prefix("sqlite:") {
            let path = rest.strip_prefix("//").unwrap_or(rest);
            // Nothing else can be said about a database of ours, and one in memory would lose what it was told.
            if path.is_empty() || path.contains(['?', '#', '\0']) || path == ":memory:" {
                return Err(InvalidDatabaseUrl);
            }
            return Self::sqlite(Path::new(path));
        }
        let url = Url::parse(text).map_err(|_| InvalidDatabaseUrl)?;
        if !matches!(url.scheme(), "postgres" | "postgresql") {
            return Err(InvalidDatabaseUrl);
        }
        Ok(Self {
            kind: Kind::Postgres,
            url: url.into(),
            file: None,
        })
    }

    /// A file of SQLite.
    ///
    /// # Errors
    /// Its path is not UTF-8.
    pub fn sqlite(path: &Path) -> Result<Self, InvalidDatabaseUrl> {
        let text = path.to_str().ok_or(InvalidDatabaseUrl)?;
        let encoded = utf8_percent_encode(text, IN_PATH);
        let url = Url::parse(&format!("sqlite:{encoded}")).map_err(|_| InvalidDatabaseUrl)?;
        Ok(Self {
            kind: Kind::Sqlite,
            url: url.into(),
            file: Some(path.to_owned()),
        })
    }

    /// Which database it is.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// The file of SQLite.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// Whether there is a password in it.
    #[must_use]
    pub fn has_password(&self) -> bool {
        let url = self.url.expose();
        url.password().is_some() || url.query_pairs().any(|(key, _)| key == "password")
    }

    pub(super) fn expose(&self) -> &Url {
        self.url.expose()
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.file {
            Some(path) => write!(f, "{}", path.display()),
            None => self.url.fmt(f),
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_which_database_and_never_its_password() {
        let postgres = DatabaseUrl::parse("postgres://me:canary@h/db?password=canary").unwrap();
        assert_eq!(postgres.kind(), Kind::Postgres);
        assert!(postgres.has_password());
        assert!(!format!("{postgres} {postgres:?}").contains("canary"));
        for (text, path) in [
            ("sqlite:///var/lib/cs/a b.db", "/var/lib/cs/a b.db"),
            ("sqlite:///a%20b.db", "/a%20b.db"),
            ("sqlite://bridge.db", "bridge.db"),
            ("sqlite:bridge.db", "bridge.db"),
        ] {
            let sqlite = DatabaseUrl::parse(text).unwrap();
            assert_eq!(sqlite.kind(), Kind::Sqlite);
            assert_eq!(sqlite.file(), Some(Path::new(path)), "{text}");
            assert!(!sqlite.has_password());
        }
    }

    #[test]
    fn what_names_no_database_is_refused_without_being_repeated() {
        for bad in [
            "",
            "canary",
            "mysql://me:canary@h/db",
            "sqlite://",
            "sqlite://:memory:",
            "sqlite:///a?mode=canary",
        ] {
            let error = DatabaseUrl::parse(bad).unwrap_err();
            assert!(!error.to_string().contains("canary"), "{bad}");
        }
    }
}
