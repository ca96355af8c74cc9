//! Where params and specs come from: environment, files, standard input.

use std::io::Read;
use std::path::Path;

use super::Context;
use crate::config::{BadVariable, Environment};
use crate::dispatch::{ConvertOptions, Task, TaskError};

/// Longest text that is read as params or spec. Nomad refuses dispatch meta long before.
const MAX_TEXT: u64 = 4 * 1024 * 1024;

/// Why there is no input.
#[derive(Debug, thiserror::Error)]
pub(super) enum InputError {
    /// A file cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// Which; `standard input` for `-`.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// A file is too long.
    #[error("{path} is longer than {MAX_TEXT} bytes")]
    TooLong {
        /// Which.
        path: String,
    },
}

/// Reads a file, or standard input for `-`, bounded.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, InputError> {
    let shown = if path == Path::new("-") {
        "standard input".to_owned()
    } else {
        path.display().to_string()
    };
    let bytes = if path == Path::new("-") {
        bounded(std::io::stdin().lock())
    } else {
        std::fs::File::open(path).and_then(bounded)
    };
    let bytes = bytes.map_err(|source| InputError::Read {
        path: shown.clone(),
        source,
    })?;
    if bytes.len() as u64 > MAX_TEXT {
        return Err(InputError::TooLong { path: shown });
    }
    Ok(bytes)
}

fn bounded(source: impl Read) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.take(MAX_TEXT + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// What conversion needs from the environment.
pub(super) fn convert_options(environment: &Environment) -> Result<ConvertOptions, BadVariable> {
    Ok(ConvertOptions {
        vault: environment.vault()?,
        service_provider: environment.service_provider()?,
        backend_url: environment.get("BACKEND_URL"),
        access_token: environment.secret("ACCESS_TOKEN"),
    })
}

/// The task of `--task`, else of `NOMAD_META_TASK`, else `deploy-image`.
pub(super) fn task_or_image(context: &Context, given: Option<&str>) -> Result<Task, TaskError> {
    match given
        .map(str::to_owned)
        .or_else(|| context.environment.get("NOMAD_META_TASK"))
    {
        Some(text) => text.parse(),
        None => Ok(Task::DeployImage),
    }
}
