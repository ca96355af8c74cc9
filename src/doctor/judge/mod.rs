//! What the facts mean. Pure.

mod around;
mod cluster;
mod configuration;
mod connection;
mod rights;

#[cfg(test)]
mod tests;

use super::Check;
use super::facts::Facts;

/// All checks, in the order in which a person would look: what does not work first breaks what follows.
#[must_use]
pub fn judge(facts: &Facts) -> Vec<Check> {
    let mut checks = configuration::judge(&facts.config);
    checks.extend(connection::judge(facts));
    checks.extend(rights::judge(facts.nomad.as_ref(), &facts.around));
    checks.extend(cluster::judge(facts.nomad.as_ref(), facts.around.wants));
    checks.extend(around::judge(&facts.around));
    checks
}

/// Why Nomad was not asked.
const NOT_ASKED: &str = "not asked: Nomad does not answer";
