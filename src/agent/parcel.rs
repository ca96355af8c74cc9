//! One delivery of a task: what it is about, before anything is done for it.

use std::sync::Arc;

use async_nats::jetstream::Message;

use super::claim::Delivery;
use super::names::{JobKey, Names, Order, TaskKey};
use crate::config::Environment;
use crate::controller::run::{self, Checked};
use crate::dispatch::params::DestroyJob;
use crate::dispatch::{ConvertOptions, readable_ids};
use crate::ids::JobId;
use crate::reconcile::Outcome;

/// One delivery of a task.
pub struct Parcel {
    /// To be acknowledged.
    pub message: Arc<Message>,
    /// The task's name, whether or not there is such a task.
    pub task: String,
    /// Its place in the queue.
    pub order: Order,
    /// Which delivery of it.
    pub number: u64,
    /// What makes another message the same task.
    pub key: TaskKey,
    /// The jobs it writes; none when nothing will be carried out.
    pub jobs: Vec<(JobKey, JobId)>,
    /// The platform's deployment, when there is one.
    pub deployment: Option<String>,
    /// What is wrong with it before anybody is asked.
    pub refused: Option<Outcome>,
    /// Destroys jobs instead of deploying one.
    pub is_destroy: bool,
    /// `Nats-Msg-Id` of the submission.
    pub message_id: Option<String>,
}

impl Parcel {
    /// Reads a delivery of a stream that was made at `epoch`. `None`: it does not come from a work queue.
    #[must_use]
    pub fn open(
        message: Message,
        epoch: i64,
        names: &Names,
        options: &ConvertOptions,
        environment: &Environment,
    ) -> Option<Self> {
        let info = message.info().ok()?;
        let order = Order {
            epoch,
            sequence: info.stream_sequence,
        };
        let number = u64::try_from(info.delivered).unwrap_or(1);
        let task = names.task_of(&message.subject)?.to_owned();
        let ids = readable_ids(&message.payload);
        let mut parcel = Self {
            key: TaskKey::Message(order),
            jobs: Vec::new(),
            deployment: ids.map(|ids| ids.deployment_id.to_string()),
            refused: None,
            is_destroy: false,
            message_id: message_id(&message),
            message: Arc::new(message),
            task,
            order,
            number,
        };
        let own = environment.get("NOMAD_ADDR");
        match run::check(&parcel.task, &parcel.message.payload, options, environment) {
            Ok(Checked::Deploy(context)) => {
                parcel.deployment = Some(context.ids.deployment_id.to_string());
                let cluster = other_than(own.as_deref(), context.nomad_address.as_deref());
                let key = JobKey::new(cluster, context.job_id.as_str());
                parcel.jobs = vec![(key, context.job_id.clone())];
            }
            Ok(Checked::Destroy(params)) => {
                parcel.is_destroy = true;
                parcel.deployment = None;
                let key = |job: &DestroyJob| {
                    let cluster = other_than(own.as_deref(), job.nomad_address.as_deref());
                    let key = JobKey::new(cluster, job.job_id.as_str());
                    (key, job.job_id.clone())
                };
                parcel.jobs = params.jobs.iter().map(key).collect();
            }
            Err(outcome) => parcel.refused = Some(*outcome),
        }
        if let Some(id) = parcel.deployment.as_deref().and_then(|id| id.parse().ok()) {
            parcel.key = TaskKey::Deployment(id);
        }
        Some(parcel)
    }

    /// What the ledger calls it when another task has to make way.
    #[must_use]
    pub fn title(&self) -> String {
        match &self.deployment {
            Some(deployment) => format!("deployment {deployment}"),
            None => format!("{} no. {}", self.task, self.order.sequence),
        }
    }

    /// This delivery, as claims are decided about.
    #[must_use]
    pub fn delivery(&self, agent: &str, is_running_here: bool) -> Delivery {
        Delivery {
            order: self.order,
            number: self.number,
            agent: agent.to_owned(),
            is_running_here,
        }
    }
}

/// The cluster of the params, unless it is the agent's own.
fn other_than<'a>(own: Option<&str>, given: Option<&'a str>) -> Option<&'a str> {
    let same = |given: &&str| {
        own.map(|own| own.trim_end_matches('/')) == Some(given.trim_end_matches('/'))
    };
    given.filter(|given| !same(given))
}

fn message_id(message: &Message) -> Option<String> {
    let id = message.headers.as_ref()?.get("Nats-Msg-Id")?;
    // Whoever submits chooses it, and it is shown.
    let shown = id
        .as_str()
        .chars()
        .filter(|c| !crate::plain::steers(*c))
        .take(128);
    Some(shown.collect())
}
