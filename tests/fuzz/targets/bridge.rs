//! What CI sends to `cs serve`.

use cs::bridge::signature::{is_same, sign, verify};
use cs::bridge::webhook::read;
use cs::bridge::{api, rollout};
use cs::secret::Secret;

use super::{CUT, Target, text};

/// A body and, after a cut, a header.
pub(super) const WEBHOOK: Target = Target {
    name: "webhook",
    run: webhook,
    words: &[
        "\"jobId\"",
        "\"status\"",
        "\"buildNumber\"",
        "\"timestamp\"",
        "\"SUCCESS\"",
        "\"RUNNING\"",
        "\"1\"",
        "\"999999999999999999\"",
        "\"2024-03-20T12:00:00Z\"",
        "\"-009999-01-01T00:00:00+25:59\"",
        "sha256=",
        "[Europe/Berlin]",
        "null",
    ],
};

fn webhook(bytes: &[u8]) {
    let cut = CUT.as_bytes();
    let place = bytes.windows(cut.len()).position(|window| window == cut);
    let (body, header) = match place {
        Some(at) => (&bytes[..at], &bytes[at + cut.len()..]),
        None => (bytes, bytes),
    };
    let secret = Secret::new("correct horse");
    let right = sign(&secret, body);
    assert!(
        verify(&secret, body, right.as_bytes()).is_ok(),
        "our own signature is refused"
    );
    if header != right.as_bytes() && !right.as_bytes().eq_ignore_ascii_case(header) {
        let is_other = verify(&secret, body, header).is_err()
            || text(header).contains(right.trim_start_matches("sha256="));
        assert!(is_other, "a foreign signature is taken: {:?}", text(header));
    }
    let _ = is_same(&secret, header);
    let now = "2024-03-20T12:00:00Z".parse().expect("a time");
    if let Ok(webhook) = read(body, now, jiff::SignedDuration::from_mins(5)) {
        let distance = webhook.message.at.duration_since(now).abs();
        assert!(
            distance <= jiff::SignedDuration::from_mins(5),
            "a webhook from {distance} away is taken"
        );
        let _ = api::job_segments(&webhook.job);
    }
    let _ = api::job_segments(text(body));
    if let Ok(create) = serde_json::from_slice::<api::CreateDeployment>(body) {
        let _ = create.check();
    }
    if let Ok(workload) = serde_json::from_slice(body) {
        let _ = rollout::document(&workload, 7);
    }
}
