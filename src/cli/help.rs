//! How the command line presents itself: commands in groups instead of one long list.

use std::fmt::Write as _;

use std::io::IsTerminal as _;
use std::process::ExitCode;

use clap::{Command, CommandFactory, FromArgMatches};

use super::{Cli, output};

/// Every command that is shown, in the order in which people meet them.
pub(super) const GROUPS: [(&str, &[&str]); 7] = [
    (
        "Write and check specs, without a cluster",
        &["new", "validate", "explain", "schema", "render", "convert"],
    ),
    (
        "Build and deploy a project",
        &["init", "build", "deploy", "up"],
    ),
    (
        "Change a cluster",
        &[
            "plan", "diff", "apply", "delete", "rollback", "promote", "import",
        ],
    ),
    (
        "Look at a cluster",
        &["status", "why", "get", "history", "logs", "wait"],
    ),
    ("Reach a cluster", &["context", "doctor"]),
    (
        "Run as part of a platform",
        &["reconcile", "runner", "serve"],
    ),
    (
        "Try it, and set up the shell",
        &["demo", "dev", "completions", "man", "version"],
    ),
];

/// First steps, under the help of the whole.
const EXAMPLES: &str = "Examples:
  cs demo                                                      # the whole loop, without a cluster
  cs new workload shop --image nginx:1.27 --out specs/shop.yaml
  cs validate specs/
  cs plan -f specs/
  cs apply -f specs/
  cs why shop

`cs COMMAND --help` tells more about a command, `cs explain workload.spec` about what stands in specs.";

/// The command line with its grouped help.
pub(super) fn command() -> Command {
    let command = Cli::command().after_help(EXAMPLES);
    let template = template(&command);
    command.help_template(template)
}

/// Reads the command line of this process.
///
/// # Errors
/// Help or a complaint was printed; the exit code.
pub(super) fn parse() -> Result<Cli, ExitCode> {
    let parsed = command()
        .try_get_matches()
        .and_then(|matches| Cli::from_arg_matches(&matches));
    parsed.map_err(|error| {
        if error.use_stderr() {
            // It repeats arguments, and those may be of others.
            let is_coloured = std::io::stderr().is_terminal();
            output::start(false, is_coloured);
            let text = error.render();
            output::talk(&match is_coloured {
                true => text.ansi().to_string(),
                false => text.to_string(),
            });
        } else {
            // Nobody is told when the reader has gone.
            let _ = error.print();
        }
        ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
    })
}

/// Clap lists commands as one; so the groups are part of the template.
fn template(command: &Command) -> String {
    let header = command.get_styles().get_header();
    let literal = command.get_styles().get_literal();
    let names = command.get_subcommands().map(|one| one.get_name().len());
    let width = names.max().unwrap_or_default();
    let mut text = String::from("{before-help}{about-with-newline}\n{usage-heading} {usage}\n");
    for (title, names) in GROUPS {
        let _ = writeln!(text, "\n{header}{title}:{header:#}");
        for name in names {
            let about = command.find_subcommand(name).map(about).unwrap_or_default();
            let _ = writeln!(text, "  {literal}{name:width$}{literal:#}  {about}");
        }
    }
    let _ = write!(
        text,
        "\n{header}Options:{header:#}\n{{options}}{{after-help}}"
    );
    text
}

/// What a command does, up to its details.
fn about(command: &Command) -> String {
    let about = command
        .get_about()
        .map(ToString::to_string)
        .unwrap_or_default();
    let end = about.find(": ").unwrap_or(about.len());
    about[..end].to_owned()
}

/// A text that follows `Examples:` in the help of a command.
pub(super) fn examples(command: &Command) -> Option<String> {
    let after = command.get_after_long_help().or(command.get_after_help())?;
    let after = after.to_string();
    let (_, examples) = after.split_once("Examples:\n")?;
    Some(examples.trim_end().to_owned())
}

/// The commands below one that are shown, in the order of the help.
pub(super) fn visible(command: &Command) -> Vec<&Command> {
    let place = |name: &str| {
        let all = GROUPS.iter().flat_map(|(_, names)| names.iter());
        all.into_iter().position(|known| *known == name)
    };
    let mut commands: Vec<&Command> = command
        .get_subcommands()
        .filter(|command| !command.is_hide_set())
        .collect();
    commands.sort_by_key(|command| place(command.get_name()));
    commands
}

#[cfg(test)]
mod tests {
    use super::*;

    fn each(command: &Command, path: &str, visit: &mut dyn FnMut(&str, &Command)) {
        for below in visible(command) {
            let path = format!("{path} {}", below.get_name());
            visit(&path, below);
            each(below, &path, visit);
        }
    }

    #[test]
    fn the_groups_name_every_command_that_is_shown_once_and_no_other() {
        let command = command();
        let mut grouped: Vec<&str> = GROUPS
            .iter()
            .flat_map(|(_, names)| names.iter().copied())
            .collect();
        let mut shown: Vec<&str> = visible(&command).iter().map(|one| one.get_name()).collect();
        grouped.sort_unstable();
        shown.sort_unstable();
        assert_eq!(
            grouped, shown,
            "every command belongs to one group of `cli::help::GROUPS`"
        );
    }

    #[test]
    fn every_command_says_what_it_does_and_shows_examples() {
        let mut command = command();
        command.build();
        let mut missing = Vec::new();
        each(&command, "cs", &mut |path, command| {
            let about = command
                .get_about()
                .map(ToString::to_string)
                .unwrap_or_default();
            if about.is_empty() || about.ends_with('.') {
                missing.push(format!("{path}: about `{about}`"));
            }
            let shown = examples(command).unwrap_or_default();
            let is_shown = shown
                .lines()
                .any(|line| line.starts_with(&format!("  {path}")))
                || command.has_subcommands() && shown.contains(path);
            // What belongs to a command of its own is shown by that one.
            let is_own = path.split(' ').count() == 2;
            if is_own && !is_shown {
                missing.push(format!("{path}: `Examples:` with a line `  {path} …`"));
            }
        });
        assert!(missing.is_empty(), "missing:\n{}", missing.join("\n"));
    }

    #[test]
    fn every_argument_says_what_it_is() {
        let mut command = command();
        command.build();
        let mut missing = Vec::new();
        each(&command, "cs", &mut |path, command| {
            for argument in command.get_arguments().filter(|one| !one.is_hide_set()) {
                let help = argument
                    .get_help()
                    .map(ToString::to_string)
                    .unwrap_or_default();
                if help.len() < 4 {
                    missing.push(format!("{path}: {}", argument.get_id()));
                }
            }
        });
        assert!(missing.is_empty(), "missing:\n{}", missing.join("\n"));
    }

    #[test]
    fn the_command_line_is_sound() {
        command().debug_assert();
    }
}
