//! Why a build failed, out of the engine's words.

use crate::clients::docker::transport::one_line;

/// What engines put before the reason. It repeats what is known.
const PREFIXES: [&str; 6] = [
    "failed to solve with frontend dockerfile.v0: ",
    "failed to solve: ",
    "failed to create LLB definition: ",
    "failed to build LLB: ",
    "rpc error: code = Unknown desc = ",
    "process did not complete successfully: ",
];

/// The reason in one line: the exit code of a failed command, else the engine's words without their prefixes.
pub(super) fn of(text: &str) -> String {
    let mut reason = text.trim();
    while let Some(rest) = PREFIXES
        .iter()
        .find_map(|prefix| reason.strip_prefix(prefix))
    {
        reason = rest;
    }
    exit_code(reason).unwrap_or_else(|| one_line(reason))
}

/// `exit code: 7` of either builder's words for it. They repeat the whole command before it.
fn exit_code(reason: &str) -> Option<String> {
    const BUILDKIT: &str = "exit code: ";
    const CLASSIC: &str = "returned a non-zero code: ";
    let (_, code) = reason
        .rsplit_once(BUILDKIT)
        .or_else(|| reason.rsplit_once(CLASSIC))?;
    let is_number = !code.is_empty() && code.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| format!("{BUILDKIT}{code}"))
}

/// Whether a refusal blames the Dockerfile. The classic builder reads it before it answers.
pub(super) fn is_of_source(message: &str) -> bool {
    let text = message.to_ascii_lowercase();
    text.contains("dockerfile")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_is_what_is_new() {
        for (text, reason) in [
            (
                "executor failed running [/bin/sh -c exit 7]: exit code: 7",
                "exit code: 7",
            ),
            (
                "failed to solve: process \"/bin/sh -c false\" did not complete successfully: exit code: 1",
                "exit code: 1",
            ),
            (
                "The command '/bin/sh -c false' returned a non-zero code: 1",
                "exit code: 1",
            ),
            (
                "failed to solve with frontend dockerfile.v0: failed to create LLB definition: dockerfile parse error line 3: unknown instruction: RUNN",
                "dockerfile parse error line 3: unknown instruction: RUNN",
            ),
            ("exit code: x", "exit code: x"),
            ("two\nlines", "two lines"),
        ] {
            assert_eq!(of(text), reason);
        }
    }
}
