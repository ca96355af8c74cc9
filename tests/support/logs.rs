//! What a test logs, at every level and with every field, as text.

use std::cell::RefCell;
use std::io;
use std::sync::Once;

use tracing::level_filters::LevelFilter;

thread_local! {
    static KEPT: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
}

/// Writes to what the current thread keeps, if it keeps anything.
struct ToThread;

impl io::Write for ToThread {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        KEPT.with_borrow_mut(|kept| {
            if let Some(kept) = kept {
                kept.extend_from_slice(bytes);
            }
        });
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Keeps what the current thread logs until it is dropped. Use it in a runtime of one thread.
///
/// One subscriber serves the whole process: with one a test, a place in the code that is reached for the first time
/// while another test's subscriber comes or goes would be taken for one that nobody listens to.
pub(crate) struct Logs(());

impl Drop for Logs {
    fn drop(&mut self) {
        KEPT.set(None);
    }
}

impl Logs {
    pub(crate) fn capture() -> Self {
        static INSTALL: Once = Once::new();
        INSTALL.call_once(|| {
            let subscriber = tracing_subscriber::fmt()
                .with_max_level(LevelFilter::TRACE)
                .with_ansi(false)
                .with_writer(|| ToThread)
                .finish();
            tracing::subscriber::set_global_default(subscriber)
                .expect("no other test installs a subscriber for the process");
        });
        // Repairs a place that was reached while the subscriber was being installed.
        tracing::callsite::rebuild_interest_cache();
        KEPT.set(Some(Vec::new()));
        Self(())
    }

    pub(crate) fn text(&self) -> String {
        KEPT.with_borrow(|kept| {
            String::from_utf8_lossy(kept.as_deref().unwrap_or_default()).into_owned()
        })
    }

    /// Lines of level WARN that contain `text`.
    pub(crate) fn warnings(&self, text: &str) -> usize {
        self.text()
            .lines()
            .filter(|line| line.contains(" WARN ") && line.contains(text))
            .count()
    }
}
