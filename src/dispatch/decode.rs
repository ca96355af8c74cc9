//! From the text of the variable to JSON text: raw, or base64 in any of its usual forms.

use std::borrow::Cow;

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// Longest text of params that is read, in bytes: 1 MiB.
///
/// Nomad allows 16 KiB of payload and does not bound meta; an agent's environment and other doors allow more. The
/// bound keeps a runaway input from being parsed at all.
pub const MAX_TEXT: usize = 1 << 20;

/// Why a text cannot be decoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Nothing there.
    #[error(
        "NOMAD_META_PARAMS is not set or empty: set it to a JSON object, or to that object in base64"
    )]
    Unset,
    /// Too long.
    #[error("the text has {length} bytes, the limit is {MAX_TEXT}")]
    TooLong {
        /// Its length in bytes.
        length: usize,
    },
    /// Neither JSON nor base64.
    #[error(
        "failed to decode base64 parameters: {reason}; expected a JSON object, or that object in base64"
    )]
    Base64 {
        /// The broken rule, without the text.
        reason: String,
    },
    /// JSON that is not UTF-8.
    #[error("the text is not UTF-8 (byte {offset})")]
    NotUtf8 {
        /// Where the first bad byte is.
        offset: usize,
    },
}

/// What is not strict about base64 here: Go ignores the unused bits of the last character, and padding is optional.
const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_allow_trailing_bits(true)
    .with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

/// Returns the JSON text: the text itself when it starts with `{` (or is `null`), else what its base64 holds.
///
/// # Errors
/// The text is empty, too long, or neither; no error repeats any of it.
pub fn decode(text: &[u8]) -> Result<Cow<'_, str>, DecodeError> {
    if text.len() > MAX_TEXT {
        return Err(DecodeError::TooLong { length: text.len() });
    }
    let trimmed = text.trim_ascii();
    if trimmed.is_empty() {
        return Err(DecodeError::Unset);
    }
    if trimmed.starts_with(b"{") || trimmed == b"null" {
        return match std::str::from_utf8(text) {
            Ok(json) => Ok(Cow::Borrowed(json)),
            Err(error) => Err(DecodeError::NotUtf8 {
                offset: error.valid_up_to(),
            }),
        };
    }
    let json = base64(trimmed)?;
    String::from_utf8(json)
        .map(Cow::Owned)
        .map_err(|_| DecodeError::Base64 {
            reason: "the decoded bytes are not UTF-8 text".to_owned(),
        })
}

/// Decodes base64 of either alphabet, padded or not; line breaks inside are skipped.
///
/// # Errors
/// The broken rule, with the offset of the first bad character counted without line breaks.
pub(super) fn base64(text: &[u8]) -> Result<Vec<u8>, DecodeError> {
    let dense: Vec<u8> = text
        .iter()
        .copied()
        .filter(|byte| !matches!(byte, b'\r' | b'\n'))
        .collect();
    let engine = if dense.iter().any(|byte| matches!(byte, b'-' | b'_')) {
        &URL_SAFE
    } else {
        &STANDARD
    };
    engine.decode(&dense).map_err(|error| {
        let reason = match error {
            base64::DecodeError::InvalidByte(offset, _)
            | base64::DecodeError::InvalidLastSymbol(offset, _) => {
                format!("character {offset} does not belong to the alphabet")
            }
            base64::DecodeError::InvalidLength(_) => "its end is missing".to_owned(),
            base64::DecodeError::InvalidPadding => "wrong padding".to_owned(),
        };
        DecodeError::Base64 { reason }
    })
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};

    use super::*;

    /// Has `+` and `/` in standard base64, hence `-` and `_` in the other alphabet, and needs padding.
    const JSON: &str = r#"{"a":"~~?>>>ÿ"}  "#;

    #[test]
    fn raw_json_and_every_form_of_base64_give_the_same_text() {
        let padded = STANDARD.encode(JSON);
        assert!(
            padded.contains('+') || padded.contains('/'),
            "the sample must tell alphabets apart"
        );
        let wrapped: String = padded
            .as_bytes()
            .chunks(5)
            .map(|line| format!("{}\r\n", String::from_utf8_lossy(line)))
            .collect();
        for text in [
            JSON.to_owned(),
            padded,
            STANDARD_NO_PAD.encode(JSON),
            URL_SAFE.encode(JSON),
            URL_SAFE_NO_PAD.encode(JSON),
            wrapped,
        ] {
            assert_eq!(decode(text.as_bytes()).unwrap(), JSON, "{text}");
        }
    }

    #[test]
    fn rubbish_is_refused_as_bad_base64() {
        for bad in [
            &b"invalid-json"[..],
            b"%%%",
            b"[1]",
            b"\"x\"",
            b"a",
            b"\xff\xfe",
        ] {
            let error = decode(bad).unwrap_err().to_string();
            assert!(
                error.contains("failed to decode base64 parameters"),
                "{error}"
            );
        }
    }

    #[test]
    fn the_limit_is_one_mebibyte_and_is_named() {
        let mut text = format!("{{\"a\":\"{}\"}}", "x".repeat(MAX_TEXT - 8)).into_bytes();
        assert_eq!(text.len(), MAX_TEXT);
        assert!(decode(&text).is_ok());
        text.push(b' ');
        let error = decode(&text).unwrap_err().to_string();
        assert!(error.contains("1048576"), "{error}");
    }

    #[test]
    fn no_text_names_the_variable_and_bad_utf8_its_place() {
        assert!(
            decode(b" \n")
                .unwrap_err()
                .to_string()
                .contains("NOMAD_META_PARAMS")
        );
        assert_eq!(
            decode(b"{\"a\":\"\xff\"}"),
            Err(DecodeError::NotUtf8 { offset: 6 })
        );
    }
}
