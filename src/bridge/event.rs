//! What the bridge announces. Source: contract, 9.5; the last one is ours.

use serde::Serialize;

use super::api::RolloutState;
use super::machine::BuildNumber;
use super::status::DeploymentStatus;

/// Something that whoever looks on must learn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum BridgeEvent {
    /// A webhook changed a deployment.
    #[serde(rename_all = "camelCase")]
    StatusUpdate {
        /// Which deployment.
        deployment_id: String,
        /// Its status now.
        status: DeploymentStatus,
        /// Its CI job.
        job_id: String,
        /// The build that told.
        build_number: String,
    },
    /// A run began: the CI server has it in its queue.
    #[serde(rename_all = "camelCase")]
    RunStart {
        /// Which deployment.
        deployment_id: String,
        /// Its status now.
        status: DeploymentStatus,
        /// Its CI job.
        job_id: String,
        /// Which run.
        run_id: String,
    },
    /// A run led to no build.
    #[serde(rename_all = "camelCase")]
    RunFailure {
        /// Which deployment.
        deployment_id: String,
        /// Its status now.
        status: DeploymentStatus,
        /// Its CI job.
        job_id: String,
        /// Which run.
        run_id: String,
        /// Why, for programs.
        code: String,
        /// Why, for people.
        message: String,
    },
    /// The rollout of a deployment's workload has begun or ended.
    #[serde(rename_all = "camelCase")]
    RolloutUpdate {
        /// Which deployment.
        deployment_id: String,
        /// Its CI job.
        job_id: String,
        /// After which build.
        build_number: String,
        /// How far it is.
        state: RolloutState,
        /// How it ended, in a word.
        outcome: Option<String>,
        /// The same for people.
        message: Option<String>,
    },
}

impl BridgeEvent {
    /// Its name: the event of a server-sent event, and the last token of the subject on NATS.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::StatusUpdate { .. } => "DEPLOYMENT_STATUS_UPDATE",
            Self::RunStart { .. } => "DEPLOYMENT_RUN_START",
            Self::RunFailure { .. } => "DEPLOYMENT_RUN_FAILURE",
            Self::RolloutUpdate { .. } => "DEPLOYMENT_ROLLOUT_UPDATE",
        }
    }

    /// Whose it is.
    #[must_use]
    pub fn deployment_id(&self) -> &str {
        match self {
            Self::StatusUpdate { deployment_id, .. }
            | Self::RunStart { deployment_id, .. }
            | Self::RunFailure { deployment_id, .. }
            | Self::RolloutUpdate { deployment_id, .. } => deployment_id,
        }
    }

    /// Its payload.
    #[must_use]
    pub fn payload(&self) -> String {
        serde_json::to_string(self).expect("texts are JSON")
    }
}

/// A build number as it stands in JSON.
#[must_use]
pub fn number_text(build: Option<BuildNumber>) -> Option<String> {
    build.map(|number| number.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_update_carries_what_the_contract_names() {
        let event = BridgeEvent::StatusUpdate {
            deployment_id: "d".to_owned(),
            status: DeploymentStatus::Completed,
            job_id: "j".to_owned(),
            build_number: "7".to_owned(),
        };
        assert_eq!(event.name(), "DEPLOYMENT_STATUS_UPDATE");
        assert_eq!(
            event.payload(),
            r#"{"deploymentId":"d","status":"completed","jobId":"j","buildNumber":"7"}"#
        );
    }
}
