//! The scripts: what `clap_complete` generates, and a piece of each shell's own that asks for the names of jobs.

use clap::{Arg, ArgAction, Command, ValueHint};
use clap_complete::{Shell, generate};

/// Commands whose first plain word is the name of a job.
const JOB_COMMANDS: [&str; 10] = [
    "status", "why", "get", "history", "rollback", "promote", "logs", "wait", "delete", "import",
];

/// Marks names of jobs for the generators, none of which the command line uses otherwise.
const MARK: ValueHint = ValueHint::EmailAddress;

/// The completion script of a shell for a command line.
pub(super) fn script(shell: Shell, command: Command) -> String {
    let mut command = JOB_COMMANDS.iter().fold(command, |command, name| {
        match command.find_subcommand(name) {
            Some(_) => command.mut_subcommand(name, marked),
            None => command,
        }
    });
    let mut text = Vec::new();
    generate(shell, &mut command, "cs", &mut text);
    let text = String::from_utf8_lossy(&text).into_owned();
    match shell {
        Shell::Bash => text + &bash(&command),
        Shell::Zsh => zsh(&text),
        Shell::Fish => text + &fish(&command),
        Shell::Elvish => in_cases(&text, &command, |name| format!("&'cs;{name}'= {{"), ELVISH),
        Shell::PowerShell => in_cases(
            &text,
            &command,
            |name| format!("'cs;{name}' {{"),
            POWERSHELL,
        ),
        _ => text,
    }
}

fn marked(command: Command) -> Command {
    match name_of_job(&command).map(|argument| argument.get_id().clone()) {
        Some(id) => command.mut_arg(id, |argument| argument.value_hint(MARK)),
        None => command,
    }
}

fn name_of_job(command: &Command) -> Option<&Arg> {
    command
        .get_positionals()
        .min_by_key(|argument| argument.get_index())
}

/// The job commands that there are, and whether each takes several names.
fn job_commands(command: &Command) -> impl Iterator<Item = (&'static str, bool)> {
    JOB_COMMANDS.into_iter().filter_map(|name| {
        let argument = name_of_job(command.find_subcommand(name)?);
        let takes_many = argument.is_some_and(|argument| {
            matches!(argument.get_action(), ArgAction::Append)
                || argument
                    .get_num_args()
                    .is_some_and(|range| range.max_values() > 1)
        });
        Some((name, takes_many))
    })
}

/// Every spelling of the options that take a value, of the whole and of the commands that take names of jobs.
fn options_with_value(command: &Command) -> Vec<String> {
    let commands = job_commands(command).filter_map(|(name, _)| command.find_subcommand(name));
    let mut options: Vec<String> = std::iter::once(command)
        .chain(commands)
        .flat_map(Command::get_opts)
        .flat_map(|option| {
            let shorts = option.get_short_and_visible_aliases().unwrap_or_default();
            let longs = option.get_long_and_visible_aliases().unwrap_or_default();
            let shorts = shorts.into_iter().map(|short| format!("-{short}"));
            let longs = longs.into_iter().map(|long| format!("--{long}"));
            shorts.chain(longs).collect::<Vec<_>>()
        })
        .collect();
    options.sort();
    options.dedup();
    options
}

/// Goes around the generated function: names of jobs where a command wants some, else what was generated.
fn bash(command: &Command) -> String {
    let places: Vec<String> = job_commands(command)
        .map(|(name, takes_many)| format!("{name},{}", if takes_many { "*" } else { "0" }))
        .collect();
    BASH.replace("@PLACES@", &places.join(" | "))
        .replace("@VALUED@", &options_with_value(command).join(" | "))
}

const BASH: &str = r#"
# Offers names of jobs where the command line wants one; fails where it does not.
_cs_jobs() {
    local index word previous="" command="" plain=0
    for ((index = 1; index < COMP_CWORD; index++)); do
        word="${COMP_WORDS[index]}"
        case "$previous" in
            @VALUED@ | =) ;;
            *)
                case "$word" in
                    -* | =) ;;
                    *) if [[ -z "$command" ]]; then command="$word"; else plain=$((plain + 1)); fi ;;
                esac
                ;;
        esac
        previous="$word"
    done
    case "$2" in
        -* | =) return 1 ;;
    esac
    case "$previous" in
        @VALUED@ | =) return 1 ;;
    esac
    case "$command,$plain" in
        @PLACES@) ;;
        *) return 1 ;;
    esac
    COMPREPLY=()
    while IFS= read -r word; do
        COMPREPLY+=("$word")
    done < <("$1" __complete jobs "$2" "${COMP_WORDS[@]:1}" 2>/dev/null)
    # A cluster without such a job: names of files would be none either.
    compopt +o bashdefault +o default 2>/dev/null
    return 0
}

_cs_or_jobs() {
    _cs_jobs "$@" || _cs "$@"
}

if [[ "${BASH_VERSINFO[0]}" -eq 4 && "${BASH_VERSINFO[1]}" -ge 4 || "${BASH_VERSINFO[0]}" -gt 4 ]]; then
    complete -F _cs_or_jobs -o nosort -o bashdefault -o default cs
else
    complete -F _cs_or_jobs -o bashdefault -o default cs
fi
"#;

/// Puts a completer of ours where the marked arguments have that of their mark.
fn zsh(text: &str) -> String {
    const HEAD: &str = "autoload -U is-at-least\n";
    text.replace(":_email_addresses", ":_cs_jobs")
        .replacen(HEAD, &format!("{HEAD}{ZSH}"), 1)
}

const ZSH: &str = r#"
# Names of jobs in the cluster that the command line names.
(( $+functions[_cs_jobs] )) ||
_cs_jobs() {
    local -a jobs
    jobs=(${(f)"$(command cs __complete jobs "${(Q)PREFIX}" "${(@Q)words}" 2>/dev/null)"})
    compadd -a jobs
}
"#;

fn fish(command: &Command) -> String {
    let lines = job_commands(command).map(|(name, _)| {
        format!(
            "complete -c cs -n \"__fish_cs_using_subcommand {name}\" -f -a \"(__fish_cs_jobs)\"\n"
        )
    });
    std::iter::once(FISH.to_owned()).chain(lines).collect()
}

const FISH: &str = r#"
# Names of jobs in the cluster that the command line names.
function __fish_cs_jobs
    set -l words (commandline -opc)
    set -l prefix (commandline -ct)
    command cs __complete jobs "$prefix" $words[2..-1] 2>/dev/null
end

"#;

/// Puts a line first into the case of every command that takes names of jobs.
fn in_cases(text: &str, command: &Command, case: impl Fn(&str) -> String, line: &str) -> String {
    job_commands(command).fold(text.to_owned(), |text, (name, _)| {
        let case = case(name);
        text.replacen(&case, &format!("{case}\n            {line}"), 1)
    })
}

const ELVISH: &str = "try { e:cs __complete jobs $words[-1] $@words[1..] 2>/dev/null | each {|job| cand $job '' } } catch e { }";

const POWERSHELL: &str = "& cs __complete jobs \"$wordToComplete\" @($commandElements | Select-Object -Skip 1 | \
    ForEach-Object { \"$_\" }) 2>$null | ForEach-Object { [CompletionResult]::new($_, $_, \
    [CompletionResultType]::ParameterValue, $_) }";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::help;

    /// A command line as large as needed, with both forms of names.
    fn small() -> Command {
        let name = || Arg::new("name").help("Name");
        Command::new("cs")
            .subcommand(Command::new("apply").arg(Arg::new("file").long("file").help("Files")))
            .subcommand(
                Command::new("why")
                    .arg(name())
                    .arg(Arg::new("namespace").short('n').help("N")),
            )
            .subcommand(Command::new("wait").arg(name().num_args(1..)))
    }

    #[test]
    fn every_shell_asks_for_jobs_once_a_command_that_takes_some() {
        for (shell, asks) in [
            (Shell::Bash, "why,0 | wait,*"),
            (Shell::Zsh, ":_cs_jobs'"),
            (
                Shell::Fish,
                "using_subcommand why\" -f -a \"(__fish_cs_jobs)\"",
            ),
            (
                Shell::Elvish,
                "&'cs;wait'= {\n            try { e:cs __complete jobs",
            ),
            (
                Shell::PowerShell,
                "'cs;wait' {\n            & cs __complete jobs",
            ),
        ] {
            let text = script(shell, small());
            assert!(text.contains(asks), "{shell}: {text}");
            assert!(!text.contains('@') || !text.contains("@PLACES@"), "{shell}");
        }
        assert_eq!(script(Shell::Zsh, small()).matches(":_cs_jobs'").count(), 2);
    }

    #[test]
    fn the_real_command_line_has_every_command_that_takes_jobs_and_no_other_mark() {
        let command = help::command();
        for name in JOB_COMMANDS {
            let found = command.find_subcommand(name);
            assert!(found.is_some(), "{name}");
        }
        let marks = command
            .get_subcommands()
            .flat_map(Command::get_arguments)
            .filter(|argument| argument.get_value_hint() == MARK);
        assert_eq!(marks.count(), 0);
    }

    #[test]
    fn the_hidden_question_is_not_offered() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let text = script(shell, help::command());
            for line in text.lines().filter(|line| line.contains("__complete")) {
                assert!(line.contains("__complete jobs"), "{shell}: {line}");
            }
        }
    }
}
