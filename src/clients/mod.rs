//! Clients of outside services. Thin: they turn calls into types and failures into errors with a disposition.

pub mod backend;
pub mod docker;
pub mod egress;
pub mod jenkins;
pub mod nomad;
pub(crate) mod tls;
pub mod vault;

/// An error and its causes in one line. `Display` of our errors never repeats the source, so whoever prints walks.
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        let text = source.to_string();
        // Libraries do repeat theirs.
        if !line.contains(&text) {
            line.push_str(": ");
            line.push_str(&text);
        }
        next = source.source();
    }
    line
}
