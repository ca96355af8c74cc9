//! The steps of a deployment, told to whoever looks on and to the backend, in order.

use std::time::Duration;

use super::note::{Note, Notes, Phase};
use crate::clients::backend::{BackendReporter, DeploymentType, Step, StepStatus};

/// Longest wait for steps that are on their way. A backend that works answers within milliseconds.
const SETTLE: Duration = Duration::from_secs(2);

/// Begins and ends steps. A step that begins ends the one before it well; a step that is open at the end shares the fate of
/// the deployment.
pub struct Steps<'a> {
    notes: &'a Notes,
    backend: Option<&'a BackendReporter>,
    deployment_id: &'a str,
    deployment_type: DeploymentType,
    open: Option<Phase>,
    failed: Option<Phase>,
}

impl<'a> Steps<'a> {
    /// No step is open yet.
    #[must_use]
    pub fn new(
        notes: &'a Notes,
        backend: Option<&'a BackendReporter>,
        deployment_id: &'a str,
        deployment_type: DeploymentType,
    ) -> Self {
        Self {
            notes,
            backend,
            deployment_id,
            deployment_type,
            open: None,
            failed: None,
        }
    }

    /// Ends the open step well and begins another.
    pub fn begin(&mut self, phase: Phase) {
        self.end(Ok(()));
        self.notes.send(Note::Began(phase));
        self.tell(phase, StepStatus::InProgress);
        self.open = Some(phase);
    }

    /// Ends the open step, if there is one.
    pub fn end(&mut self, ended: Result<(), String>) {
        let Some(phase) = self.open.take() else {
            return;
        };
        let status = match &ended {
            Ok(()) => StepStatus::Completed,
            Err(error) => {
                self.failed = Some(phase);
                StepStatus::Failed(Some(error.clone()))
            }
        };
        self.tell(phase, status);
        self.notes.send(Note::Ended(phase, ended));
    }

    /// Leaves the open step open: another try of the same deployment goes on with it.
    pub fn leave(&mut self) {
        self.open = None;
    }

    /// The open step.
    #[must_use]
    pub const fn current(&self) -> Option<Phase> {
        self.open
    }

    /// The step that failed last, if one did.
    #[must_use]
    pub const fn failed(&self) -> Option<Phase> {
        self.failed
    }

    /// Waits a little until the backend has heard of every step so far, so that what it is asked next comes after them.
    pub async fn settle(&self) {
        if let Some(backend) = self.backend {
            backend.settle(SETTLE).await;
        }
    }

    fn tell(&self, phase: Phase, status: StepStatus) {
        let (Some(backend), Some(step)) = (self.backend, backend_step(phase)) else {
            return;
        };
        backend.step(self.deployment_id, self.deployment_type, step, status);
    }
}

/// The backend's name for a step; `None` for steps that it does not know.
const fn backend_step(phase: Phase) -> Option<Step> {
    match phase {
        Phase::Clone => Some(Step::Clone),
        Phase::Build => Some(Step::Build),
        Phase::Push => Some(Step::Push),
        Phase::ImageDownload => Some(Step::ImageDownload),
        Phase::Deploy => Some(Step::Deploy),
        Phase::HealthCheck => Some(Step::HealthCheck),
        Phase::Sync | Phase::Destroy => None,
    }
}
