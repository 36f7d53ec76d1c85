use std::time::Duration;

use hyper::StatusCode;
use hyper::header::{HeaderMap, LOCATION, RETRY_AFTER};

/// A receiver may ask for a longer pause than ours, but not to be forgotten.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(60 * 60);
/// What of a receiver's own words goes into the delivery log.
const LONGEST_QUOTE: usize = 200;

/// How one attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The receiver has it.
    Delivered { status: u16 },
    /// The receiver wants no more, ever (410).
    Gone,
    /// It may work later.
    Failed(Failure),
}

/// Why an attempt failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    /// The status code, if there was an answer.
    pub(super) status: Option<u16>,
    /// What to tell the operator.
    pub(super) reason: String,
    /// The pause that the receiver asked for.
    pub(super) retry_after: Option<Duration>,
}

impl Outcome {
    /// No answer at all.
    pub(super) fn unanswered(reason: impl Into<String>) -> Self {
        Self::Failed(Failure { status: None, reason: reason.into(), retry_after: None })
    }

    /// What an answer means: 2xx is success and nothing else is.
    pub(super) fn of(status: StatusCode, headers: &HeaderMap) -> Self {
        if status.is_success() {
            return Self::Delivered { status: status.as_u16() };
        }
        if status == StatusCode::GONE {
            return Self::Gone;
        }
        let reason = if status.is_redirection() {
            redirected(status, headers)
        } else {
            format!("the receiver answered {status}")
        };
        let retry_after = retry_after(status, headers);
        Self::Failed(Failure { status: Some(status.as_u16()), reason, retry_after })
    }

    pub(super) fn status(&self) -> Option<u16> {
        match self {
            Self::Delivered { status } => Some(*status),
            Self::Gone => Some(StatusCode::GONE.as_u16()),
            Self::Failed(failure) => failure.status,
        }
    }

    pub(super) fn error(&self) -> Option<&str> {
        match self {
            Self::Delivered { .. } => None,
            Self::Gone => Some("the receiver answered 410 Gone"),
            Self::Failed(failure) => Some(&failure.reason),
        }
    }
}

fn redirected(status: StatusCode, headers: &HeaderMap) -> String {
    let to = headers.get(LOCATION).and_then(|location| location.to_str().ok()).unwrap_or("nowhere");
    let to: String = to.chars().take(LONGEST_QUOTE).collect();
    format!("the receiver answered {status} to {to}; redirects are not followed: change the url")
}

/// The seconds of `Retry-After` (RFC 9110, section 10.2.3), where they mean "too much"; its other
/// form, a date, depends on the receiver's clock and counts as none.
fn retry_after(status: StatusCode, headers: &HeaderMap) -> Option<Duration> {
    let asks = matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
    let header = headers.get(RETRY_AFTER).filter(|_| asks)?;
    let seconds = header.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(LONGEST_RETRY_AFTER))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(status: u16, headers: &[(hyper::header::HeaderName, &str)]) -> Outcome {
        let headers =
            headers.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect();
        Outcome::of(StatusCode::from_u16(status).unwrap(), &headers)
    }

    fn pause(status: u16, retry_after: &str) -> Option<u64> {
        match of(status, &[(RETRY_AFTER, retry_after)]) {
            Outcome::Failed(failure) => failure.retry_after.map(|pause| pause.as_secs()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn only_2xx_is_success_and_only_410_is_the_end() {
        for status in 100..600 {
            match of(status, &[]) {
                Outcome::Delivered { status } => assert_eq!(status / 100, 2),
                Outcome::Gone => assert_eq!(status, 410),
                Outcome::Failed(failure) => assert_eq!(failure.status, Some(status)),
            }
        }
    }

    #[test]
    fn a_redirect_says_where_to_and_what_to_do() {
        let outcome = of(301, &[(LOCATION, "https://elsewhere.example/")]);
        let reason = outcome.error().unwrap();
        assert!(reason.contains("301") && reason.contains("https://elsewhere.example/"));
        assert!(reason.contains("change the url"), "{reason}");
    }

    #[test]
    fn retry_after_counts_for_429_and_503_and_is_bounded() {
        assert_eq!(pause(429, "7"), Some(7));
        assert_eq!(pause(503, " 0 "), Some(0));
        assert_eq!(pause(503, "999999999"), Some(3600));
        assert_eq!(pause(500, "7"), None);
        assert_eq!(pause(429, "soon"), None);
        assert_eq!(pause(429, "-1"), None);
    }
}
