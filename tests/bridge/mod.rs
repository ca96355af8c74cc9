//! `cs serve` as a process: on SQLite and on a real PostgreSQL, with a double of Jenkins, a real NATS and a simulated Nomad.

mod api;
mod events;
mod jenkins;
pub(crate) mod lab;
mod leaks;
mod openapi;
mod outages;
mod rollouts;
mod setup;
mod webhooks;

/// Runs each check on both databases.
macro_rules! on_both {
    ($($(#[$doc:meta])* fn $name:ident($lab:ident: &mut Bridge) $body:block)*) => {
        $(
            $(#[$doc])*
            mod $name {
                use super::*;

                fn check($lab: &mut Bridge) $body

                #[test]
                fn on_sqlite() {
                    check(&mut Bridge::on_sqlite());
                }

                #[test]
                fn on_postgres() {
                    check(&mut Bridge::on_postgres());
                }
            }
        )*
    };
}
use on_both;
