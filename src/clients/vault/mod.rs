//! Vault: secrets for a build, through an AppRole.
//!
//! One reading is three calls: log in, read one path, revoke the token that the login gave. Nothing is kept between two
//! readings, and nothing is written to Vault. Role id, secret id, token and values are [`Secret`](crate::secret::Secret)
//! from the first line that sees them; whatever Vault says itself is shown only after a look whether it repeats one.

mod answer;
mod client;
mod error;
mod login;
mod path;
mod redirect;
mod retry;
mod said;
mod session;
mod tls;

pub use answer::VaultSecrets;
pub use client::read;
pub use error::VaultError;
pub use login::VaultLogin;
pub use said::Said;
