//! The pure middle of the loop: what was observed, how it differs, how healthy it is, what to do next.

pub mod diff;
