//! Log lines in the words of the contract (9.5). People and their tools search for them.

use super::status::DeploymentStatus;

/// What stands in front of every line about a webhook.
const PREFIX: &str = "[@webhook:jenkins]";

/// A webhook was accepted.
#[must_use]
pub fn received(job: &str) -> String {
    format!("{PREFIX} Received status update for job: {job}")
}

/// A deployment changed.
#[must_use]
pub fn updating(deployment: &str, status: DeploymentStatus) -> String {
    format!(
        "{PREFIX} Updating deployment status: {deployment} -> {}",
        status.as_str()
    )
}

/// Something went wrong.
#[must_use]
pub fn failed(message: &str) -> String {
    format!("{PREFIX} Error processing webhook: {message}")
}

/// No deployment belongs to the job. Not an error of the sender.
#[must_use]
pub fn unmapped(job: &str) -> String {
    format!("{PREFIX} No deployment is mapped to job: {job}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_worded_as_the_contract_says() {
        assert_eq!(
            received("job-123"),
            "[@webhook:jenkins] Received status update for job: job-123"
        );
        assert_eq!(
            updating("dep-1", DeploymentStatus::Completed),
            "[@webhook:jenkins] Updating deployment status: dep-1 -> completed"
        );
        assert_eq!(
            failed("no database"),
            "[@webhook:jenkins] Error processing webhook: no database"
        );
    }
}
