//! Which trace something belongs to, as it travels between programs.
//!
//! Source: W3C, "Trace Context" (level 1, and what level 2 says of later versions). What is malformed is no context: whoever
//! reads goes on without one, as the recommendation says.

use std::fmt::Write as _;

/// Most members of a `tracestate`, and most characters of it that are handed on. Source: W3C Trace Context, 3.3.
const STATE_MEMBERS: usize = 32;
const STATE_CHARACTERS: usize = 512;

/// Set where whoever came before records the trace.
const SAMPLED: u8 = 1;

/// A place in a trace: `traceparent` and `tracestate`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceContext {
    pub(super) trace_id: [u8; 16],
    pub(super) span_id: [u8; 8],
    pub(super) sampled: bool,
    /// Of whoever else traces; handed on as it came.
    pub(super) state: Option<String>,
}

impl TraceContext {
    /// Reads a `traceparent`, and the `tracestate` that came with it. `None` when the former is not valid; a state that is
    /// not valid is left out.
    #[must_use]
    pub fn parse(parent: &str, state: Option<&str>) -> Option<Self> {
        let parent = parent.trim();
        let fields: Vec<&str> = parent.splitn(5, '-').collect();
        let [version, trace_id, span_id, flags, rest @ ..] = fields.as_slice() else {
            return None;
        };
        let [version] = hex::<1>(version)?;
        let [flags] = hex::<1>(flags)?;
        // Later versions may append fields; this one may not.
        if version == 0xff || (version == 0 && !rest.is_empty()) {
            return None;
        }
        let (trace_id, span_id) = (hex::<16>(trace_id)?, hex::<8>(span_id)?);
        if trace_id == [0; 16] || span_id == [0; 8] {
            return None;
        }
        Some(Self {
            trace_id,
            span_id,
            sampled: flags & SAMPLED != 0,
            state: state.and_then(valid_state),
        })
    }

    /// The first of these pairs whose `traceparent` is valid. One that is not is passed over, and said so for whoever looks for
    /// it.
    pub fn first<'a>(
        given: impl IntoIterator<Item = (&'static str, Option<&'a str>, Option<&'a str>)>,
    ) -> Option<Self> {
        given.into_iter().find_map(|(place, parent, state)| {
            let context = Self::parse(parent?, state);
            if context.is_none() {
                tracing::debug!("the traceparent of {place} is not valid, and is ignored");
            }
            context
        })
    }

    /// The value of `traceparent`.
    #[must_use]
    pub fn traceparent(&self) -> String {
        let mut text = String::with_capacity(55);
        text.push_str("00-");
        push_hex(&mut text, &self.trace_id);
        text.push('-');
        push_hex(&mut text, &self.span_id);
        text.push_str(if self.sampled { "-01" } else { "-00" });
        text
    }

    /// The value of `tracestate`, if there is one.
    #[must_use]
    pub fn tracestate(&self) -> Option<&str> {
        self.state.as_deref()
    }

    /// The beginning of a trace.
    pub(super) fn fresh(sampled: bool) -> Self {
        Self {
            trace_id: random_trace_id(),
            span_id: random_span_id(),
            sampled,
            state: None,
        }
    }

    /// Another place in the same trace.
    pub(super) fn child(&self, sampled: bool) -> Self {
        Self {
            span_id: random_span_id(),
            sampled,
            ..self.clone()
        }
    }
}

/// Lower case hexadecimal digits of exactly so many bytes.
fn hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

pub(super) fn push_hex(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        write!(text, "{byte:02x}").expect("a string takes every text");
    }
}

fn valid_state(text: &str) -> Option<String> {
    let text = text.trim();
    let members: Vec<&str> = text.split(',').map(str::trim).collect();
    let is_member = |member: &&str| {
        let Some((key, value)) = member.split_once('=') else {
            return member.is_empty();
        };
        !key.is_empty()
            && key
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-*/@".contains(&b))
            && value
                .bytes()
                .all(|b| (0x20..0x7f).contains(&b) && b != b'=')
    };
    let is_valid = !text.is_empty()
        && text.len() <= STATE_CHARACTERS
        && members.len() <= STATE_MEMBERS
        && members.iter().all(is_member);
    is_valid.then(|| text.to_owned())
}

/// All bits random, also those by which ratios are decided: a UUID has six that are not, which are left out.
fn random_trace_id() -> [u8; 16] {
    let (one, other) = (uuid::Uuid::new_v4(), uuid::Uuid::new_v4());
    let mut id = [0; 16];
    id[..6].copy_from_slice(&one.as_bytes()[..6]);
    id[6..13].copy_from_slice(&one.as_bytes()[9..]);
    id[13..].copy_from_slice(&other.as_bytes()[..3]);
    id
}

fn random_span_id() -> [u8; 8] {
    let random = uuid::Uuid::new_v4();
    let mut id = [0; 8];
    id[..6].copy_from_slice(&random.as_bytes()[..6]);
    id[6..].copy_from_slice(&random.as_bytes()[14..]);
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALID: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn what_is_read_is_what_is_written() {
        let context = TraceContext::parse(VALID, Some("a=1,b@c=2")).unwrap();
        assert_eq!(context.traceparent(), VALID);
        assert_eq!(context.tracestate(), Some("a=1,b@c=2"));
        let unsampled = VALID.replace("-01", "-00");
        let context = TraceContext::parse(&unsampled, None).unwrap();
        assert_eq!(context.traceparent(), unsampled);
    }

    #[test]
    fn what_the_recommendation_calls_invalid_is_no_context() {
        let zero_trace = VALID.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32));
        let zero_span = VALID.replace("00f067aa0ba902b7", &"0".repeat(16));
        let more = format!("{VALID}-00");
        let forbidden = VALID.replacen("00-", "ff-", 1);
        let upper = VALID.to_uppercase();
        let bad = [
            "",
            "00",
            "00-1-2-01",
            &zero_trace,
            &zero_span,
            &more,
            &forbidden,
            &upper,
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4bf92f3577b34da6a3ce929d0e0e473é-00f067aa0ba902b7-01",
        ];
        for bad in bad {
            assert_eq!(TraceContext::parse(bad, None), None, "{bad}");
        }
    }

    #[test]
    fn a_later_version_counts_as_far_as_it_is_known() {
        let later = format!("{}-what-is-new", VALID.replacen("00-", "cc-", 1));
        let context = TraceContext::parse(&later, None).unwrap();
        assert_eq!(context.traceparent(), VALID);
    }

    #[test]
    fn a_state_that_is_not_valid_is_left_out_and_the_parent_counts() {
        let long = format!("a={}", "x".repeat(600));
        let many = vec!["a=1"; 33].join(",");
        for bad in ["", "a", "a=1\nb", "A=1", "a=1=2", "=1", &long, &many] {
            let context = TraceContext::parse(VALID, Some(bad)).unwrap();
            assert_eq!(context.tracestate(), None, "{bad}");
        }
    }

    #[test]
    fn the_first_valid_one_counts() {
        let given = [
            ("params", Some("nonsense"), None),
            ("NOMAD_META_TRACEPARENT", None, None),
            ("TRACEPARENT", Some(VALID), Some("a=1")),
        ];
        let found = TraceContext::first(given).unwrap();
        assert_eq!(
            (found.traceparent().as_str(), found.tracestate()),
            (VALID, Some("a=1"))
        );
    }

    #[test]
    fn fresh_ids_are_not_zero_and_differ() {
        let (one, other) = (TraceContext::fresh(true), TraceContext::fresh(false));
        assert_ne!(one.trace_id, other.trace_id);
        assert!(TraceContext::parse(&one.traceparent(), None).is_some());
        let child = one.child(true);
        assert_eq!(child.trace_id, one.trace_id);
        assert_ne!(child.span_id, one.span_id);
    }
}
