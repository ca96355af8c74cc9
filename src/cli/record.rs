//! `--summary` and `--metrics-file`: what became of a run, in files for machines, however it ends.
//!
//! A file that cannot be written is found out before the run begins. Both are replaced in one go, so a reader never sees half
//! of one.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::report::run::RunReport;
use super::signals::{self, Signals};
use super::{Context, exit, exported, on_runtime};
use crate::controller::run::RunResult;
use crate::observe::page::{RunFacts, page};
use crate::observe::{self, Kind, Run, TraceContext};

/// Flags of every command that changes something.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct RecordArgs {
    /// Write a report of the run to this file, however it ends.
    #[arg(long, value_name = "FILE")]
    summary: Option<PathBuf>,
    /// Write the metrics of the run to this file, for the textfile collector of node_exporter. Default: `CS_METRICS_FILE`.
    #[arg(long, value_name = "FILE")]
    metrics_file: Option<PathBuf>,
}

/// What is recorded.
pub(super) struct Started<'a> {
    /// E.g. `apply`.
    pub(super) command: &'static str,
    /// The word for a good end.
    pub(super) success: &'static str,
    /// Where it is written, if anywhere.
    pub(super) arguments: Option<&'a RecordArgs>,
    /// The trace that it belongs to, before that of the environment.
    pub(super) trace: Option<TraceContext>,
}

impl<'a> Started<'a> {
    /// A command in the trace of the environment.
    pub(super) const fn new(
        command: &'static str,
        success: &'static str,
        arguments: &'a RecordArgs,
    ) -> Self {
        Self {
            command,
            success,
            arguments: Some(arguments),
            trace: None,
        }
    }
}

/// A run that is over.
pub(super) struct Done {
    pub(super) code: u8,
    /// What is known of a dispatched task.
    pub(super) result: Option<Box<RunResult>>,
    /// Its report, as it was printed.
    pub(super) report: Option<String>,
}

impl From<u8> for Done {
    fn from(code: u8) -> Self {
        Self {
            code,
            result: None,
            report: None,
        }
    }
}

/// Runs a command's work to its end, as [`super::block_on`] does, and writes what became of it.
pub(super) fn recorded<D: Into<Done>>(
    context: &Context,
    started: &Started<'_>,
    work: impl Future<Output = D>,
) -> u8 {
    let outlets = match Outlets::open(context, started.arguments) {
        Ok(outlets) => outlets,
        Err(text) => return exit::usage(text, "name a file in a folder that can be written to"),
    };
    let work = Box::pin(work);
    on_runtime(async {
        let environment = || observe::of_environment(&context.environment);
        let parent = started.trace.clone().or_else(environment);
        let run = Run::begin(format!("cs {}", started.command), Kind::Internal, parent);
        let written = exported(outlets.around(started, &run, work)).await;
        outlets.write_metrics(started, &run, &written);
        written.code
    })
}

/// The end of a run, as far as its metrics are concerned.
struct Written {
    code: u8,
    outcome: &'static str,
    pending: usize,
    dropped: usize,
}

/// Where the files go.
struct Outlets {
    summary: Option<Outlet>,
    metrics: Option<Outlet>,
}

impl Outlets {
    fn open(context: &Context, arguments: Option<&RecordArgs>) -> Result<Self, String> {
        let Some(arguments) = arguments else {
            return Ok(Self {
                summary: None,
                metrics: None,
            });
        };
        let from_environment = || {
            context
                .environment
                .get("CS_METRICS_FILE")
                .map(PathBuf::from)
        };
        let metrics = arguments.metrics_file.clone().or_else(from_environment);
        // The report holds log lines of tasks, which are nobody else's business; metrics are made for another user.
        let outlets = Self {
            summary: outlet("--summary", arguments.summary.as_deref(), 0o600)?,
            metrics: outlet("--metrics-file", metrics.as_deref(), 0o644)?,
        };
        match (&outlets.summary, &outlets.metrics) {
            (Some(summary), Some(metrics)) if summary.path == metrics.path => {
                Err("--summary and --metrics-file name the same file".to_owned())
            }
            _ => Ok(outlets),
        }
    }

    async fn around<D: Into<Done>>(
        &self,
        started: &Started<'_>,
        run: &Run,
        work: impl Future<Output = D>,
    ) -> Written {
        if self.summary.is_some() {
            run.want_versions();
        }
        let is_asked_for = self.summary.is_some() || self.metrics.is_some();
        let done: Done = if is_asked_for || observe::exporter().is_some() {
            run.around(until_signal(work)).await
        } else {
            run.around(work).await.into()
        };
        let outcome = match &done.result {
            Some(result) => result.outcome.word(),
            None => word(done.code, started.success),
        };
        run.set("cs.outcome", outcome);
        run.set("process.exit.code", u64::from(done.code));
        if done.code != 0 {
            run.fail(outcome);
        }
        run.end();
        if let Some(summary) = &self.summary {
            let of_command =
                || RunReport::of_command(started.command, outcome, done.code, run).line();
            let report = done.report.clone().unwrap_or_else(of_command);
            summary.write_or_warn(&format!("{report}\n"));
        }
        let delivery = done
            .result
            .map(|result| result.delivery)
            .unwrap_or_default();
        Written {
            code: done.code,
            outcome,
            pending: delivery.pending.len(),
            dropped: delivery.dropped_log_lines,
        }
    }

    fn write_metrics(&self, started: &Started<'_>, run: &Run, written: &Written) {
        let Some(outlet) = &self.metrics else {
            return;
        };
        let began = run.began().as_duration().as_secs_f64();
        let took = run.elapsed().as_secs_f64();
        let name = outlet.path.file_stem().unwrap_or_default();
        let facts = RunFacts {
            run: &name.to_string_lossy(),
            command: started.command,
            outcome: written.outcome,
            exit_code: written.code,
            began,
            ended: began + took,
            took,
            pending: written.pending,
            dropped: written.dropped,
            lost_spans: observe::lost_spans(),
            peak_memory: peak_memory(),
        };
        outlet.write_or_warn(&page(&facts, &run.tally()));
    }
}

/// Carries out the work. A signal that the work does not hear itself ends it at once, so that there is somebody left to tell.
async fn until_signal<D: Into<Done>>(work: impl Future<Output = D>) -> Done {
    let mut signals = Signals::catch_quietly();
    let mut work = std::pin::pin!(work);
    loop {
        // Cancel-safe: the work is only borrowed; dropping it is what the signal asks for.
        tokio::select! {
            biased;
            done = &mut work => return done.into(),
            () = signals.first() => {
                if !signals::are_heard() {
                    exit::complain("interrupted", Some("repeat the same command: what stands already is found to stand"));
                    return Done::from(10);
                }
            }
        }
    }
}

/// How a command ended, by its exit code (design of the exit codes: docs/cli.md).
fn word(code: u8, success: &'static str) -> &'static str {
    match code {
        0 => success,
        2 => "usage",
        3 => "invalid",
        4 => "deadline",
        5 => "unhealthy",
        6 => "rolled-back",
        7 => "unplaceable",
        8 => "conflict",
        9 => "refused",
        10 => "cancelled",
        _ => "failed",
    }
}

/// Bytes; `None` where the system does not say.
fn peak_memory() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

/// A file that is written at the end.
struct Outlet {
    flag: &'static str,
    path: PathBuf,
    /// Mode of a new file; `None`: what is there is written to as it is, because it is no plain file or cannot be replaced.
    mode: Option<u32>,
}

/// # Errors
/// It cannot be written, in one line.
fn outlet(flag: &'static str, path: Option<&Path>, mode: u32) -> Result<Option<Outlet>, String> {
    let Some(path) = path else {
        return Ok(None);
    };
    if path == Path::new("-") {
        return Err(format!(
            "{flag}: `-` is no file; the report of most commands is printed with -o json"
        ));
    }
    let cannot = |error: io::Error| format!("{flag}: cannot write {}: {error}", path.display());
    // What a link leads to is replaced, not the link.
    let path = match fs::canonicalize(path) {
        Ok(path) => path,
        Err(error) if error.kind() == io::ErrorKind::NotFound => path.to_owned(),
        Err(error) => return Err(cannot(error)),
    };
    let found = fs::metadata(&path).ok();
    if found.as_ref().is_some_and(fs::Metadata::is_dir) {
        return Err(format!("{flag}: {} is a directory", path.display()));
    }
    let mode = match found {
        Some(found) if !found.is_file() => None,
        found => match probe(&path) {
            Ok(()) => Some(mode),
            // A single file that is mounted, say.
            Err(error) if found.is_some() => {
                let opened = OpenOptions::new().write(true).open(&path);
                opened.map_err(|_| cannot(error))?;
                None
            }
            Err(error) => return Err(cannot(error)),
        },
    };
    Ok(Some(Outlet { flag, path, mode }))
}

/// Finds out whether a file can be made beside this one.
fn probe(path: &Path) -> io::Result<()> {
    let beside = beside(path)?;
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&beside)?;
    fs::remove_file(beside)
}

/// A name beside a file that nobody else uses, and that no collector takes for one of its own.
fn beside(path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let unique = uuid::Uuid::new_v4().simple();
    let name = format!(".{}.{unique}.tmp", name.to_string_lossy());
    Ok(path.with_file_name(name))
}

impl Outlet {
    /// A run is not changed by a disk that is full.
    fn write_or_warn(&self, text: &str) {
        if let Err(error) = self.write(text) {
            let path = self.path.display();
            exit::warn(&format!("{}: cannot write {path}: {error}", self.flag));
        }
    }

    fn write(&self, text: &str) -> io::Result<()> {
        let Some(mode) = self.mode else {
            let mut file = OpenOptions::new()
                .write(true)
                .truncate(true)
                .open(&self.path)?;
            return file.write_all(text.as_bytes());
        };
        let partial = beside(&self.path)?;
        let written =
            write_new(&partial, text, mode).and_then(|()| fs::rename(&partial, &self.path));
        if written.is_err() {
            // Nothing more can be done about it.
            let _ = fs::remove_file(&partial);
        }
        written
    }
}

fn write_new(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(mode).open(path)?;
    // Whatever the mask of the process says.
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    file.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    #[test]
    fn a_file_is_replaced_in_one_go_with_its_mode_and_nothing_is_left_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.prom");
        for text in ["one", "two"] {
            let outlet = outlet("--x", Some(&path), 0o644).unwrap().unwrap();
            outlet.write(text).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o644
        );
        assert_eq!(names(folder.path()), ["a.prom"]);
    }

    #[test]
    fn a_link_stays_one_and_what_it_leads_to_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let (real, link) = (folder.path().join("real"), folder.path().join("link"));
        fs::write(&real, "old").unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        outlet("--x", Some(&link), 0o600)
            .unwrap()
            .unwrap()
            .write("new")
            .unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(&real).unwrap(), "new");
    }

    #[test]
    fn a_device_is_written_to_and_not_replaced() {
        let null = outlet("--x", Some(Path::new("/dev/null")), 0o600)
            .unwrap()
            .unwrap();
        assert_eq!(null.mode, None);
        null.write("gone").unwrap();
    }

    #[test]
    fn what_cannot_be_written_is_known_before() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("no/such/file");
        for bad in [
            missing.as_path(),
            folder.path(),
            Path::new("-"),
            Path::new("/proc/x"),
        ] {
            let text = outlet("--summary", Some(bad), 0o600).err().unwrap();
            assert!(text.starts_with("--summary: "), "{text}");
        }
        assert_eq!(names(folder.path()), [""; 0]);
    }
}
