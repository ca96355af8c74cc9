//! Command lines of `cs` inside of shell text, for blocks that are not run: at least they must be understood.

/// The arguments of every `cs` in a shell text, in order; what a shell would expand stays as it stands.
pub(super) fn commands(text: &str) -> Vec<Vec<String>> {
    let joined = text.replace("\\\n", " ");
    let mut found = Vec::new();
    for words in simple_commands(&joined) {
        let mut words = words
            .into_iter()
            .skip_while(|word| is_assignment(word))
            .peekable();
        let Some(program) = words.next() else {
            continue;
        };
        let rest: Vec<String> = words.collect();
        match program.as_str() {
            "cs" | "./cs" => found.push(rest),
            "cargo" if rest.first().is_some_and(|word| word == "run") => {
                let own = rest.iter().position(|word| word == "--");
                found.extend(own.map(|at| rest[at + 1..].to_vec()));
            }
            // `sudo cs …`, `time cs …`
            "sudo" | "time" | "exec" => {
                if let Some(at) = rest.iter().position(|word| word == "cs") {
                    found.push(rest[at + 1..].to_vec());
                }
            }
            _ => {}
        }
    }
    found
}

fn is_assignment(word: &str) -> bool {
    let name = word.split_once('=').map(|(name, _)| name);
    name.is_some_and(|name| {
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    })
}

/// Words of the commands between `;`, `&&`, `||`, `|`, `&` and line ends; redirections are left out.
fn simple_commands(text: &str) -> Vec<Vec<String>> {
    let mut commands = vec![Vec::new()];
    let mut word: Option<String> = None;
    let mut chars = text.chars().peekable();
    let end_word = |word: &mut Option<String>, commands: &mut Vec<Vec<String>>| {
        if let Some(word) = word.take() {
            commands.last_mut().expect("there is one").push(word);
        }
    };
    while let Some(c) = chars.next() {
        match c {
            '\'' => {
                let quoted: String = chars.by_ref().take_while(|c| *c != '\'').collect();
                word.get_or_insert_default().push_str(&quoted);
            }
            '"' => {
                let text = word.get_or_insert_default();
                while let Some(c) = chars.next() {
                    match c {
                        '"' => break,
                        '\\' => text.extend(chars.next()),
                        _ => text.push(c),
                    }
                }
            }
            '$' if chars.peek() == Some(&'(') => {
                let mut depth = 0;
                let text = word.get_or_insert_default();
                text.push('$');
                for c in chars.by_ref() {
                    text.push(c);
                    depth += i32::from(c == '(') - i32::from(c == ')');
                    if depth == 0 {
                        break;
                    }
                }
            }
            '#' if word.is_none() => while chars.next_if(|c| *c != '\n').is_some() {},
            ' ' | '\t' => end_word(&mut word, &mut commands),
            '\n' | ';' | '|' | '&' | '(' | ')' => {
                end_word(&mut word, &mut commands);
                commands.push(Vec::new());
            }
            '<' | '>' => {
                // `2>` is part of the redirection, and so is what follows.
                word = word.filter(|word| !word.chars().all(|c| c.is_ascii_digit()));
                end_word(&mut word, &mut commands);
                while chars
                    .next_if(|c| matches!(c, '>' | '<' | '&' | ' '))
                    .is_some()
                {}
                while chars
                    .next_if(|c| !matches!(c, ' ' | '\n' | ';' | '|'))
                    .is_some()
                {}
            }
            _ => word.get_or_insert_default().push(c),
        }
    }
    end_word(&mut word, &mut commands);
    commands.retain(|command| !command.is_empty());
    commands
}

#[test]
fn the_words_of_commands_are_found_as_a_shell_finds_them() {
    let text = "A=1 cs apply -f 'a b' --owner \"x y\" 2>&1 > out.txt | jq . && cs why $(cs get) # cs no\n\
                cargo run --release -- demo\ncs new \\\n  workload\necho cs\n";
    let words = |all: &[&str]| all.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
    assert_eq!(
        commands(text),
        [
            words(&["apply", "-f", "a b", "--owner", "x y"]),
            words(&["why", "$(cs get)"]),
            words(&["demo"]),
            words(&["new", "workload"]),
        ]
    );
}
