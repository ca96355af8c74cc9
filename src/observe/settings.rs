//! What the variables of OpenTelemetry ask for.
//!
//! A setting that makes no sense is warned of and never fails a run: these variables are often set for a whole machine.
//! Source: OpenTelemetry specification, "OpenTelemetry Protocol Exporter" and "Environment Variable Specification".

use std::path::PathBuf;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use url::Url;

use crate::config::Environment;
use crate::secret::{SafeUrl, Secret};

/// Where traces go, and which.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) endpoint: SafeUrl,
    /// Credentials are among them.
    pub(super) headers: Vec<(String, Secret)>,
    pub(super) timeout: Duration,
    pub(super) gzip: bool,
    /// Certificates that are trusted besides the system's, as a file in PEM.
    pub(super) certificate: Option<PathBuf>,
    /// Whose spans they are.
    pub(super) resource: Vec<(String, String)>,
    pub(super) sampler: Sampler,
    /// Longest wait until spans are sent.
    pub(super) delay: Duration,
    /// Most spans that wait.
    pub(super) queue: usize,
}

/// Which traces are recorded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Sampler {
    /// Whoever came before decides, where there is somebody.
    pub(super) follows_parent: bool,
    /// The share of the others, 0 to 1.
    pub(super) ratio: f64,
}

impl Sampler {
    /// Whether a trace is recorded. Everybody who decides by the same share decides the same of the same trace.
    pub(super) fn takes(self, trace_id: &[u8; 16], parent: Option<bool>) -> bool {
        if let (true, Some(sampled)) = (self.follows_parent, parent) {
            return sampled;
        }
        let [.., a, b, c, d, e, f, g, h] = *trace_id;
        let random = u64::from_be_bytes([a, b, c, d, e, f, g, h]) >> 1;
        // 2^63 is the first number that 63 bits do not have; as a float the greatest of them is 2^63 as well.
        self.ratio >= 1.0 || (random as f64) < self.ratio * 9_223_372_036_854_775_808.0
    }
}

/// Why traces are not sent although an endpoint is configured. The values are not repeated: there are credentials among them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {problem}")]
pub(super) struct Unusable {
    name: &'static str,
    problem: &'static str,
}

const fn bad(name: &'static str, problem: &'static str) -> Unusable {
    Unusable { name, problem }
}

impl Settings {
    /// `None`: traces are off, which is so unless an endpoint is configured.
    ///
    /// # Errors
    /// An endpoint is configured and cannot be used as asked for: traces are off, and somebody should know.
    pub(super) fn of(environment: &Environment) -> Result<Option<Self>, Unusable> {
        let is_disabled = environment
            .get("OTEL_SDK_DISABLED")
            .is_some_and(|text| text.eq_ignore_ascii_case("true"));
        let Some(endpoint) = endpoint(environment)?.filter(|_| !is_disabled) else {
            return Ok(None);
        };
        match environment.get("OTEL_TRACES_EXPORTER").as_deref() {
            None | Some("otlp") => {}
            Some("none") => return Ok(None),
            Some(_) => return Err(bad("OTEL_TRACES_EXPORTER", "expected `otlp` or `none`")),
        }
        let protocol = own(environment, "PROTOCOL");
        match protocol.as_ref().map(|(name, text)| (*name, text.as_str())) {
            None | Some((_, "http/protobuf")) => {}
            Some((name, "grpc")) => {
                return Err(bad(
                    name,
                    "`grpc` is not spoken; set it to `http/protobuf`, and the endpoint to the collector's port for \
                     that (4318 by default)",
                ));
            }
            Some((name, _)) => return Err(bad(name, "expected `http/protobuf`")),
        }
        Ok(Some(Self {
            endpoint,
            headers: headers(environment),
            timeout: milliseconds(own(environment, "TIMEOUT"), Duration::from_secs(10)),
            gzip: own(environment, "COMPRESSION").is_some_and(|(_, text)| text == "gzip"),
            certificate: own(environment, "CERTIFICATE").map(|(_, path)| PathBuf::from(path)),
            resource: resource(environment),
            sampler: sampler(environment),
            delay: milliseconds(
                named(environment, "OTEL_BSP_SCHEDULE_DELAY"),
                Duration::from_secs(5),
            ),
            queue: environment
                .get("OTEL_BSP_MAX_QUEUE_SIZE")
                .and_then(|text| text.parse().ok())
                .filter(|most| (1..=65_536).contains(most))
                .unwrap_or(2048),
        }))
    }
}

/// A setting of the exporter: the one for traces, else the one for all signals; with the name that it has.
fn own(environment: &Environment, what: &'static str) -> Option<(&'static str, String)> {
    let (of_traces, of_all) = match what {
        "PROTOCOL" => (
            "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
            "OTEL_EXPORTER_OTLP_PROTOCOL",
        ),
        "TIMEOUT" => (
            "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT",
            "OTEL_EXPORTER_OTLP_TIMEOUT",
        ),
        "COMPRESSION" => (
            "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION",
            "OTEL_EXPORTER_OTLP_COMPRESSION",
        ),
        "CERTIFICATE" => (
            "OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE",
            "OTEL_EXPORTER_OTLP_CERTIFICATE",
        ),
        _ => (
            "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
            "OTEL_EXPORTER_OTLP_HEADERS",
        ),
    };
    named(environment, of_traces).or_else(|| named(environment, of_all))
}

fn named(environment: &Environment, name: &'static str) -> Option<(&'static str, String)> {
    Some((name, environment.get(name)?.trim().to_owned()))
}

/// The address for traces as it is, or the one for all signals with the path of traces below it.
fn endpoint(environment: &Environment) -> Result<Option<SafeUrl>, Unusable> {
    const OF_TRACES: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
    const OF_ALL: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
    let (name, text) = match (environment.get(OF_TRACES), environment.get(OF_ALL)) {
        (Some(text), _) => (OF_TRACES, text),
        (None, Some(text)) => (OF_ALL, text),
        (None, None) => return Ok(None),
    };
    let wanted = bad(name, "expected an address such as http://collector:4318");
    let mut url = Url::parse(text.trim()).map_err(|_| wanted.clone())?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(wanted);
    }
    if name == OF_ALL {
        let path = format!("{}/v1/traces", url.path().trim_end_matches('/'));
        url.set_path(&path);
    }
    Ok(Some(SafeUrl::from(url)))
}

/// `name=value` pairs, separated by commas, values percent-encoded. What is no such pair is passed over.
fn pairs(text: &str) -> impl Iterator<Item = (String, String)> {
    text.split(',').filter_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        let decoded = |text: &str| {
            let decoded = percent_decode_str(text.trim()).decode_utf8();
            decoded.ok().map(std::borrow::Cow::into_owned)
        };
        Some((decoded(name)?, decoded(value)?)).filter(|(name, _)| !name.is_empty())
    })
}

fn headers(environment: &Environment) -> Vec<(String, Secret)> {
    let given = own(environment, "HEADERS").map(|(_, text)| text);
    pairs(given.as_deref().unwrap_or_default())
        .map(|(name, value)| (name, Secret::new(value)))
        .collect()
}

fn resource(environment: &Environment) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = vec![
        ("service.name".to_owned(), "cs".to_owned()),
        (
            "service.version".to_owned(),
            env!("CARGO_PKG_VERSION").to_owned(),
        ),
        ("telemetry.sdk.name".to_owned(), "cs".to_owned()),
        ("telemetry.sdk.language".to_owned(), "rust".to_owned()),
        (
            "telemetry.sdk.version".to_owned(),
            env!("CARGO_PKG_VERSION").to_owned(),
        ),
    ];
    for (name, variable) in [
        ("nomad.alloc.id", "NOMAD_ALLOC_ID"),
        ("nomad.region", "NOMAD_REGION"),
        ("nomad.dc", "NOMAD_DC"),
    ] {
        all.extend(
            environment
                .get(variable)
                .map(|value| (name.to_owned(), value)),
        );
    }
    let given = environment
        .get("OTEL_RESOURCE_ATTRIBUTES")
        .unwrap_or_default();
    let service = environment.get("OTEL_SERVICE_NAME");
    let service = service.map(|name| ("service.name".to_owned(), name));
    for (name, value) in pairs(&given).chain(service) {
        all.retain(|(known, _)| *known != name);
        all.push((name, value));
    }
    all
}

fn sampler(environment: &Environment) -> Sampler {
    let ratio = environment
        .get("OTEL_TRACES_SAMPLER_ARG")
        .and_then(|text| text.trim().parse().ok())
        .filter(|ratio| (0.0..=1.0).contains(ratio))
        .unwrap_or(1.0);
    let name = environment.get("OTEL_TRACES_SAMPLER").unwrap_or_default();
    let (follows_parent, kind) = match name.strip_prefix("parentbased_") {
        Some(kind) => (true, kind),
        None => (false, name.as_str()),
    };
    let ratio = match kind {
        "always_on" => 1.0,
        "always_off" => 0.0,
        "traceidratio" => ratio,
        unknown => {
            if !unknown.is_empty() {
                tracing::warn!(
                    "OTEL_TRACES_SAMPLER names no sampler that is known; taken is parentbased_always_on"
                );
            }
            return Sampler {
                follows_parent: true,
                ratio: 1.0,
            };
        }
    };
    Sampler {
        follows_parent,
        ratio,
    }
}

fn milliseconds(given: Option<(&'static str, String)>, default: Duration) -> Duration {
    let Some((name, text)) = given else {
        return default;
    };
    match text.parse() {
        Ok(number) if number > 0 => Duration::from_millis(number),
        _ => {
            tracing::warn!("{name}: expected whole milliseconds; taken is {default:?}");
            default
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings<const N: usize>(pairs: [(&str, &str); N]) -> Result<Option<Settings>, Unusable> {
        Settings::of(&Environment::of_pairs(pairs))
    }

    const ALL: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

    #[test]
    fn traces_are_off_unless_an_endpoint_is_configured() {
        assert!(settings([]).unwrap().is_none());
        assert!(settings([("OTEL_SERVICE_NAME", "x")]).unwrap().is_none());
        for off in [
            ("OTEL_SDK_DISABLED", "True"),
            ("OTEL_TRACES_EXPORTER", "none"),
        ] {
            assert!(
                settings([(ALL, "http://c:4318"), off]).unwrap().is_none(),
                "{off:?}"
            );
        }
    }

    #[test]
    fn the_path_of_traces_is_added_to_the_address_of_all_signals_alone() {
        let address = |pairs: [(&str, &str); 2]| {
            let settings = settings(pairs).unwrap().unwrap();
            settings.endpoint.expose().to_string()
        };
        let none = ("X", "y");
        assert_eq!(
            address([(ALL, "http://c:4318"), none]),
            "http://c:4318/v1/traces"
        );
        assert_eq!(
            address([(ALL, "https://c/otlp/"), none]),
            "https://c/otlp/v1/traces"
        );
        let own = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://d:1/here");
        assert_eq!(address([(ALL, "http://c:4318"), own]), "http://d:1/here");
    }

    #[test]
    fn what_cannot_be_done_is_said_without_the_value() {
        let grpc = settings([
            (ALL, "http://c:4317"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ]);
        let text = grpc.unwrap_err().to_string();
        assert!(text.contains("OTEL_EXPORTER_OTLP_PROTOCOL") && text.contains("http/protobuf"));
        for bad in ["canary", "ftp://canary", "http://", "unix:///canary"] {
            let text = settings([(ALL, bad)]).unwrap_err().to_string();
            assert!(text.starts_with(ALL) && !text.contains("canary"), "{text}");
        }
    }

    #[test]
    fn headers_are_secrets_and_those_of_traces_count() {
        let found = settings([
            (ALL, "http://c:4318"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "x=1"),
            (
                "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
                "api-key=canary%20one, b = two,junk,=z",
            ),
        ]);
        let found = found.unwrap().unwrap();
        let plain: Vec<(&str, &str)> = found
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.expose()))
            .collect();
        assert_eq!(plain, [("api-key", "canary one"), ("b", "two")]);
        assert!(!format!("{found:?}").contains("canary"));
    }

    #[test]
    fn a_resource_has_a_name_and_what_is_given_counts() {
        let name = |pairs: [(&str, &str); 3]| {
            let found = settings(pairs).unwrap().unwrap().resource;
            let named = found.iter().filter(|(name, _)| name == "service.name");
            named.map(|(_, value)| value.clone()).collect::<Vec<_>>()
        };
        let end = (ALL, "http://c:4318");
        let attributes = (
            "OTEL_RESOURCE_ATTRIBUTES",
            "service.name=b,team=store%2Cfront",
        );
        assert_eq!(name([end, ("A", ""), ("B", "")]), ["cs"]);
        assert_eq!(name([end, attributes, ("B", "")]), ["b"]);
        assert_eq!(name([end, attributes, ("OTEL_SERVICE_NAME", "c")]), ["c"]);
    }

    #[test]
    fn samplers_decide_by_parent_and_by_trace() {
        let sampler = |name: &str, share: &str| {
            sampler(&Environment::of_pairs([
                ("OTEL_TRACES_SAMPLER", name),
                ("OTEL_TRACES_SAMPLER_ARG", share),
            ]))
        };
        let low = [0; 16];
        let high = [0xff; 16];
        let default = sampler("", "");
        assert!(default.takes(&high, None) && !default.takes(&low, Some(false)));
        assert!(sampler("always_on", "").takes(&high, Some(false)));
        assert!(!sampler("always_off", "").takes(&low, Some(true)));
        assert!(sampler("parentbased_always_off", "").takes(&high, Some(true)));
        let half = sampler("traceidratio", "0.5");
        assert!(half.takes(&low, None) && !half.takes(&high, Some(true)));
        assert!(!sampler("parentbased_traceidratio", "0").takes(&low, None));
        assert_eq!(sampler("nonsense", ""), default);
    }
}
