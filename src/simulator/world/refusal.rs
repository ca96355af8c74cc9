//! What the simulated Nomad answers when it will not do something.

/// A refusal: HTTP status and the exact body that Nomad sends, `text/plain`, no newline at its end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{status}: {text}")]
pub struct Refusal {
    /// HTTP status.
    pub status: u16,
    /// Body.
    pub text: String,
}

impl Refusal {
    /// 400: the request itself is wrong.
    pub fn bad_request(text: impl Into<String>) -> Self {
        Self {
            status: 400,
            text: text.into(),
        }
    }

    /// 404.
    pub fn not_found(text: impl Into<String>) -> Self {
        Self {
            status: 404,
            text: text.into(),
        }
    }

    /// 500: what Nomad says to most invalid requests.
    pub fn server(text: impl Into<String>) -> Self {
        Self {
            status: 500,
            text: text.into(),
        }
    }

    /// 500 in the layout of Go's `multierror`.
    pub fn many(errors: &[String]) -> Self {
        Self::server(multierror(errors))
    }
}

/// Formats errors as Go's `multierror` does, the two newlines at the end included.
#[must_use]
pub fn multierror(errors: &[String]) -> String {
    let head = if errors.len() == 1 {
        "1 error occurred:".to_owned()
    } else {
        format!("{} errors occurred:", errors.len())
    };
    let mut text = head;
    for error in errors {
        text.push_str("\n\t* ");
        text.push_str(error);
    }
    text.push_str("\n\n");
    text
}
