//! Every command on one page of Markdown, from the same definitions as `--help`.

use std::fmt::Write as _;

use clap::{Arg, Command};

use crate::cli::help;

/// The page of the whole command line, which has been built.
pub(super) fn page(top: &Command) -> String {
    let mut page = String::from(
        "<!-- Generated: cs man -o markdown > docs/cli.md -->\n# Commands\n\
         Data goes to standard output, talk to standard error. A flag wins over the environment, the environment over the \
         config file.\n",
    );
    contents(top, &mut page);
    let global: Vec<&Arg> = top
        .get_arguments()
        .filter(|one| one.is_global_set())
        .collect();
    page.push_str("\n## Options of every command\n");
    table(&global, &mut page);
    for (title, names) in help::GROUPS {
        let _ = writeln!(page, "\n## {title}");
        for name in names {
            if let Some(command) = top.find_subcommand(name) {
                section(command, &mut page);
            }
        }
    }
    page
}

fn contents(top: &Command, page: &mut String) {
    page.push('\n');
    for (title, names) in help::GROUPS {
        let links: Vec<String> = names
            .iter()
            .filter(|name| top.find_subcommand(name).is_some())
            .map(|name| format!("[{name}](#cs-{name})"))
            .collect();
        let _ = writeln!(page, "- {title}: {}", links.join(", "));
    }
}

fn section(command: &Command, page: &mut String) {
    let name = command.get_bin_name().unwrap_or_else(|| command.get_name());
    let about = command.get_long_about().or(command.get_about());
    let _ = writeln!(page, "\n### {name}");
    if let Some(about) = about {
        let _ = writeln!(
            page,
            "{}.\n",
            about.to_string().trim_end().trim_end_matches('.')
        );
    }
    let usage = command.clone().render_usage().to_string();
    let usage = usage.strip_prefix("Usage: ").unwrap_or(&usage);
    let _ = writeln!(page, "```\n{}\n```", usage.trim_end());
    let own: Vec<&Arg> = command
        .get_arguments()
        .filter(|one| !one.is_hide_set() && !one.is_global_set())
        .filter(|one| !matches!(one.get_id().as_str(), "help" | "version"))
        .collect();
    table(&own, page);
    if let Some(examples) = help::examples(command) {
        let lines: Vec<&str> = examples
            .lines()
            .map(|line| line.strip_prefix("  ").unwrap_or(line))
            .collect();
        let _ = writeln!(page, "\nExamples:\n```\n{}\n```", lines.join("\n"));
    }
    for below in help::visible(command) {
        section(below, page);
    }
}

fn table(arguments: &[&Arg], page: &mut String) {
    if arguments.is_empty() {
        return;
    }
    page.push_str("\n| Argument | Default | Meaning |\n|---|---|---|\n");
    for argument in arguments {
        let _ = writeln!(
            page,
            "| {} | {} | {} |",
            escaped(&names(argument)),
            default(argument),
            escaped(&meaning(argument))
        );
    }
}

/// `-f`, `--file <PATH>`, or the value's name alone.
fn names(argument: &Arg) -> String {
    let value = argument
        .get_value_names()
        .map(|names| names.join(" "))
        .unwrap_or_else(|| argument.get_id().as_str().to_uppercase());
    if argument.is_positional() {
        return format!("`{value}`");
    }
    let short = argument.get_short().map(|short| format!("`-{short}`"));
    let takes_value = argument.get_action().takes_values();
    let long = argument.get_long().map(|long| match takes_value {
        true => format!("`--{long} {value}`"),
        false => format!("`--{long}`"),
    });
    let both: Vec<String> = short.into_iter().chain(long).collect();
    both.join(", ")
}

fn default(argument: &Arg) -> String {
    if argument.is_required_set() {
        return "**required**".to_owned();
    }
    if !argument.get_action().takes_values() {
        return String::new();
    }
    let values = argument.get_default_values().iter();
    let values: Vec<String> = values
        .map(|value| format!("`{}`", value.to_string_lossy()))
        .collect();
    values.join(", ")
}

fn meaning(argument: &Arg) -> String {
    let told = argument.get_long_help().or(argument.get_help());
    let mut text = told.map(ToString::to_string).unwrap_or_default();
    text = text.replace("\n\n", "<br>").replace('\n', " ");
    if !text.ends_with(['.', '>']) {
        text.push('.');
    }
    let values: Vec<String> = match argument.get_action().takes_values() {
        true => argument
            .get_possible_values()
            .iter()
            .filter(|value| !value.is_hide_set())
            .map(|value| format!("`{}`", value.get_name()))
            .collect(),
        false => Vec::new(),
    };
    if !values.is_empty() {
        let _ = write!(text, " One of {}.", values.join(", "));
    }
    if let Some(variable) = argument.get_env() {
        let _ = write!(text, " Environment: `{}`.", variable.to_string_lossy());
    }
    text
}

/// A text inside a table.
fn escaped(text: &str) -> String {
    text.replace('|', "\\|")
}
