//! `cs __complete`: what a completion script asks for while somebody waits for the next letter.

use std::ffi::OsString;
use std::time::Duration;

use clap::{Args, Command, FromArgMatches};

use crate::cli::cluster::ClusterArgs;
use crate::cli::paint::Paint;
use crate::cli::{Context, block_on, output};
use crate::clients::nomad::calls::jobs::JobQuery;
use crate::config::Environment;

/// The word that asks. Not part of the command line as it is shown.
const COMMAND: &str = "__complete";

/// Somebody waits with the finger on the key; a slower cluster gives no names.
const PATIENCE: Duration = Duration::from_secs(1);

/// More names than anybody reads in a list under a prompt.
const MOST_JOBS: u32 = 500;

/// What a script asks for: the words behind `cs __complete`, or `None` when this is another command line.
pub(in crate::cli) fn asked(mut arguments: impl Iterator<Item = OsString>) -> Option<Vec<String>> {
    let is_asked = arguments.nth(1).is_some_and(|word| word == COMMAND);
    is_asked.then(|| {
        arguments
            .map(|word| word.to_string_lossy().into_owned())
            .collect()
    })
}

/// Prints one candidate a line: `jobs PREFIX WORD…` those jobs whose ids begin so, in the cluster and the namespace that
/// the words of the command line name. Prints nothing when that cannot be found out.
pub(in crate::cli) fn print(environment: Environment, asked: &[String]) -> u8 {
    let [what, prefix, words @ ..] = asked else {
        return 2;
    };
    if what != "jobs" {
        return 2;
    }
    let context = Context {
        environment,
        paint: Paint::new(false),
        interactive: false,
    };
    let arguments = connection(words);
    block_on(async {
        let jobs = tokio::time::timeout(PATIENCE, jobs(&context, &arguments, prefix)).await;
        for job in jobs.ok().flatten().unwrap_or_default() {
            output::line(&job);
        }
        0
    })
}

async fn jobs(context: &Context, arguments: &ClusterArgs, prefix: &str) -> Option<Vec<String>> {
    let client = arguments.client(context).ok()?;
    let query = JobQuery {
        prefix: (!prefix.is_empty()).then(|| prefix.to_owned()),
        per_page: Some(MOST_JOBS),
        ..JobQuery::default()
    };
    let jobs = client.jobs(&query).await.ok()?.value;
    // Children of periodic and parameterized jobs are many, and rarely meant; who types so far as to name one gets them.
    let wants_children = prefix.contains('/');
    let ids = jobs
        .into_iter()
        .filter(|job| wants_children || job.parent_id.is_empty())
        .map(|job| job.id)
        .filter(|id| is_plain(id));
    Some(ids.collect())
}

/// Whether a shell takes a word as it is. Others are not offered: a name must not become a command.
fn is_plain(id: &str) -> bool {
    !id.starts_with(['-', '.', '/'])
        && id
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_./@+".contains(&b))
}

/// The options among the words of a command line that say which cluster is meant.
fn connection(words: &[String]) -> ClusterArgs {
    let command = ClusterArgs::augment_args(Command::new("cs").no_binary_name(true));
    let mut kept: Vec<&str> = Vec::new();
    let mut words = words.iter().map(String::as_str).peekable();
    while let Some(word) = words.next() {
        let Some((option, takes_value)) = option(&command, word) else {
            continue;
        };
        kept.push(option);
        if takes_value && option == word {
            // Some shells take `--option=value` apart at the sign.
            words.next_if_eq(&"=");
            kept.extend(words.next());
        }
    }
    let matches = command.try_get_matches_from(kept).ok();
    matches
        .and_then(|matches| ClusterArgs::from_arg_matches(&matches).ok())
        .unwrap_or_default()
}

/// A word that is one of the command's options, and whether that wants a value.
fn option<'w>(command: &Command, word: &'w str) -> Option<(&'w str, bool)> {
    let option = command.get_opts().chain(flags(command)).find(|option| {
        let long = option.get_long().zip(word.strip_prefix("--"));
        let short = option.get_short().zip(word.strip_prefix('-'));
        long.is_some_and(|(long, word)| word.split('=').next() == Some(long))
            || short.is_some_and(|(short, word)| word.starts_with(short))
    })?;
    let is_whole = word.starts_with("--") && !word.contains('=') || word.len() == 2;
    Some((word, option.get_action().takes_values() && is_whole))
}

fn flags(command: &Command) -> impl Iterator<Item = &clap::Arg> {
    command
        .get_arguments()
        .filter(|argument| !argument.is_positional() && !argument.get_action().takes_values())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn namespace(words: &[&str]) -> Option<String> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let namespace = connection(&words).namespace;
        namespace.map(|namespace| namespace.as_str().to_owned())
    }

    #[test]
    fn the_namespace_of_a_command_line_is_found_in_every_spelling() {
        for words in [
            &["status", "-n", "prod", "sh"][..],
            &["status", "-nprod"],
            &["-n", "prod", "why"],
            &["why", "--namespace", "prod", "--unknown", "x"],
            &["why", "--namespace=prod"],
            &["why", "--namespace", "=", "prod"],
        ] {
            assert_eq!(namespace(words).as_deref(), Some("prod"), "{words:?}");
        }
        for words in [
            &["status"][..],
            &["status", "-n"],
            &["status", "--namespaces", "x"],
        ] {
            assert_eq!(namespace(words), None, "{words:?}");
        }
    }

    #[test]
    fn names_that_a_shell_would_read_otherwise_are_not_offered() {
        for id in ["shop", "a/periodic-1", "team.shop_v2@x+1"] {
            assert!(is_plain(id), "{id}");
        }
        for id in [
            "$(reboot)",
            "`id`",
            "a;b",
            "a&b",
            "-rf",
            "~x",
            "a'b",
            "a:b",
            "é",
            "../x",
            "a=b",
        ] {
            assert!(!is_plain(id), "{id}");
        }
    }

    #[test]
    fn only_its_own_word_asks() {
        let asked = |words: &[&str]| asked(words.iter().map(OsString::from));
        assert_eq!(asked(&["cs", "status"]), None);
        assert_eq!(asked(&["cs"]), None);
        let found = asked(&["cs", "__complete", "jobs", ""]);
        assert_eq!(found, Some(vec!["jobs".to_owned(), String::new()]));
    }
}
