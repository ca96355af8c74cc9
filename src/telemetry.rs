//! Logs of the process: what people and machines read on standard error.
//!
//! Data goes to standard output and is printed by `cli`; nothing here may write there.

use std::io::IsTerminal;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// How much is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Level {
    /// Nothing.
    Off,
    /// What ended the run.
    Error,
    /// What went wrong and was got over.
    Warn,
    /// What a person wants to follow.
    #[default]
    Info,
    /// Calls and decisions.
    Debug,
    /// Everything.
    Trace,
}

impl From<Level> for LevelFilter {
    fn from(level: Level) -> Self {
        match level {
            Level::Off => Self::OFF,
            Level::Error => Self::ERROR,
            Level::Warn => Self::WARN,
            Level::Info => Self::INFO,
            Level::Debug => Self::DEBUG,
            Level::Trace => Self::TRACE,
        }
    }
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// When colours are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl Color {
    /// Whether a stream gets colours. `no_color` is whether `NO_COLOR` is set.
    #[must_use]
    pub fn applies_to(self, stream: &impl IsTerminal, no_color: bool) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => !no_color && stream.is_terminal(),
        }
    }
}

/// Starts logging to `writer`, standard error or what stands before it. Later calls change nothing.
///
/// Only lines of this crate are written, at every level: the HTTP and NATS libraries log addresses with credentials.
pub fn start<W>(level: Level, format: LogFormat, colored: bool, writer: W)
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let ours = Targets::new().with_target("cs", LevelFilter::from(level));
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(writer)
        .with_ansi(colored)
        .with_target(false);
    let registry = tracing_subscriber::registry().with(ours);
    // Fails only when a subscriber is set already, which is what a second call wants.
    let _ = match format {
        LogFormat::Text => registry.with(lines.without_time()).try_init(),
        LogFormat::Json => registry.with(lines.json().flatten_event(true)).try_init(),
    };
}
