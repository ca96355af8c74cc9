//! Small languages: references, durations, schedules, addresses, ids; and texts that are shown to people.

use cs::artifact::registry::ImageReference;
use cs::bridge::sender::Network;
use cs::clients::jenkins::JenkinsUrl;
use cs::clients::nomad::Address;
use cs::events::SubjectPrefix;
use cs::ids::{JobId, Namespace, OwnerId};
use cs::reconcile::cause::one_line;
use cs::secret::SafeUrl;
use cs::set::prune::PruneLimit;
use cs::simulator::world::Cron;
use cs::spec::Span;

use super::{Target, text};

/// Every line is each of them.
pub(super) const NAMES: Target = Target {
    name: "names",
    run: names,
    words: &[
        "1h30m",
        "1.5s",
        "9223372036854775807ns",
        "-1s",
        "µs",
        "registry.example:5000/a/b:1",
        "@sha256:",
        "a@b@c",
        "*/5 * * * *",
        "@daily",
        "0 0 31 2 *",
        "59-0 * * * *",
        "http://u:p@h:1/p?q#f",
        "http://[::1]:4646",
        "unix:///a",
        "file:///etc/passwd",
        "//",
        "10.0.0.0/8",
        "::/0",
        "1.2.3.4/33",
        "20%",
        "100%",
        "..",
        "%2e%2e",
        "xn--",
        "\u{202e}",
        "\u{0}",
    ],
};

/// Output of a program, in pieces.
pub(super) const ESCAPES: Target = Target {
    name: "escapes",
    run: escapes,
    words: &[
        "\u{1b}[31m",
        "\u{1b}]0;a\u{7}",
        "\u{1b}]8;;http://a\u{1b}\\",
        "\u{1b}(B",
        "\u{1b}P",
        "\u{1b}",
        "\u{9b}31m",
        "\r",
        "\n",
        "\u{8}",
    ],
};

fn names(bytes: &[u8]) {
    for line in text(bytes).lines().take(16) {
        if let Ok(image) = line.parse::<ImageReference>() {
            assert!(!image.host().is_empty() && !image.repository().is_empty());
        }
        if let Ok(span) = line.parse::<Span>() {
            let again = span.to_string().parse::<Span>();
            assert_eq!(
                again.as_ref().map(|again| again.0),
                Ok(span.0),
                "{line:?} is written as {span}"
            );
        }
        if let Some(cron) = Cron::parse(line) {
            let now = 1_700_000_000_000_000_000;
            if let Some(next) = cron.next(now) {
                assert!(next > now, "{line:?}: a schedule that goes back");
            }
        }
        if let Ok(url) = SafeUrl::parse(line)
            && let Some(password) = url.expose().password()
        {
            let shown = url.to_string();
            assert!(
                !shown.contains(&format!(":{password}@")),
                "a password is shown: {shown}"
            );
        }
        if let Ok((address, _)) = Address::parse(line) {
            assert!(
                Address::parse(&address.to_string()).is_ok(),
                "{line:?} is shown as {address}"
            );
        }
        let _ = line.parse::<JenkinsUrl>();
        let _ = line.parse::<SubjectPrefix>();
        let _ = line.parse::<PruneLimit>();
        if let Ok(network) = line.parse::<Network>() {
            let _ = network.contains([127, 0, 0, 1].into());
        }
        if let Ok(id) = line.parse::<JobId>() {
            let is_plain = |one: char| !one.is_control() && !one.is_whitespace();
            assert!(id.as_str().chars().all(is_plain), "{line:?} is a job");
        }
        if let Ok(owner) = line.parse::<OwnerId>() {
            let shown = owner.to_string();
            assert!(
                !shown.chars().any(char::is_control),
                "{shown:?} is an owner"
            );
        }
        let _ = line.parse::<Namespace>();
        let one = one_line(line);
        assert!(
            !one.contains(['\n', '\r', '\u{1b}']),
            "{one:?} is no single line"
        );
    }
}

fn escapes(bytes: &[u8]) {
    let Some((first, rest)) = bytes.split_first() else {
        return;
    };
    let whole = cs::fuzzing::without_escapes(rest, rest.len());
    assert!(!whole.contains(&0x1b), "an escape is left");
    let pieces = cs::fuzzing::without_escapes(rest, usize::from(*first).max(1));
    assert_eq!(whole, pieces, "where the output is cut makes a difference");
}
