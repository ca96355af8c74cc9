//! Room between the engine, which must not wait, and the listener, who may.
//!
//! BuildKit does not slow a step whose output nobody takes: it collects it. Up to 23.0 it then never comes out of the loop
//! in which it hands on more than 1 MiB at once (BuildKit 0.8, `control.Controller.Status`: `retry` stays set), and the
//! build hangs. With its own bounds, 1 MiB a step and 100 KiB a second, the room here outlasts most pauses of a listener.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::lines::Lines;
use crate::artifact::output::Output;
use crate::events::LogStream;

/// Bytes that may wait: 40 s of the fastest step.
const ROOM: usize = 4 * 1024 * 1024;

struct Waiting {
    stream: LogStream,
    bytes: Bytes,
    _room: OwnedSemaphorePermit,
}

/// Takes lines; waits only when there is no room.
pub(super) struct Ahead {
    sender: UnboundedSender<Waiting>,
    room: Arc<Semaphore>,
}

/// The room before a listener, and the future that empties it: it ends when the first is dropped and all is handed on.
pub(super) fn ahead_of(output: &Output) -> (Ahead, impl Future<Output = ()>) {
    // Bounded by the room: nothing is sent without a share of it.
    let (sender, mut receiver) = unbounded_channel::<Waiting>();
    let room = Arc::new(Semaphore::new(ROOM));
    let hand_on = async move {
        while let Some(waiting) = receiver.recv().await {
            output.write(waiting.stream, waiting.bytes).await;
        }
    };
    (Ahead { sender, room }, hand_on)
}

impl Ahead {
    pub(super) async fn take(&self, lines: Lines) {
        for (stream, bytes) in lines.into_chunks() {
            let share = u32::try_from(bytes.len().min(ROOM)).expect("the room is smaller");
            let room = Arc::clone(&self.room).acquire_many_owned(share).await;
            let waiting = Waiting {
                stream,
                bytes,
                _room: room.expect("the room is never closed"),
            };
            // Only a future that was dropped does not empty it any more.
            let _ = self.sender.send(waiting);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    fn lines(bytes: usize) -> Lines {
        let mut lines = Lines::default();
        lines.push(LogStream::Stdout, &vec![b'x'; bytes]);
        lines
    }

    #[tokio::test]
    async fn a_listener_who_pauses_holds_nobody_up_until_the_room_is_full() {
        let (output, mut heard) = Output::channel();
        let (ahead, hand_on) = ahead_of(&output);
        let mut taken = 0;
        // Unconstrained: the runtime would make it wait after 128 turns.
        while tokio::task::unconstrained(ahead.take(lines(16_383)))
            .now_or_never()
            .is_some()
        {
            taken += 16_384;
        }
        assert_eq!(taken, ROOM);
        let listen = async {
            let mut bytes = 0;
            while bytes < 2 * ROOM {
                bytes += heard.recv().await.expect("there is more").bytes.len();
            }
        };
        let take = async move {
            for _ in 0..ROOM / 16_384 {
                ahead.take(lines(16_383)).await;
            }
        };
        tokio::join!(take, hand_on, listen);
    }
}
