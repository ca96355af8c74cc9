//! What can go wrong with the database.

use std::path::PathBuf;

/// Why something was not read or written. None of the texts repeats a value or a password.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It does not answer, or not in time. The same may work in a moment; nothing was written, or, when only the answer to
    /// a commit got lost, all of it.
    #[error("the database is not available")]
    Away(#[source] sqlx::Error),
    /// It answered that this cannot be. A mistake of ours, or of whoever changed the tables.
    #[error("the database refused a statement")]
    Refused(#[source] sqlx::Error),
    /// Its file cannot be made.
    #[error("cannot open the database file {path}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A newer `cs` has changed the tables.
    #[error(
        "the database was written by a newer cs: its tables have version {found}, this one knows {known}"
    )]
    Newer {
        /// Its version.
        found: i64,
        /// The last that we know.
        known: i64,
    },
    /// A value that we do not write stands in a table.
    #[error("a row of `{table}` holds what cs never writes")]
    Damaged {
        /// Where.
        table: &'static str,
    },
}

impl StoreError {
    /// Whether the same may work in a moment.
    #[must_use]
    pub const fn is_away(&self) -> bool {
        matches!(self, Self::Away(_))
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        let is_ours = match &error {
            // Classes 22, 23 and 42 of PostgreSQL: data, constraints, statements. Its others are about the server.
            sqlx::Error::Database(database) => match database.code().as_deref() {
                Some(code) if code.len() == 5 => ["22", "23", "42"]
                    .iter()
                    .any(|class| code.starts_with(class)),
                // Of SQLite, the primary code: error, constraint, mismatch, misuse, range. Its others are about the file.
                Some(code) => code
                    .parse::<u32>()
                    .is_ok_and(|code| matches!(code & 0xff, 1 | 19 | 20 | 21 | 25)),
                None => false,
            },
            sqlx::Error::RowNotFound
            | sqlx::Error::TypeNotFound { .. }
            | sqlx::Error::ColumnIndexOutOfBounds { .. }
            | sqlx::Error::ColumnNotFound(_)
            | sqlx::Error::ColumnDecode { .. }
            | sqlx::Error::Encode(_)
            | sqlx::Error::Decode(_)
            | sqlx::Error::AnyDriverError(_) => true,
            _ => false,
        };
        if is_ours {
            Self::Refused(error)
        } else {
            Self::Away(error)
        }
    }
}

impl StoreError {
    /// Whether a row could not be added because one of that key is there.
    #[must_use]
    pub fn is_duplicate(&self) -> bool {
        matches!(self, Self::Refused(sqlx::Error::Database(error)) if error.is_unique_violation())
    }
}
