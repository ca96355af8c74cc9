//! Which answers are worth another attempt, and how long to wait for it.

use std::time::Duration;

use reqwest::StatusCode;

/// Attempts after the first one. Source: contract 3.1.
pub(super) const RETRIES: u32 = 3;

/// Longest wait between two attempts, also when the backend asks for a longer one.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// Whether the same call may succeed later: too many calls, or a server in trouble. 501 never changes.
pub(super) fn is_worth_a_retry(status: StatusCode) -> bool {
    status == StatusCode::TOO_MANY_REQUESTS
        || (status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED)
}

/// Wait before retry number `retry`, counted from 0: 1, 2, 4 s, or what the backend asks for, at most 5 s.
///
/// `retry_after` is the header's text; a date or anything else that is no count of seconds is passed over.
pub(super) fn wait(retry: u32, retry_after: Option<&str>) -> Duration {
    retry_after
        .and_then(|text| text.trim().parse().ok())
        .map_or_else(
            || Duration::from_secs(1 << retry.min(3)),
            Duration::from_secs,
        )
        .min(LONGEST_WAIT)
}

/// Whether the `Retry-After` header counts with this status.
pub(super) fn names_a_wait(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_overload_and_server_trouble_are_tried_again() {
        for again in [429, 500, 502, 503, 504, 599] {
            assert!(
                is_worth_a_retry(StatusCode::from_u16(again).unwrap()),
                "{again}"
            );
        }
        for last in [200, 201, 301, 400, 401, 404, 408, 422, 501] {
            assert!(
                !is_worth_a_retry(StatusCode::from_u16(last).unwrap()),
                "{last}"
            );
        }
    }

    #[test]
    fn waits_double_and_end_at_five_seconds() {
        let seconds: Vec<u64> = (0..5).map(|retry| wait(retry, None).as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 5, 5]);
    }

    #[test]
    fn the_backends_own_wait_counts_within_the_bound() {
        assert_eq!(wait(2, Some("0")), Duration::ZERO);
        assert_eq!(wait(0, Some(" 3 ")), Duration::from_secs(3));
        assert_eq!(wait(0, Some("3600")), Duration::from_secs(5));
        assert_eq!(
            wait(0, Some("99999999999999999999")),
            Duration::from_secs(1)
        );
        assert_eq!(
            wait(1, Some("Wed, 21 Oct 2026 07:28:00 GMT")),
            Duration::from_secs(2)
        );
        assert_eq!(wait(1, Some("-1")), Duration::from_secs(2));
    }
}
