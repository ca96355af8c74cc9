//! Values that must not be seen, in every form that they may take.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

/// The value for one place: readable in a report, and different once encoded for a URL.
pub(crate) fn canary(place: &str) -> String {
    format!("Cnry+{place}/8fq=Z")
}

/// The canary as it stands in a URL.
pub(crate) fn in_url(place: &str) -> String {
    utf8_percent_encode(&canary(place), NON_ALPHANUMERIC).to_string()
}

/// A secret and all texts that give it away.
#[derive(Debug, Clone)]
pub(crate) struct Canary {
    pub(crate) place: String,
    forms: Vec<String>,
}

impl Canary {
    pub(crate) fn new(place: &str, value: &str) -> Self {
        let mut forms = vec![
            value.to_owned(),
            utf8_percent_encode(value, NON_ALPHANUMERIC).to_string(),
            value.bytes().map(|byte| format!("{byte:02x}")).collect(),
        ];
        for offset in 0..3 {
            forms.push(inside(&STANDARD_NO_PAD, value, offset));
            forms.push(inside(&URL_SAFE_NO_PAD, value, offset));
        }
        Self {
            place: place.to_owned(),
            forms,
        }
    }

    /// The form in which a text holds it, if it does.
    pub(crate) fn found_in(&self, text: &str) -> Option<&str> {
        let mut forms = self.forms.iter().map(String::as_str);
        forms.find(|form| text.contains(form))
    }
}

/// The characters that a value has in common with every base64 text in which it begins at this offset modulo 3.
fn inside(engine: &impl base64::Engine, value: &str, offset: usize) -> String {
    let text = engine.encode(format!("{}{value}", "\0".repeat(offset)));
    let whole = (offset + value.len()) / 3 * 4;
    text[[0, 2, 3][offset]..whole].to_owned()
}

#[test]
fn a_canary_is_found_in_every_encoding() {
    let sought = Canary::new("x", &canary("x"));
    let value = canary("x");
    for around in ["", "u:", "user:"] {
        let encoded = STANDARD_NO_PAD.encode(format!("{around}{value} and more"));
        assert!(sought.found_in(&encoded).is_some(), "{around}");
    }
    assert!(sought.found_in(&format!("a?b={}", in_url("x"))).is_some());
    assert!(sought.found_in("Cnry").is_none());
}
