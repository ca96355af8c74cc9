//! How Nomad reads an environment template's file: a port of go-envparse's rules.

use std::collections::BTreeMap;

/// Name → value, or the number of the first line that makes Nomad refuse the whole file.
pub(super) fn parse(text: &str) -> Result<BTreeMap<String, String>, usize> {
    let mut env = BTreeMap::new();
    for (index, line) in text.split('\n').enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let pair = line.split_once('=').ok_or(index + 1)?;
        let name = key(pair.0.trim()).ok_or(index + 1)?;
        env.insert(name, value(pair.1.trim()).ok_or(index + 1)?);
    }
    Ok(env)
}

fn key(text: &str) -> Option<String> {
    let text = text.strip_prefix("export ").unwrap_or(text);
    let first = text.chars().next()?;
    let starts = first.is_ascii_alphabetic() || first == '_';
    let goes_on = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '/');
    (starts && text.chars().all(goes_on)).then(|| text.to_owned())
}

fn value(text: &str) -> Option<String> {
    let mut out = String::new();
    let mut significant = 0;
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match c {
            c if (c as u32) < 32 => return None,
            '"' => {
                double_quoted(&mut rest, &mut out)?;
                significant = out.len();
            }
            '\'' => {
                loop {
                    match rest.next()? {
                        '\'' => break,
                        c if (c as u32) < 32 => return None,
                        c => out.push(c),
                    }
                }
                significant = out.len();
            }
            '#' => {
                out.truncate(significant);
                return Some(out);
            }
            ' ' | '\t' => out.push(c),
            c => {
                out.push(c);
                significant = out.len();
            }
        }
    }
    Some(out)
}

fn double_quoted(rest: &mut std::str::Chars<'_>, out: &mut String) -> Option<()> {
    loop {
        match rest.next()? {
            '"' => return Some(()),
            '\\' => out.push(match rest.next()? {
                c @ ('"' | '\\' | '/') => c,
                'b' => '\u{8}',
                'f' => '\u{c}',
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'u' => {
                    let digits: String = rest.by_ref().take(4).collect();
                    char::from_u32(u32::from_str_radix(&digits, 16).ok()?)?
                }
                _ => return None,
            }),
            c if (c as u32) < 32 => return None,
            c => out.push(c),
        }
    }
}

#[test]
fn the_env_file_parser_reads_what_go_envparse_reads() {
    let env = parse(concat!(
        "# comment\n\n  A = plain text  # comment\n",
        "export B=\"line\\nbreak \\\"q\\\" # \\u003c\"\nC='$x # y'\nD=a\"b\"'c'\nE=\n"
    ))
    .unwrap();
    let want = [
        ("A", "plain text"),
        ("B", "line\nbreak \"q\" # <"),
        ("C", "$x # y"),
        ("D", "abc"),
        ("E", ""),
    ];
    assert_eq!(env, want.map(|(k, v)| (k.to_owned(), v.to_owned())).into());
    for (bad, line) in [
        ("A=1\nno separator", 2),
        ("A=\"open", 1),
        ("1A=x", 1),
        ("A-B=x", 1),
        ("A=it's", 1),
    ] {
        assert_eq!(parse(bad), Err(line), "{bad}");
    }
}
