//! Which answers are worth another attempt, and how long to wait for it.

use std::time::Duration;

use reqwest::StatusCode;

/// Most attempts after the first one, whatever the settings say.
pub(super) const MOST_RETRIES: u32 = 10;

/// Longest wait between two attempts, also when Vault asks for a longer one.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// Whether the same call may succeed later.
///
/// 412 is a node that has not heard of the token yet, 429 a quota, 472 and 473 standby nodes, 5xx trouble; a sealed node
/// is among the latter, because one that has just started unseals itself. 501 never changes.
/// Source: Vault, HTTP API; its own client tries again after the same, apart from the standby nodes.
pub(super) fn is_worth_a_retry(status: StatusCode) -> bool {
    matches!(status.as_u16(), 412 | 429 | 472 | 473)
        || (status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED)
}

/// Wait before retry number `retry`, counted from 0: 1, 2, 4, 8, 10 s, or what Vault asks for, at most 10 s.
///
/// `retry_after` is the header's text; a date or anything else that is no count of seconds is passed over.
pub(super) fn wait(retry: u32, retry_after: Option<&str>) -> Duration {
    retry_after
        .and_then(|text| text.trim().parse().ok())
        .map_or_else(
            || Duration::from_secs(1 << retry.min(4)),
            Duration::from_secs,
        )
        .min(LONGEST_WAIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_overload_and_standby_nodes_are_tried_again_and_refusals_are_not() {
        for again in [412, 429, 472, 473, 500, 502, 503, 504, 599] {
            let status = StatusCode::from_u16(again).unwrap();
            assert!(is_worth_a_retry(status), "{again}");
        }
        for last in [200, 204, 301, 307, 400, 401, 403, 404, 405, 408, 413, 501] {
            let status = StatusCode::from_u16(last).unwrap();
            assert!(!is_worth_a_retry(status), "{last}");
        }
    }

    #[test]
    fn waits_double_and_end_at_ten_seconds() {
        let seconds: Vec<u64> = (0..6).map(|retry| wait(retry, None).as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 10, 10]);
    }

    #[test]
    fn vaults_own_wait_counts_within_the_bound() {
        assert_eq!(wait(2, Some("0")), Duration::ZERO);
        assert_eq!(wait(0, Some(" 3 ")), Duration::from_secs(3));
        assert_eq!(wait(0, Some("3600")), Duration::from_secs(10));
        for passed_over in ["-1", "soon", "Wed, 21 Oct 2026 07:28:00 GMT", ""] {
            assert_eq!(wait(1, Some(passed_over)), Duration::from_secs(2));
        }
    }
}
