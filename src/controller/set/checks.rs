//! Whether the checks of a service pass at this moment.

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::clients::chain;
use crate::clients::nomad::NomadClient;
use crate::clients::nomad::error::{Disposition, NomadError};
use crate::clients::nomad::types::CheckStatus;
use crate::ids::JobId;
use crate::reconcile::Outcome;

/// Between two questions: nodes tell results of checks only when they are asked.
const PACE: Duration = Duration::from_secs(1);

/// Waits until every check of the job's running allocations passes; only those of `service` when it is named.
///
/// Nomad knows the checks of its own service discovery only. Where it knows none, nothing is waited for: Consul's checks
/// were part of the rollout's health, which has been waited for already.
///
/// # Errors
/// How the wait ended instead.
pub(super) async fn passing(
    nomad: &NomadClient,
    job: &JobId,
    service: Option<&str>,
    deadline: Instant,
    cancel: &CancellationToken,
) -> Result<(), Outcome> {
    loop {
        let failing = match failing(nomad, job, service).await {
            Ok(None) => return Ok(()),
            Ok(Some(failing)) => failing,
            Err(error) if matches!(error.disposition(), Disposition::Stall) => {
                return Err(Outcome::Failed(chain(&error)));
            }
            Err(error) => chain(&error),
        };
        // Cancel-safe: waiting changes nothing.
        tokio::select! {
            biased;
            () = cancel.cancelled() => return Err(Outcome::Cancelled { doing: None }),
            () = tokio::time::sleep_until(deadline) => {
                let waiting_for = format!("waiting until checks pass: {failing}");
                return Err(Outcome::Deadline { waiting_for, cause: None });
            }
            () = tokio::time::sleep(PACE) => {}
        }
    }
}

/// The first check that does not pass, or what keeps from asking.
async fn failing(
    nomad: &NomadClient,
    job: &JobId,
    service: Option<&str>,
) -> Result<Option<String>, NomadError> {
    let allocations = nomad.allocations(job, false).await?.value;
    let running = allocations
        .iter()
        .filter(|allocation| allocation.desired_status == "run" && !allocation.is_terminal());
    let mut is_any = false;
    for allocation in running {
        is_any = true;
        let checks = nomad.allocation_checks(&allocation.id).await?.value;
        let concerned = |check: &&CheckStatus| service.is_none_or(|name| check.service == name);
        if let Some(check) = checks
            .values()
            .filter(concerned)
            .find(|check| check.status != "success")
        {
            return Ok(Some(format!(
                "{} of service {} is {}",
                check.check, check.service, check.status
            )));
        }
    }
    Ok((!is_any).then(|| "no allocation runs".to_owned()))
}
