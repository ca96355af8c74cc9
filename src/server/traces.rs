//! Which traces deployments belong to, between a request and the rollout that follows from it much later.
//!
//! In memory only: a server that starts again begins new traces, which is all that is lost.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use crate::observe::{self, TraceContext};

/// Most deployments that are remembered; the oldest ones go first.
const MOST: usize = 512;

/// Traces by deployment.
#[derive(Default)]
pub(super) struct Traces(Mutex<VecDeque<Known>>);

struct Known {
    deployment: String,
    /// Of the request that asked for the run.
    run: Option<Arc<TraceContext>>,
    /// Of the message that told of its build.
    build: Option<Arc<TraceContext>>,
}

impl Traces {
    /// A run was asked for by the request that is answered here.
    pub(super) fn asked(&self, deployment: &str) {
        self.remember(deployment, |known, here| {
            known.run = Some(here);
            known.build = None;
        });
    }

    /// The request that is answered here tells of a build that is to be rolled out.
    pub(super) fn built(&self, deployment: &str) {
        self.remember(deployment, |known, here| known.build = Some(here));
    }

    /// The trace of a rollout, and the one that it has to do with besides.
    pub(super) fn of_rollout(
        &self,
        deployment: &str,
    ) -> (Option<TraceContext>, Option<TraceContext>) {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(known) = all.iter().find(|known| known.deployment == deployment) else {
            return (None, None);
        };
        let plain = |trace: &Option<Arc<TraceContext>>| trace.as_deref().cloned();
        match (plain(&known.run), plain(&known.build)) {
            (None, build) => (build, None),
            both => both,
        }
    }

    fn remember(&self, deployment: &str, change: impl FnOnce(&mut Known, Arc<TraceContext>)) {
        let Some(here) = observe::here() else {
            return;
        };
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = all.iter_mut().find(|known| known.deployment == deployment) {
            change(known, here);
            return;
        }
        if all.len() >= MOST {
            all.pop_front();
        }
        let mut known = Known {
            deployment: deployment.to_owned(),
            run: None,
            build: None,
        };
        change(&mut known, here);
        all.push_back(known);
    }
}
