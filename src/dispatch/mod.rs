//! What the platform sends: tasks and their params, and how they become specs.
//!
//! Params arrive as text in the environment of a dispatched job. [`params::parse`] reads them as leniently as the
//! program that `cs` replaces did, [`convert::convert`] turns them into the same [`Workload`](crate::spec::Workload)
//! that people write, plus what a run needs beside it. Pure: no environment, no file, no clock. No message of this
//! module repeats a value of the params, because any of them may be a secret in the wrong field.

pub mod convert;
pub mod decode;
pub mod error;
pub mod ids;
mod lenient;
pub mod params;
mod read;
pub mod run;
pub mod task;

pub use convert::{ConvertOptions, Converted, convert, to_yaml};
pub use error::{ErrorKind, ParamsError, Problem};
pub use ids::{EventIds, readable_ids, readable_trace};
pub use params::{DeployParams, DestroyParams, Params, parse};
pub use run::{DeployPlatform, RunContext};
pub use task::{Task, TaskError};
