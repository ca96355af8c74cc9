//! Every example of docs/local.md is one that is read, and its tables name what there is.

use super::{Around, project};

fn page() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/local.md");
    std::fs::read_to_string(path).expect("part of the repository")
}

/// The HCL blocks of the page.
fn examples(page: &str) -> Vec<String> {
    let parts = page.split("```hcl\n").skip(1);
    parts
        .map(|part| part.split("```").next().unwrap_or_default().to_owned())
        .collect()
}

#[test]
fn every_example_of_the_page_is_read_without_a_finding() {
    let page = page();
    let examples = examples(&page);
    assert!(examples.len() >= 3, "{}", examples.len());
    for example in examples {
        let around = Around {
            environment: vec![
                ("REGISTRY_USERNAME", "me"),
                ("REGISTRY_PASSWORD", "secret"),
                ("DB_PASSWORD", "secret"),
            ],
            ..Around::default()
        };
        let read = project(&example, &around)
            .unwrap_or_else(|findings| panic!("{findings:#?}\n{example}"));
        assert!(read.warnings.is_empty(), "{:#?}", read.warnings);
    }
}

#[test]
fn what_the_page_says_of_the_first_example_is_so() {
    let page = page();
    let around = Around {
        environment: vec![("CI_COMMIT_SHORT_SHA", "c0ffee")],
        ..Around::default()
    };
    let read = project(&examples(&page)[0], &around).unwrap();
    let spec = &read.apps[0].workload().spec;
    let build = spec.build.as_ref().unwrap();
    assert_eq!(build.tag.as_deref(), Some("c0ffee"));
    assert_eq!(build.args["VERSION"], "c0ffee");
    assert_eq!(build.root_directory.as_deref(), Some("services/web"));
    assert_eq!(spec.replicas, Some(2));
    assert_eq!(spec.ports[0].domain.as_deref(), Some("shop"));
}
