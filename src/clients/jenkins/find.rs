//! Looking for a run of ours by its id, where the answer to its start got lost.

use serde::Deserialize;

use super::client::Jenkins;
use super::error::JenkinsError;
use crate::bridge::api::RUN_ID;
use crate::bridge::machine::BuildNumber;

/// Where a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// In the queue, under this number.
    Queued(i64),
    /// It is this build.
    Built(BuildNumber),
    /// Jenkins knows nothing of it, and would: the job has the parameter.
    Nowhere,
    /// The job does not keep the parameter by which it would be found.
    Unknowable,
}

#[derive(Deserialize)]
struct Queue {
    #[serde(default)]
    items: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    id: i64,
    #[serde(default)]
    actions: Vec<Action>,
}

#[derive(Deserialize)]
struct JobAnswer {
    #[serde(default)]
    builds: Vec<Build>,
    #[serde(default)]
    property: Vec<Property>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Build {
    number: BuildNumber,
    queue_id: Option<i64>,
    #[serde(default)]
    actions: Vec<Action>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Property {
    #[serde(default)]
    parameter_definitions: Vec<Definition>,
}

#[derive(Deserialize)]
struct Definition {
    name: Option<String>,
}

#[derive(Deserialize)]
struct Action {
    #[serde(default)]
    parameters: Vec<ParameterValue>,
}

#[derive(Deserialize)]
struct ParameterValue {
    name: Option<String>,
    /// Only texts are ours.
    #[serde(default)]
    value: serde_json::Value,
}

impl Jenkins {
    /// Looks for a run in the queue and among the last builds of its job.
    ///
    /// # Errors
    /// It cannot be said; asking changes nothing.
    pub async fn find(&self, job: &str, run: &str) -> Result<Found, JenkinsError> {
        // The queue first: an item that leaves it meanwhile is among the builds.
        let mut url = self.base.below(["queue", "api", "json"]);
        url.query_pairs_mut()
            .append_pair("tree", "items[id,actions[parameters[name,value]]]");
        if let Some(queue) = self.ask::<Queue>(url, "the queue").await?
            && let Some(item) = queue.items.iter().find(|item| is_of(&item.actions, run))
        {
            return Ok(Found::Queued(item.id));
        }
        let answer = self.builds(job).await?;
        if let Some(build) = answer
            .builds
            .iter()
            .find(|build| is_of(&build.actions, run))
        {
            return Ok(Found::Built(build.number));
        }
        let mut definitions = answer
            .property
            .iter()
            .flat_map(|property| &property.parameter_definitions);
        let is_kept = definitions.any(|definition| definition.name.as_deref() == Some(RUN_ID));
        Ok(if is_kept {
            Found::Nowhere
        } else {
            Found::Unknowable
        })
    }

    /// The build that an item of the queue became, if it is among the last ones.
    ///
    /// # Errors
    /// It cannot be said; asking changes nothing.
    pub async fn build_of_item(
        &self,
        job: &str,
        item: i64,
    ) -> Result<Option<BuildNumber>, JenkinsError> {
        let answer = self.builds(job).await?;
        let build = answer
            .builds
            .iter()
            .find(|build| build.queue_id == Some(item));
        Ok(build.map(|build| build.number))
    }

    async fn builds(&self, job: &str) -> Result<JobAnswer, JenkinsError> {
        let mut url = self.base.of_job(job, ["api", "json"]);
        url.query_pairs_mut().append_pair(
            "tree",
            "builds[number,queueId,actions[parameters[name,value]]]{0,50},property[parameterDefinitions[name]]",
        );
        let answer = self.ask(url, "the builds of a job").await?;
        answer.ok_or_else(|| JenkinsError::NoSuchJob {
            job: job.to_owned(),
        })
    }
}

fn is_of(actions: &[Action], run: &str) -> bool {
    actions
        .iter()
        .flat_map(|action| &action.parameters)
        .any(|parameter| {
            parameter.name.as_deref() == Some(RUN_ID) && parameter.value.as_str() == Some(run)
        })
}
