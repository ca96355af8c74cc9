//! A BuildKit that reports nothing, without end.
//!
//! What leads there stands in [`ahead`](crate::clients::docker::ahead). The build itself goes on, only its report is lost:
//! the id of the image still comes, a failure does not.

use std::time::Duration;

use crate::clients::docker::ahead::Ahead;
use crate::clients::docker::lines::Lines;
use crate::clients::docker::messages::Message;
use crate::events::LogStream;

/// Empty reports in a row that a sound BuildKit does not send.
const FLOOD: usize = 1000;

/// Pause after as many more. It costs the engine and this program a processor each to send and read as fast as they can.
const PAUSE: Duration = Duration::from_millis(50);

/// How many empty reports came in a row.
#[derive(Debug, Default)]
pub(super) struct Flood(usize);

impl Flood {
    /// Counts a message. Whether the report is lost; the first time it says so.
    pub(super) async fn rises(&mut self, message: &Message, ahead: &Ahead) -> bool {
        if self.0 >= FLOOD || message.is_empty_report() {
            self.0 += 1;
        } else {
            self.0 = 0;
        }
        if self.0 == FLOOD {
            let mut lines = Lines::default();
            lines.text(
                LogStream::Stderr,
                "warning: BuildKit has lost the rest of its log, which engines before 23.0 do when it is read too slowly; \
                 the build goes on, but should it fail, it will not say so",
            );
            ahead.take(lines).await;
        }
        if self.0 >= FLOOD && self.0.is_multiple_of(FLOOD) {
            tokio::time::sleep(PAUSE).await;
        }
        self.0 >= FLOOD
    }
}
