//! What all jobs do, in one call.

use serde::Serialize;

use crate::clients::nomad::client::{NomadClient, ReadCall};
use crate::clients::nomad::types::JobStatus;
use crate::ids::JobKey;

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct StatusesBody<'a> {
    jobs: Vec<Wanted<'a>>,
}

#[derive(Serialize)]
struct Wanted<'a> {
    #[serde(rename = "ID")]
    id: &'a str,
    #[serde(rename = "Namespace")]
    namespace: &'a str,
}

impl NomadClient {
    /// What every job does, without the children of periodic and parameterized ones. Newest change first.
    pub fn statuses(&self, all_namespaces: bool) -> ReadCall<Vec<JobStatus>> {
        let mut call = self
            .read(
                "list",
                "what jobs do".to_owned(),
                "jobs/statuses".to_owned(),
            )
            .list();
        if all_namespaces {
            call = call.global().query("namespace", "*");
        }
        call
    }

    /// What the named jobs do, children among them. A job that does not exist is just absent from the answer.
    pub fn statuses_of(&self, jobs: &[JobKey]) -> ReadCall<Vec<JobStatus>> {
        let wanted = jobs.iter().map(|key| Wanted {
            id: key.job.as_str(),
            namespace: key.namespace.as_str(),
        });
        let body = StatusesBody {
            jobs: wanted.collect(),
        };
        self.read(
            "read",
            "what jobs do".to_owned(),
            "jobs/statuses".to_owned(),
        )
        .list()
        .posted(&body)
    }
}
