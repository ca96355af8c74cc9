//! The no-noise corpus: jobs of every type with every block, for which a write followed by a look finds no difference.
//!
//! The jobs are the files under tests/fixtures/corpus: HCL, JSON and YAML, one set with unique ids. Almost all have a
//! count of 0 or wait for their time; three run `sleep` or `true` on every node. Those in `needs/` are refused by a
//! development agent, for the reason that [`files`] gives. Every property is checked on the simulator, and on a real
//! Nomad when there is one. That every block and argument is used is checked beside the tables, in
//! `simulator::jobspec`.

pub(crate) mod files;
mod lab;
mod language;
mod nasty;
mod noise;

use files::{CorpusFile, CorpusJob, corpus};
use lab::Lab;

/// What both kinds of Nomad are asked.
macro_rules! on_both {
    ($($name:ident),* $(,)?) => {
        mod on_simulator {
            $(#[tokio::test] async fn $name() { super::$name(&crate::corpus::Lab::simulator().await).await; })*
        }

        mod on_real_nomad {
            $(#[tokio::test] async fn $name() {
                if let Some(lab) = crate::corpus::Lab::real() {
                    super::$name(&lab).await;
                }
            })*
        }
    };
}
use on_both;
