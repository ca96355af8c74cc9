//! Where and with what the figures were taken.

use std::path::Path;
use std::process::Command;

pub(crate) fn describe(binary: &Path) -> Vec<String> {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let processor = field("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown".to_owned());
    let kernel = read("/proc/sys/kernel/osrelease");
    let load = read("/proc/loadavg");
    let load = load.split(' ').take(3).collect::<Vec<_>>().join(" ");
    let versions = [
        ("nomad", "version"),
        ("nats-server", "--version"),
        ("rustc", "--version"),
    ]
    .map(|(program, argument)| first_line(program, argument));
    vec![
        format!("machine: {cores} cores, {processor}, Linux {kernel}"),
        format!("load average at the end: {load}"),
        format!("binary: {}, {}", first_line_of(binary), linkage(binary)),
        format!("versions: {}", versions.join("; ")),
    ]
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path)
        .unwrap_or_default()
        .trim()
        .to_owned()
}

fn field(path: &str, name: &str) -> Option<String> {
    let text = read(path);
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn first_line(program: &str, argument: &str) -> String {
    Command::new(program).arg(argument).output().map_or_else(
        |_| format!("{program} is not on PATH"),
        |output| {
            String::from_utf8_lossy(&output.stdout)
                .lines()
                .next()
                .unwrap_or_default()
                .to_owned()
        },
    )
}

fn first_line_of(binary: &Path) -> String {
    first_line(&binary.to_string_lossy(), "--version")
}

/// A static program names no interpreter.
fn linkage(binary: &Path) -> &'static str {
    let bytes = std::fs::read(binary).expect("the binary can be read");
    let dynamic = bytes
        .windows(8)
        .take(4096)
        .any(|window| window == b"/ld-linu" || window == b"4/ld-lin");
    if dynamic { "dynamic (glibc)" } else { "static" }
}
