//! Which Dockerfile a build uses.

use std::fs;

use cs::artifact::build::detect::{Detected, detect, survey};
use cs::artifact::build::{BuildError, Builder};

use super::Source;

fn detected(source: &Source) -> Option<String> {
    detect(&source.root()).expect("it can be read").dockerfile
}

#[test]
fn the_first_name_that_is_a_regular_file_is_the_dockerfile() {
    let source = Source::of(&[("a", "")]);
    assert_eq!(detected(&source), None);
    for name in [
        "Dockerfile.development",
        "Dockerfile.dev",
        "Dockerfile.production",
        "Dockerfile.prod",
        "dockerfile",
        "Dockerfile",
    ] {
        source.write(name, "FROM scratch");
        assert_eq!(detected(&source).as_deref(), Some(name));
    }
}

#[test]
fn directories_and_dangling_links_are_no_dockerfiles_but_links_to_files_are() {
    let source = Source::of(&[("Dockerfile/x", ""), ("docker/prod", "FROM scratch")]);
    source.link("dockerfile", "missing");
    source.link("Dockerfile.prod", "Dockerfile.prod");
    assert_eq!(detected(&source), None);
    source.link("Dockerfile.dev", "docker/prod");
    assert_eq!(detected(&source).as_deref(), Some("Dockerfile.dev"));
    assert!(detect(&source.root().join("missing")).is_err());
    assert!(detect(&source.root().join("docker/prod")).is_err());
}

#[test]
fn signals_are_listed_and_only_the_directory_that_is_built_counts() {
    let source = Source::of(&[
        ("app/package.json", "{}"),
        ("app/go.mod", ""),
        ("app/sub/Cargo.toml", ""),
        ("Dockerfile", "FROM scratch"),
    ]);
    assert_eq!(
        detect(&source.root().join("app")).unwrap(),
        Detected {
            dockerfile: None,
            signals: vec!["go.mod", "package.json"],
        }
    );
}

fn surveyed(
    source: &Source,
    directory: &str,
    builder: Option<Builder>,
    dockerfile: &str,
) -> Result<Option<String>, BuildError> {
    let directory = source.recipe(directory).directory;
    survey(&source.tree(), &directory, builder, Some(dockerfile)).map(|found| found.dockerfile)
}

#[test]
fn the_dockerfile_that_is_named_goes_before_the_one_that_is_found() {
    let source = Source::of(&[
        ("app/Dockerfile", "FROM scratch"),
        ("app/docker/Prod.Dockerfile", "FROM scratch"),
        ("Dockerfile", "FROM scratch"),
    ]);
    for name in ["docker/Prod.Dockerfile", "../Dockerfile", "./Dockerfile"] {
        assert_eq!(
            surveyed(&source, "app", None, name).unwrap().as_deref(),
            Some(name)
        );
    }
    let absolute = surveyed(&source, "app", None, "/docker/Prod.Dockerfile");
    assert_eq!(absolute.unwrap().as_deref(), Some("docker/Prod.Dockerfile"));
    let silent = survey(&source.tree(), &source.root(), None, None).unwrap();
    assert_eq!(silent.dockerfile.as_deref(), Some("Dockerfile"));
}

#[test]
fn a_dockerfile_that_is_not_there_is_an_error_that_knows_better() {
    let source = Source::of(&[
        ("app/docker/prod.Dockerfile", "FROM scratch"),
        ("app/node_modules/x/Dockerfile", "FROM scratch"),
        ("app/Dockerfile.dockerignore", ""),
        ("Containerfile", "FROM scratch"),
    ]);
    let message = |name| {
        surveyed(&source, "app", None, name)
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        message("docker/Pord.Dockerfile"),
        "the source has no Dockerfile `docker/Pord.Dockerfile`; did you mean `docker/prod.Dockerfile`?"
    );
    assert_eq!(
        message("build/x"),
        "the source has no Dockerfile `build/x`; it has `docker/prod.Dockerfile`, `../Containerfile`"
    );
    let empty = Source::of(&[("a", "")]);
    assert_eq!(
        surveyed(&empty, "", Some(Builder::CsDocker), "x")
            .unwrap_err()
            .to_string(),
        "the source has no Dockerfile `x`; nothing near it looks like one either"
    );
    let outside = surveyed(&source, "app", None, "../../x").unwrap_err();
    assert!(matches!(outside, BuildError::Source(_)));
}

#[test]
fn a_missing_dockerfile_is_no_error_where_nobody_asked_for_it() {
    let source = Source::of(&[("Dockerfile.prod", "FROM scratch")]);
    let found = Some("Dockerfile.prod".to_owned());
    assert_eq!(surveyed(&source, "", None, "Dockerfile").unwrap(), found);
    assert_eq!(
        surveyed(&source, "", Some(Builder::CsDocker), "Dockerfile").unwrap(),
        found
    );
    assert_eq!(
        surveyed(&source, "", Some(Builder::Railpack), "x").unwrap(),
        found
    );
    fs::remove_file(source.root().join("Dockerfile.prod")).unwrap();
    assert_eq!(surveyed(&source, "", None, "Dockerfile").unwrap(), None);
}
