//! `cs man`: the manual pages, and the same as one page of Markdown.

mod markdown;

use std::path::{Path, PathBuf};

use clap::Command;
use clap_mangen::Man;

use super::{Context, exit, help, output};
use crate::spec::suggest::closest;

/// Print the manual page of a command, or write all of them into a folder.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cs man apply | man -l -
  cs man --dir ~/.local/share/man/man1
  cs man -o markdown                     # every command on one page")]
pub(super) struct Arguments {
    /// Words of the command, e.g. `new workload`. Default: `cs` itself.
    #[arg(value_name = "COMMAND")]
    command: Vec<String>,
    /// Folder into which a page for every command is written; made when it is not there.
    #[arg(long, value_name = "DIR", conflicts_with = "command")]
    dir: Option<PathBuf>,
    /// How it is written.
    #[arg(short, long, value_enum, default_value = "man", conflicts_with = "dir")]
    output: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For the program `man`.
    Man,
    /// Every command on one page of Markdown.
    Markdown,
}

pub(super) fn run(_context: &Context, arguments: Arguments) -> u8 {
    let mut top = help::command();
    top.build();
    if let Some(dir) = &arguments.dir {
        return write_all(&top, dir);
    }
    let command = match find(&top, &arguments.command) {
        Ok(command) => command,
        Err(code) => return code,
    };
    match arguments.output {
        Format::Man => output::data(&String::from_utf8_lossy(&page(command))),
        Format::Markdown if arguments.command.is_empty() => output::raw(&markdown::page(&top)),
        Format::Markdown => {
            return exit::usage("Markdown is one page of all commands", "cs man -o markdown");
        }
    }
    0
}

fn find<'c>(top: &'c Command, words: &[String]) -> Result<&'c Command, u8> {
    let mut found = top;
    for word in words {
        let below = help::visible(found);
        let names = || below.iter().map(|command| command.get_name());
        found = match found.find_subcommand(word) {
            Some(command) => command,
            None => {
                let known = names().collect::<Vec<_>>().join(", ");
                let meant = closest(word, names())
                    .map(|meant| format!("did you mean `{meant}`? "))
                    .unwrap_or_default();
                return Err(exit::usage(
                    format!("there is no command `{}`", word.escape_debug()),
                    &format!("{meant}commands: {known}"),
                ));
            }
        };
    }
    Ok(found)
}

fn write_all(top: &Command, dir: &Path) -> u8 {
    let mut pages = Vec::new();
    collect(top, &mut pages);
    let written = std::fs::create_dir_all(dir).and_then(|()| {
        pages
            .iter()
            .try_for_each(|(name, page)| std::fs::write(dir.join(name), page))
    });
    match written {
        Ok(()) => {
            for (name, _) in &pages {
                output::line(&dir.join(name).display().to_string());
            }
            0
        }
        Err(error) => exit::usage(format!("cannot write into {}: {error}", dir.display()), ""),
    }
}

/// File name and text of the pages of a command and of everything below it.
fn collect(command: &Command, pages: &mut Vec<(String, Vec<u8>)>) {
    pages.push((format!("{}.1", display_name(command)), page(command)));
    for below in help::visible(command) {
        collect(below, pages);
    }
}

fn display_name(command: &Command) -> &str {
    command
        .get_display_name()
        .unwrap_or_else(|| command.get_name())
}

/// One page. The examples have a section of their own, in which lines stay lines.
fn page(command: &Command) -> Vec<u8> {
    let man = Man::new(command.clone()).manual("cs");
    let mut text = Vec::new();
    let rendered = man
        .render_title(&mut text)
        .and_then(|()| man.render_name_section(&mut text))
        .and_then(|()| man.render_synopsis_section(&mut text))
        .and_then(|()| man.render_description_section(&mut text))
        .and_then(|()| man.render_options_section(&mut text));
    let rendered = match command.has_subcommands() {
        true => rendered.and_then(|()| man.render_subcommands_section(&mut text)),
        false => rendered,
    };
    rendered.expect("writing to memory cannot fail");
    if let Some(examples) = help::examples(command) {
        text.extend_from_slice(b".SH EXAMPLES\n.nf\n");
        for line in examples.lines() {
            text.extend_from_slice(verbatim(line).as_bytes());
        }
        text.extend_from_slice(b".fi\n");
    }
    text
}

/// A line of roff that shows this very text.
fn verbatim(line: &str) -> String {
    let escaped = line.trim().replace('\\', "\\e").replace('-', "\\-");
    // `\&` keeps a dot or an apostrophe in front from being a command.
    format!("\\&{escaped}\n")
}
