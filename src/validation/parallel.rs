//! Work on many things at once, with the results in the order of the things.

use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// How many things a thread takes at a time: few enough to share the work evenly, enough to hardly ever ask for more.
const PORTION: usize = 16;

/// More threads than this gain nothing.
const MOST_THREADS: usize = 16;

/// Stack of a thread, in bytes; only what is used of it takes memory. The deepest policies need a third of it.
pub const STACK: usize = 8 * 1024 * 1024;

/// Does something with each thing, on as many threads as the machine has cores, none of them the caller's.
///
/// # Panics
/// When the work does, or when the system has no more threads.
pub fn map<T: Sync, R: Send>(things: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let threads = thread::available_parallelism()
        .map_or(1, NonZero::get)
        .min(MOST_THREADS)
        .min(things.len().div_ceil(PORTION));
    let next = AtomicUsize::new(0);
    let run = || {
        let mut done = Vec::new();
        loop {
            let start = next.fetch_add(PORTION, Ordering::Relaxed);
            let Some(rest) = things.get(start..) else {
                return done;
            };
            let portion = rest.iter().take(PORTION);
            done.push((start, portion.map(&work).collect::<Vec<R>>()));
        }
    };
    let mut portions: Vec<(usize, Vec<R>)> = thread::scope(|scope| {
        let start = |_| {
            let thread = thread::Builder::new().stack_size(STACK);
            thread
                .spawn_scoped(scope, run)
                .expect("a thread can be started")
        };
        let threads: Vec<_> = (0..threads).map(start).collect();
        let mut portions = Vec::new();
        for thread in threads {
            match thread.join() {
                Ok(done) => portions.extend(done),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        portions
    });
    portions.sort_unstable_by_key(|(start, _)| *start);
    portions.into_iter().flat_map(|(_, done)| done).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_things() {
        for count in [0, 1, 15, 16, 17, 1_000] {
            let things: Vec<usize> = (0..count).collect();
            let doubled: Vec<usize> = things.iter().map(|n| n * 2).collect();
            assert_eq!(map(&things, |n| n * 2), doubled);
        }
    }

    #[test]
    fn each_thing_is_worked_on_once() {
        let calls = AtomicUsize::new(0);
        let things = [(); 333];
        map(&things, |()| calls.fetch_add(1, Ordering::Relaxed));
        assert_eq!(calls.into_inner(), 333);
    }
}
