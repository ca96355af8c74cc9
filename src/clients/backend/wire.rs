//! Bodies of the calls, exactly as the backend reads them (contract 3.3 to 3.5).

use serde::{Serialize, Serializer};

/// What kind of deployment a step belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DeploymentType {
    /// Built from a repository or an upload.
    Git,
    /// An image as it is.
    App,
}

/// One step of a deployment. The names are values that the backend knows; other spellings are ignored there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Fetching the source.
    Clone,
    /// Building the image.
    Build,
    /// Pushing the image.
    Push,
    /// Looking at an image that was given.
    ImageDownload,
    /// Registering the job.
    Deploy,
    /// Waiting for health.
    #[serde(rename = "healthCheck")]
    HealthCheck,
    /// Routing traffic to it.
    Release,
}

/// How far a step is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepStatus {
    /// Begun.
    InProgress,
    /// Done.
    Completed,
    /// Failed, with what people are told about it.
    Failed(Option<String>),
}

/// One reachable port of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkUpdate {
    /// Inside the container.
    pub port: u16,
    /// `http`, `tcp` or `none`. Sent in lower case; `https` is sent as `http` and an empty text as `tcp`.
    pub port_type: String,
    /// Reachable from outside.
    pub public: bool,
    /// Full name, or empty.
    pub domain: String,
    /// Text, not a boolean: `http`, `tcp` or empty.
    pub has_health_check: String,
    /// Left out when empty, as the next three.
    pub check_type: String,
    /// Path of an http check.
    pub check_path: String,
    /// With a unit, e.g. `30s`.
    pub check_interval: String,
    /// With a unit, e.g. `30s`.
    pub check_timeout: String,
    /// Left out when `None` or 0.
    pub check_port: Option<u16>,
}

/// What is known about a service: its ports, and how its process starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ServiceUpdate {
    /// Which service.
    #[serde(rename = "serviceId")]
    pub service_id: String,
    /// Ports; left out when there is none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub network: Vec<NetworkUpdate>,
    /// User of the process.
    #[serde(skip_serializing_if = "is_blank")]
    pub docker_user: Option<String>,
    /// Command.
    #[serde(skip_serializing_if = "is_blank")]
    pub cmd: Option<String>,
    /// Entrypoint, its words joined by blanks.
    #[serde(skip_serializing_if = "is_blank")]
    pub entrypoint: Option<String>,
}

fn is_blank(text: &Option<String>) -> bool {
    text.as_deref().is_none_or(str::is_empty)
}

impl NetworkUpdate {
    fn wire_type(&self) -> String {
        match self.port_type.trim().to_ascii_lowercase().as_str() {
            "" => "tcp".to_owned(),
            "https" => "http".to_owned(),
            other => other.to_owned(),
        }
    }
}

impl Serialize for NetworkUpdate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        NetworkBody {
            port: self.port,
            port_type: &self.wire_type(),
            public: self.public,
            domain: &self.domain,
            has_health_check: &self.has_health_check,
            health_check: CheckBody {
                check_type: &self.check_type,
                path: &self.check_path,
                interval: &self.check_interval,
                timeout: &self.check_timeout,
                port: self.check_port.filter(|port| *port != 0),
            },
        }
        .serialize(serializer)
    }
}

#[derive(Serialize)]
struct NetworkBody<'a> {
    port: u16,
    #[serde(rename = "type")]
    port_type: &'a str,
    public: bool,
    domain: &'a str,
    has_health_check: &'a str,
    health_check: CheckBody<'a>,
}

#[derive(Serialize)]
struct CheckBody<'a> {
    #[serde(rename = "type", skip_serializing_if = "str::is_empty")]
    check_type: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    path: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    interval: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    timeout: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    port: Option<u16>,
}

/// Body of a deployment step.
#[derive(Serialize)]
pub(super) struct StepBody<'a> {
    #[serde(rename = "deploymentId")]
    deployment_id: &'a str,
    deployment_type: DeploymentType,
    step: Step,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
}

impl<'a> StepBody<'a> {
    pub(super) fn new(
        deployment_id: &'a str,
        deployment_type: DeploymentType,
        step: Step,
        status: &'a StepStatus,
    ) -> Self {
        let (status, error) = match status {
            StepStatus::InProgress => ("in_progress", None),
            StepStatus::Completed => ("completed", None),
            StepStatus::Failed(error) => ("failed", error.as_deref()),
        };
        Self {
            deployment_id,
            deployment_type,
            step,
            status,
            error: error.filter(|text| !text.is_empty()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn network() -> NetworkUpdate {
        NetworkUpdate {
            port: 8080,
            port_type: "http".to_owned(),
            public: true,
            domain: String::new(),
            has_health_check: String::new(),
            check_type: String::new(),
            check_path: String::new(),
            check_interval: String::new(),
            check_timeout: String::new(),
            check_port: None,
        }
    }

    fn body(value: impl Serialize) -> serde_json::Value {
        serde_json::to_value(value).unwrap()
    }

    #[test]
    fn a_network_without_a_check_keeps_an_empty_object() {
        assert_eq!(
            body(network()),
            json!({"port": 8080, "type": "http", "public": true, "domain": "",
                   "has_health_check": "", "health_check": {}})
        );
    }

    #[test]
    fn a_full_check_has_all_five_members() {
        let full = NetworkUpdate {
            check_type: "http".to_owned(),
            check_path: "/up".to_owned(),
            check_interval: "30s".to_owned(),
            check_timeout: "5s".to_owned(),
            check_port: Some(8081),
            has_health_check: "http".to_owned(),
            ..network()
        };
        assert_eq!(
            body(full)["health_check"],
            json!({"type": "http", "path": "/up", "interval": "30s", "timeout": "5s", "port": 8081})
        );
        let zero = NetworkUpdate {
            check_port: Some(0),
            ..network()
        };
        assert_eq!(body(zero)["health_check"], json!({}));
    }

    #[test]
    fn only_types_that_the_backend_accepts_are_sent() {
        for (given, sent) in [
            ("https", "http"),
            ("", "tcp"),
            ("TCP", "tcp"),
            ("none", "none"),
        ] {
            let network = NetworkUpdate {
                port_type: given.to_owned(),
                ..network()
            };
            assert_eq!(body(network)["type"], sent, "{given:?}");
        }
    }

    #[test]
    fn empty_parts_of_a_service_are_left_out() {
        let update = ServiceUpdate {
            service_id: "img_1".to_owned(),
            network: Vec::new(),
            docker_user: Some(String::new()),
            cmd: None,
            entrypoint: Some("/bin/app serve".to_owned()),
        };
        assert_eq!(
            body(update),
            json!({"serviceId": "img_1", "entrypoint": "/bin/app serve"})
        );
    }

    #[test]
    fn steps_have_the_names_that_the_backend_knows() {
        let all = [
            Step::Clone,
            Step::Build,
            Step::Push,
            Step::ImageDownload,
            Step::Deploy,
            Step::HealthCheck,
            Step::Release,
        ];
        assert_eq!(
            body(all),
            json!([
                "clone",
                "build",
                "push",
                "image_download",
                "deploy",
                "healthCheck",
                "release"
            ])
        );
        assert_eq!(
            body([DeploymentType::Git, DeploymentType::App]),
            json!(["git", "app"])
        );
    }

    #[test]
    fn an_error_is_sent_only_with_a_failure_that_has_one() {
        let step = |status: StepStatus| {
            body(StepBody::new(
                "gd_1",
                DeploymentType::Git,
                Step::Push,
                &status,
            ))
        };
        let base = |status: &str| json!({"deploymentId": "gd_1", "deployment_type": "git", "step": "push", "status": status});
        assert_eq!(step(StepStatus::InProgress), base("in_progress"));
        assert_eq!(step(StepStatus::Completed), base("completed"));
        assert_eq!(step(StepStatus::Failed(None)), base("failed"));
        assert_eq!(
            step(StepStatus::Failed(Some(String::new()))),
            base("failed")
        );
        assert_eq!(
            step(StepStatus::Failed(Some("no space".to_owned())))["error"],
            "no space"
        );
    }
}
