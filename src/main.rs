//! Parses arguments, runs the command, maps its result to an exit code.

fn main() {}
