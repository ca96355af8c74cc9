//! One entry as one line of text: `v1 d=… i=27 c=12 s=ok t=1763740000`, 60 to 75 bytes.
//!
//! Tokens are parted by blanks. `v1` comes first; a text of another version is refused, never guessed at. A token that
//! is not known was written by a later build of the same version: it stays when the entry is rewritten.
//!
//! | token | means | when left out |
//! |---|---|---|
//! | `d=` | digest, 128 bits in URL-safe base64 | required |
//! | `i=` | `JobModifyIndex` | required |
//! | `c=` | `CreateIndex` | the same as `i` |
//! | `s=` | `ok` converged, `done` completed, `open` unsettled | required; another word counts as `open` |
//! | `t=` | seconds since 1970 | required |
//! | `k=` | kind | `Workload` |
//! | `keep`, `adopted` | as the fields | false |
//! | `f=` | failed: digest`:`index`:`word | none |
//! | `h=`, `r=` | hook, revision | none |

use std::fmt::Write as _;

use jiff::Timestamp;
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

use super::{Entry, Failed, Fingerprint, State};
use crate::ids::ModifyIndex;
use crate::spec::Kind;

/// First token of every text of this version.
pub(super) const VERSION: &str = "v1";

/// What free text may not contain as it is.
const BLANKS: &AsciiSet = &CONTROLS.add(b' ').add(b'%');

/// Why a text is not an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// A later version of the format, or a word that only a later build can know.
    Newer,
    /// Not what any version writes.
    Damaged(&'static str),
}

/// Checks the version and returns the tokens after it.
pub(super) fn tokens(text: &str) -> Result<impl Iterator<Item = &str>, Unreadable> {
    let mut tokens = text.split_ascii_whitespace();
    match tokens.next() {
        Some(VERSION) => Ok(tokens),
        Some(other) if is_version(other) => Err(Unreadable::Newer),
        _ => Err(Unreadable::Damaged("it does not begin with `v1`")),
    }
}

fn is_version(token: &str) -> bool {
    let number = token.strip_prefix('v').unwrap_or_default();
    !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
}

/// Free text as one token.
pub(super) fn escape(text: &str) -> impl std::fmt::Display {
    utf8_percent_encode(text, BLANKS)
}

/// Reads what [`escape`] wrote.
pub(super) fn unescape(text: &str) -> Option<String> {
    let decoded = percent_decode_str(text).decode_utf8().ok()?;
    Some(decoded.into_owned())
}

/// Writes an entry. Of the text that stood there before, the tokens that are not known here are kept.
pub(super) fn encode(entry: &Entry, previous: Option<&str>) -> String {
    let mut text = String::with_capacity(96);
    let mut token = |arguments: std::fmt::Arguments<'_>| {
        text.write_fmt(arguments).expect("a String takes all");
    };
    token(format_args!(
        "{VERSION} d={} i={}",
        entry.digest, entry.index
    ));
    if entry.created != entry.index.0 {
        token(format_args!(" c={}", entry.created));
    }
    token(format_args!(
        " s={} t={}",
        word(entry.state),
        entry.written.as_second()
    ));
    if entry.kind != Kind::Workload {
        token(format_args!(" k={}", entry.kind));
    }
    if entry.keep {
        token(format_args!(" keep"));
    }
    if entry.adopted {
        token(format_args!(" adopted"));
    }
    if let Some(Failed {
        digest,
        outcome,
        index,
    }) = &entry.failed
    {
        token(format_args!(" f={digest}:{index}:{}", escape(outcome)));
    }
    if let Some(hook) = &entry.hook {
        token(format_args!(" h={}", escape(hook)));
    }
    if let Some(revision) = &entry.revision {
        token(format_args!(" r={}", escape(revision)));
    }
    for unknown in previous.into_iter().flat_map(unknown_tokens) {
        token(format_args!(" {unknown}"));
    }
    text
}

const fn word(state: State) -> &'static str {
    match state {
        State::Converged => "ok",
        State::Completed => "done",
        State::Unsettled => "open",
    }
}

fn unknown_tokens(text: &str) -> impl Iterator<Item = &str> {
    let known = |token: &str| match token.split_once('=') {
        Some((name, _)) => matches!(name, "d" | "i" | "c" | "s" | "t" | "k" | "f" | "h" | "r"),
        None => matches!(token, "keep" | "adopted"),
    };
    tokens(text)
        .into_iter()
        .flatten()
        .filter(move |token| !known(token))
}

/// Reads an entry.
pub(super) fn decode(text: &str) -> Result<Entry, Unreadable> {
    let mut draft = Draft::default();
    for token in tokens(text)? {
        draft.take(token)?;
    }
    draft.finish()
}

/// When an entry was written; `None` when the text is no entry.
pub(super) fn written(text: &str) -> Option<Timestamp> {
    decode(text).ok().map(|entry| entry.written)
}

#[derive(Default)]
struct Draft {
    kind: Option<Kind>,
    digest: Option<Fingerprint>,
    index: Option<u64>,
    created: Option<u64>,
    state: Option<State>,
    written: Option<Timestamp>,
    keep: bool,
    adopted: bool,
    failed: Option<Failed>,
    hook: Option<String>,
    revision: Option<String>,
}

impl Draft {
    fn take(&mut self, token: &str) -> Result<(), Unreadable> {
        use Unreadable::Damaged;
        let Some((name, value)) = token.split_once('=') else {
            self.keep |= token == "keep";
            self.adopted |= token == "adopted";
            return Ok(());
        };
        let number = || {
            value
                .parse::<u64>()
                .map_err(|_| Damaged("an index is not a number"))
        };
        let text = || unescape(value).ok_or(Damaged("a text is not UTF-8"));
        match name {
            "d" => self.digest = Some(digest(value)?),
            "i" => self.index = Some(number()?),
            "c" => self.created = Some(number()?),
            "s" => self.state = Some(state(value)),
            "t" => self.written = Some(time(value)?),
            "k" => self.kind = Some(kind(value)?),
            "f" => self.failed = Some(failed(value)?),
            "h" => self.hook = Some(text()?),
            "r" => self.revision = Some(text()?),
            _ => {}
        }
        Ok(())
    }

    fn finish(self) -> Result<Entry, Unreadable> {
        use Unreadable::Damaged;
        let index = self.index.ok_or(Damaged("`i=` is missing"))?;
        Ok(Entry {
            kind: self.kind.unwrap_or(Kind::Workload),
            digest: self.digest.ok_or(Damaged("`d=` is missing"))?,
            index: ModifyIndex(index),
            created: self.created.unwrap_or(index),
            state: self.state.ok_or(Damaged("`s=` is missing"))?,
            written: self.written.ok_or(Damaged("`t=` is missing"))?,
            keep: self.keep,
            adopted: self.adopted,
            failed: self.failed,
            hook: self.hook,
            revision: self.revision,
        })
    }
}

fn digest(text: &str) -> Result<Fingerprint, Unreadable> {
    Fingerprint::parse(text).ok_or(Unreadable::Damaged("a digest is not 128 bits of base64"))
}

/// A state that is not known here is one that this build cannot rely on.
fn state(text: &str) -> State {
    let known = State::ALL.into_iter().find(|state| word(*state) == text);
    known.unwrap_or(State::Unsettled)
}

fn kind(text: &str) -> Result<Kind, Unreadable> {
    let known = Kind::ALL.into_iter().find(|kind| kind.as_str() == text);
    known.ok_or(Unreadable::Newer)
}

fn time(text: &str) -> Result<Timestamp, Unreadable> {
    text.parse()
        .ok()
        .and_then(|seconds| Timestamp::from_second(seconds).ok())
        .ok_or(Unreadable::Damaged("`t=` is not a time in seconds"))
}

fn failed(text: &str) -> Result<Failed, Unreadable> {
    let parts = || {
        let mut parts = text.splitn(3, ':');
        let digest = Fingerprint::parse(parts.next()?)?;
        let index = ModifyIndex(parts.next()?.parse().ok()?);
        let outcome = unescape(parts.next()?)?;
        Some(Failed {
            digest,
            outcome,
            index,
        })
    };
    parts().ok_or(Unreadable::Damaged("`f=` is not digest, index and word"))
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::desired::Digest;

    /// An entry with nothing special.
    pub(in crate::inventory) fn plain() -> Entry {
        Entry {
            kind: Kind::Workload,
            digest: Digest("00".repeat(32)).into(),
            index: ModifyIndex(1_234_567),
            created: 1_234_560,
            state: State::Converged,
            written: Timestamp::from_second(1_763_740_000).unwrap(),
            keep: false,
            adopted: false,
            failed: None,
            hook: None,
            revision: None,
        }
    }

    fn any_entry() -> impl Strategy<Value = Entry> {
        let text = || prop::option::of(any::<String>());
        let failed = (any::<[u8; 16]>(), any::<String>(), any::<u64>());
        (
            (
                any::<bool>(),
                any::<[u8; 16]>(),
                any::<u64>(),
                prop::option::of(any::<u64>()),
            ),
            (
                0..3usize,
                0..253_402_207_200_i64,
                any::<bool>(),
                any::<bool>(),
            ),
            (prop::option::of(failed), text(), text()),
        )
            .prop_map(|(what, when, rest)| Entry {
                kind: Kind::ALL[usize::from(what.0)],
                digest: Fingerprint(what.1),
                index: ModifyIndex(what.2),
                created: what.3.unwrap_or(what.2),
                state: State::ALL[when.0],
                written: Timestamp::from_second(when.1).unwrap(),
                keep: when.2,
                adopted: when.3,
                failed: rest.0.map(|(digest, outcome, index)| Failed {
                    digest: Fingerprint(digest),
                    outcome,
                    index: ModifyIndex(index),
                }),
                hook: rest.1,
                revision: rest.2,
            })
    }

    #[test]
    fn an_ordinary_entry_takes_no_more_than_75_bytes() {
        let text = encode(&plain(), None);
        assert_eq!(
            text,
            "v1 d=AAAAAAAAAAAAAAAAAAAAAA i=1234567 c=1234560 s=ok t=1763740000"
        );
        assert!(text.len() <= 75);
    }

    #[test]
    fn everything_has_its_token() {
        let entry = Entry {
            kind: Kind::NomadJob,
            created: 1_234_567,
            state: State::Completed,
            keep: true,
            adopted: true,
            failed: Some(Failed {
                digest: Digest("d".to_owned()).into(),
                outcome: "rolled-back".to_owned(),
                index: ModifyIndex(9),
            }),
            hook: Some("g 1".to_owned()),
            revision: Some("4f2a91c".to_owned()),
            ..plain()
        };
        assert_eq!(
            encode(&entry, None),
            "v1 d=AAAAAAAAAAAAAAAAAAAAAA i=1234567 s=done t=1763740000 k=NomadJob keep adopted \
             f=GKw-c0PwFokMUQ6T-TUmEQ:9:rolled-back h=g%201 r=4f2a91c"
        );
    }

    #[test]
    fn what_a_later_build_added_stays_when_the_entry_is_rewritten() {
        let old = "v1 d=AAAAAAAAAAAAAAAAAAAAAA i=1 s=ok t=1 zone=eu keep pinned";
        assert!(decode(old).unwrap().keep);
        let new = encode(&plain(), Some(old));
        assert!(new.ends_with(" zone=eu pinned"), "{new}");
        assert_eq!(decode(&new), Ok(plain()));
    }

    #[test]
    fn what_only_a_later_build_understands_is_refused_and_not_guessed_at() {
        for newer in [
            "v2 whatever",
            "v10",
            "v1 d=AAAAAAAAAAAAAAAAAAAAAA i=1 s=ok t=1 k=Application",
        ] {
            assert_eq!(decode(newer), Err(Unreadable::Newer), "{newer}");
        }
        let state = decode("v1 d=AAAAAAAAAAAAAAAAAAAAAA i=1 s=paused t=1").unwrap();
        assert_eq!(state.state, State::Unsettled);
    }

    #[test]
    fn damage_is_named() {
        for bad in [
            "",
            "d=AAAAAAAAAAAAAAAAAAAAAA i=1 s=ok t=1",
            "v1 i=1 s=ok t=1",
            "v1 d=AAAA i=1 s=ok t=1",
            "v1 d=AAAAAAAAAAAAAAAAAAAAAA s=ok t=1",
            "v1 d=AAAAAAAAAAAAAAAAAAAAAA i=x s=ok t=1",
            "v1 d=AAAAAAAAAAAAAAAAAAAAAA i=1 t=1",
            "v1 d=AAAAAAAAAAAAAAAAAAAAAA i=1 s=ok",
            "v1 d=AAAAAAAAAAAAAAAAAAAAAA i=1 s=ok t=99999999999999",
            "v1 d=AAAAAAAAAAAAAAAAAAAAAA i=1 s=ok t=1 f=x",
            "v1 d=AAAAAAAAAAAAAAAAAAAAAA i=1 s=ok t=1 h=%ff",
        ] {
            assert!(
                matches!(decode(bad), Err(Unreadable::Damaged(_))),
                "{bad:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(entry in any_entry()) {
            let text = encode(&entry, None);
            prop_assert!(!text.contains(char::is_control));
            prop_assert_eq!(decode(&text), Ok(entry));
        }

        #[test]
        fn no_text_makes_reading_panic(text in "(v1 )?([a-z]=[^ ]{0,30} ?){0,6}.{0,40}") {
            let _ = decode(&text);
        }
    }
}
