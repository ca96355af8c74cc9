//! A workload that waits for a build: the document that came with the deployment, with the build's number in its image.
//!
//! Only `spec.source.image` is a template, and only `{{buildNumber}}` in it is replaced, literally.

use serde_json::Value;

use super::machine::BuildNumber;
use crate::desired::references;
use crate::spec::workload::SecretRef;
use crate::spec::{Document, Resource, parse};

/// What is replaced in the image.
pub const BUILD_NUMBER: &str = "{{buildNumber}}";

/// Variables of the server that a workload may refer to begin so. Whoever may create deployments must not read the
/// server's own secrets through a job of theirs.
pub const VARIABLE_PREFIX: &str = "CS_WORKLOAD_";

/// Name under which findings speak of the document.
const SOURCE: &str = "workload";

/// Why a document cannot be rolled out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadWorkload {
    /// It does not read as documents of ours; all findings in one line.
    #[error("{0}")]
    Unreadable(String),
    /// It is another kind, or several documents.
    #[error("exactly one document of kind `Workload` is expected")]
    NotOneWorkload,
    /// It is built somewhere else.
    #[error(
        "`spec.source.image` must name the image that the build pushes, such as `registry.example.com/shop:{{{{buildNumber}}}}`"
    )]
    NoImage,
    /// It would read secrets of the server.
    #[error(
        "a reference by `fromFile` is not taken, and one by `fromEnv` only to variables that begin with `CS_WORKLOAD_`: use \
         `fromVault` or `fromVariable`"
    )]
    ForeignSecret,
}

/// The document for a build.
///
/// # Errors
/// It makes no sense, or is not allowed here.
pub fn document(workload: &Value, build: BuildNumber) -> Result<Document, BadWorkload> {
    let mut workload = workload.clone();
    if let Some(Value::String(image)) = workload.pointer_mut("/spec/source/image") {
        *image = image.replace(BUILD_NUMBER, &build.to_string());
    }
    let mut documents = parse(SOURCE, &workload.to_string()).map_err(|findings| {
        let lines: Vec<String> = findings
            .iter()
            .map(|finding| finding.message.clone())
            .collect();
        BadWorkload::Unreadable(lines.join("; "))
    })?;
    let document = documents.pop().filter(|_| documents.is_empty());
    let document = document.ok_or(BadWorkload::NotOneWorkload)?;
    let Resource::Workload(resource) = &document.resource else {
        return Err(BadWorkload::NotOneWorkload);
    };
    if resource.spec.source.image.is_none() {
        return Err(BadWorkload::NoImage);
    }
    if references(resource).into_iter().any(is_foreign) {
        return Err(BadWorkload::ForeignSecret);
    }
    Ok(document)
}

fn is_foreign(reference: &SecretRef) -> bool {
    let is_ours = |name: &String| name.starts_with(VARIABLE_PREFIX);
    reference.from_file.is_some() || !reference.from_env.as_ref().is_none_or(is_ours)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn workload(image: &str, env: &Value) -> Value {
        json!({
            "apiVersion": "cloudstation.io/v1", "kind": "Workload", "metadata": {"name": "shop"},
            "spec": {"source": {"image": image}, "service": {"provider": "nomad"}, "env": env}
        })
    }

    fn image_of(document: &Document) -> &str {
        let workload = document.workload().unwrap();
        workload.spec.source.image.as_deref().unwrap()
    }

    #[test]
    fn the_number_of_the_build_goes_into_the_image_and_nowhere_else() {
        let wanted = workload(
            "r.example/shop:b{{buildNumber}}",
            &json!({"A": "{{buildNumber}}"}),
        );
        let document = document(&wanted, 17).unwrap();
        assert_eq!(image_of(&document), "r.example/shop:b17");
        let text = serde_json::to_string(&document.workload().unwrap().spec.env).unwrap();
        assert!(text.contains("{{buildNumber}}"), "{text}");
    }

    #[test]
    fn what_cannot_be_rolled_out_is_refused() {
        let mut built = workload("x", &json!({}));
        built["spec"]["source"] = json!({"git": {"url": "https://example.com/a/b"}});
        let mut other = workload("x", &json!({}));
        other["kind"] = json!("NomadJob");
        let mut unknown = workload("x", &json!({}));
        unknown["spec"]["replica"] = json!(1);
        assert!(
            matches!(document(&unknown, 1), Err(BadWorkload::Unreadable(text)) if text.contains("replica"))
        );
        assert!(matches!(
            document(&built, 1),
            Err(BadWorkload::NoImage | BadWorkload::Unreadable(_))
        ));
        assert!(document(&other, 1).is_err());
        assert!(document(&json!("canary"), 1).is_err());
        for secret in [
            json!({"fromEnv": "CS_API_TOKEN"}),
            json!({"fromFile": "/etc/shadow"}),
        ] {
            let stolen = workload("x", &json!({"A": secret}));
            assert_eq!(
                document(&stolen, 1).unwrap_err(),
                BadWorkload::ForeignSecret
            );
        }
        let allowed = workload("x", &json!({"A": {"fromEnv": "CS_WORKLOAD_A"}}));
        assert!(document(&allowed, 1).is_ok());
    }
}
