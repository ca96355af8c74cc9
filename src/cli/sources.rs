//! Which spec files a command reads, and with which variables.

use std::path::PathBuf;

use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;

use super::{Context, exit};
use crate::clients::chain;
use crate::manifests::{self, LoadError, Loaded, Request};
use crate::spec::Severity;

/// Flags of every command that reads spec files.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct SourceArgs {
    /// Files, folders, globs, `-` for standard input, or a Git address with `//path` and `?ref=revision`.
    #[arg(short, long = "file", value_name = "PATH", num_args = 1..)]
    pub(super) file: Vec<String>,
    /// Value of an HCL variable of the Nomad jobs among them, as NAME=VALUE. May be repeated.
    #[arg(long = "var", value_name = "NAME=VALUE")]
    pub(super) var: Vec<String>,
    /// File with such values. May be repeated.
    #[arg(long = "var-file", value_name = "FILE")]
    pub(super) var_file: Vec<PathBuf>,
}

/// The same for commands that take them as arguments.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct PathArgs {
    /// Files, folders, globs, `-` for standard input, or a Git address with `//path` and `?ref=revision`.
    #[arg(value_name = "PATH", required = true)]
    pub(super) paths: Vec<String>,
    /// Value of an HCL variable of the Nomad jobs among them, as NAME=VALUE. May be repeated.
    #[arg(long = "var", value_name = "NAME=VALUE")]
    pub(super) var: Vec<String>,
    /// File with such values. May be repeated.
    #[arg(long = "var-file", value_name = "FILE")]
    pub(super) var_file: Vec<PathBuf>,
}

impl From<PathArgs> for SourceArgs {
    fn from(arguments: PathArgs) -> Self {
        Self {
            file: arguments.paths,
            var: arguments.var,
            var_file: arguments.var_file,
        }
    }
}

impl SourceArgs {
    /// Reads everything. What is wrong with files stays in the result, for the caller to print in its own form.
    ///
    /// # Errors
    /// Nothing can be said about the sources. Why has been printed; the exit code.
    pub(super) async fn load(
        &self,
        context: &Context,
        stop: &CancellationToken,
    ) -> Result<Loaded, u8> {
        let request = self.request(context)?;
        manifests::load(&request, stop).await.map_err(complain)
    }

    /// The same for commands without a runtime. A signal ends the process as it ends any other.
    ///
    /// # Errors
    /// As [`SourceArgs::load`].
    pub(super) fn load_now(&self, context: &Context) -> Result<Loaded, u8> {
        let request = self.request(context)?;
        let stop = CancellationToken::new();
        if !request.needs_network() {
            return manifests::load_local(&request, &stop).map_err(complain);
        }
        let mut loaded = Err(1);
        let code = super::block_on(async {
            loaded = manifests::load(&request, &stop).await.map_err(complain);
            0
        });
        // A runtime that cannot be made has been complained about.
        loaded.map_err(|own| own.max(code))
    }

    /// Fingerprint of the variables that were given by flags. Their values may be secrets, and are kept nowhere.
    ///
    /// # Errors
    /// A file cannot be read; that has been printed, the exit code.
    pub(super) fn variables_fingerprint(&self) -> Result<String, u8> {
        let mut sink = Sha256::new();
        sink.update(b"cs variables 1");
        let mut feed = |bytes: &[u8]| {
            sink.update((bytes.len() as u64).to_be_bytes());
            sink.update(bytes);
        };
        self.var.iter().for_each(|text| feed(text.as_bytes()));
        for path in &self.var_file {
            let text = std::fs::read(path).map_err(|error| {
                exit::usage(format!("cannot read {}: {error}", path.display()), "")
            })?;
            feed(&text);
        }
        Ok(format!("{:x}", sink.finalize()))
    }

    fn request(&self, context: &Context) -> Result<Request, u8> {
        let environment = &context.environment;
        Request::new(&self.file, &self.var, self.var_file.clone(), environment).map_err(complain)
    }
}

/// Prints what is wrong with files, and what was left out, for commands that go on only when nothing is.
///
/// # Errors
/// Something is wrong; the exit code.
pub(super) fn without_findings(loaded: Loaded) -> Result<Loaded, u8> {
    loaded.findings.iter().for_each(exit::finding);
    for folder in &loaded.overlays {
        exit::warn(&format!(
            "{folder} is an overlay and a set of its own; name it to read it"
        ));
    }
    let has_errors = loaded
        .findings
        .iter()
        .any(|finding| finding.severity == Severity::Error);
    if has_errors {
        return Err(loaded.exit_code());
    }
    Ok(loaded)
}

fn complain(error: LoadError) -> u8 {
    exit::complain(&chain(&error), error.help());
    error.exit_code()
}
