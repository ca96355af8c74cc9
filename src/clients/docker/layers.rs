//! What happens to layers on their way, as a few lines each.

use std::collections::BTreeMap;

use super::messages::Message;

/// Layers that are followed. An image has at most 127; a build may pull several images.
const LAYERS: usize = 2048;

/// States that say nothing.
const SILENT: [&str; 3] = ["Preparing", "Waiting", "Pulling fs layer"];

/// What was said about each layer.
#[derive(Debug, Default)]
pub(super) struct Layers(BTreeMap<String, (String, u8)>);

impl Layers {
    /// The line for a message, if it tells something new: a new state of a layer, or another quarter of its way.
    pub(super) fn line(&mut self, message: &Message) -> Option<String> {
        let status = message.status.as_deref()?.trim();
        if status.is_empty() {
            return None;
        }
        let Some(id) = message.id.as_deref().filter(|id| !id.is_empty()) else {
            return Some(status.to_owned());
        };
        let (current, total) = way(message);
        let quarter = (current * 4).checked_div(total).unwrap_or(0).min(3) as u8;
        // `Retrying in 5 seconds` counts down.
        let state = status
            .split(|c: char| c.is_ascii_digit())
            .next()
            .unwrap_or_default()
            .to_owned();
        if SILENT.contains(&status) || !self.is_new(id, state, quarter) {
            return None;
        }
        Some(if total > 0 {
            format!("{id}: {status} {}/{}", size(current), size(total))
        } else {
            format!("{id}: {status}")
        })
    }

    fn is_new(&mut self, id: &str, state: String, quarter: u8) -> bool {
        let now = (state, quarter);
        if self.0.get(id) == Some(&now) || (self.0.len() >= LAYERS && !self.0.contains_key(id)) {
            return false;
        }
        self.0.insert(id.to_owned(), now);
        true
    }
}

fn way(message: &Message) -> (u64, u64) {
    let detail = message.progress_detail.as_ref();
    let number = |value: Option<i64>| value.and_then(|value| value.try_into().ok()).unwrap_or(0);
    let current = number(detail.and_then(|detail| detail.current));
    let total = number(detail.and_then(|detail| detail.total));
    (current, total)
}

/// A number of bytes for people, as Docker shows it: `12.3MB`.
pub(super) fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if bytes < 1000 {
        return format!("{bytes}B");
    }
    let mut value = bytes as f64 / 1000.0;
    let mut unit = 0;
    while value >= 1000.0 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    format!("{value:.2}{}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(messages: &[&str]) -> Vec<String> {
        let mut layers = Layers::default();
        messages
            .iter()
            .filter_map(|text| layers.line(&serde_json::from_str(text).unwrap()))
            .collect()
    }

    #[test]
    fn a_layer_has_a_few_lines_however_often_it_is_reported() {
        let mut messages = vec![r#"{"status":"Preparing","id":"a"}"#.to_owned()];
        for current in 0..1000 {
            messages.push(format!(
                r#"{{"status":"Pushing","id":"a","progressDetail":{{"current":{current},"total":1000}}}}"#
            ));
        }
        messages.push(r#"{"status":"Pushed","progressDetail":{},"id":"a"}"#.to_owned());
        let messages: Vec<&str> = messages.iter().map(String::as_str).collect();
        assert_eq!(
            lines(&messages),
            [
                "a: Pushing 0B/1.00kB",
                "a: Pushing 250B/1.00kB",
                "a: Pushing 500B/1.00kB",
                "a: Pushing 750B/1.00kB",
                "a: Pushed"
            ]
        );
    }

    #[test]
    fn a_countdown_is_told_once() {
        let countdown = [
            r#"{"status":"Retrying in 5 seconds","id":"a"}"#,
            r#"{"status":"Retrying in 4 seconds","id":"a"}"#,
            r#"{"status":"Retrying in 1 second","id":"a"}"#,
        ];
        assert_eq!(lines(&countdown), ["a: Retrying in 5 seconds"]);
    }

    #[test]
    fn what_belongs_to_no_layer_is_told_as_it_is() {
        let said = [
            r#"{"status":"The push refers to repository [h/a]"}"#,
            r#"{"status":""}"#,
            r#"{"stream":"x"}"#,
            r#"{"status":"1: digest: sha256:ab size: 5"}"#,
        ];
        assert_eq!(
            lines(&said),
            [
                "The push refers to repository [h/a]",
                "1: digest: sha256:ab size: 5"
            ]
        );
    }

    #[test]
    fn sizes_are_for_people() {
        for (bytes, shown) in [
            (0, "0B"),
            (999, "999B"),
            (1500, "1.50kB"),
            (12_345_678, "12.35MB"),
            (3_000_000_000_000_000, "3000.00TB"),
        ] {
            assert_eq!(size(bytes), shown);
        }
    }
}
