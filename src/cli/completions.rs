//! `cs completions`: completion scripts of shells, with the names of the jobs that run.
//!
//! The scripts are those of `clap_complete`, which know commands, options and fixed values. Where a command takes the
//! name of a job they ask the binary: `cs __complete jobs PREFIX WORD…`, see [`candidates`]. That command is no part of
//! the command line as it is shown.

pub(super) mod candidates;
mod scripts;

use clap_complete::Shell;

use super::{Context, help, output};

/// Print the completion script of a shell; it completes names of jobs, too.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cs completions bash > ~/.local/share/bash-completion/completions/cs
  cs completions zsh > \"${fpath[1]}/_cs\"
  cs completions fish > ~/.config/fish/completions/cs.fish
  cs completions elvish >> ~/.config/elvish/rc.elv
  cs completions powershell >> $PROFILE

Names of jobs come from the cluster that the command line would talk to. When it does not answer within a second, none
are offered.")]
pub(super) struct Arguments {
    /// Shell that reads the script.
    #[arg(value_enum, value_name = "SHELL")]
    shell: Shell,
}

pub(super) fn run(_context: &Context, arguments: Arguments) -> u8 {
    output::data(&scripts::script(arguments.shell, help::command()));
    0
}
