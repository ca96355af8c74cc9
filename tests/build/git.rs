//! When a context has the repository in it.

use std::fs;

use cs::artifact::build::context;

use super::{Source, names, tar};

const PLAIN: &str = "FROM scratch\nCOPY . /\n";
const NEEDS_GIT: &str = "FROM scratch\nCOPY .git /src/.git\n";

#[tokio::test]
async fn a_repository_stays_out_unless_the_dockerfile_copies_it() {
    for (dockerfile, wanted) in [
        (PLAIN, &["Dockerfile", "a/", "a/b"][..]),
        (
            NEEDS_GIT,
            &[
                ".git/",
                ".git/HEAD",
                "Dockerfile",
                "a/",
                "a/.git/",
                "a/.git/HEAD",
                "a/b",
            ],
        ),
    ] {
        let source = Source::of(&[
            ("Dockerfile", dockerfile),
            (".git/HEAD", "ref"),
            ("a/.git/HEAD", "ref"),
            ("a/b", ""),
        ]);
        assert_eq!(names(&source.tar().await), wanted);
    }
}

#[tokio::test]
async fn a_repository_from_elsewhere_takes_its_place() {
    for (dockerfile, ignored, wanted) in [
        (PLAIN, "", &["Dockerfile"][..]),
        (
            NEEDS_GIT,
            "",
            &[
                ".git/",
                ".git/HEAD",
                ".git/objects/",
                ".git/objects/x",
                "Dockerfile",
            ],
        ),
        (
            NEEDS_GIT,
            ".git/objects",
            &[".dockerignore", ".git/", ".git/HEAD", "Dockerfile"],
        ),
        (NEEDS_GIT, ".git", &[".dockerignore", "Dockerfile"]),
    ] {
        let source = Source::of(&[("Dockerfile", dockerfile), (".git", "gitdir: elsewhere")]);
        if !ignored.is_empty() {
            source.write(".dockerignore", ignored);
        }
        let repository = source.beside("repository");
        fs::create_dir_all(repository.join("objects")).unwrap();
        fs::write(repository.join("HEAD"), "ref").unwrap();
        fs::write(repository.join("objects/x"), "x").unwrap();
        let mut recipe = source.recipe("");
        recipe.git_dir = Some(repository);
        let plan = context::plan(&recipe, "Dockerfile").unwrap();
        assert_eq!(plan.text().needs_git, dockerfile == NEEDS_GIT);
        assert_eq!(names(&tar(plan).await), wanted, "{ignored:?}");
    }
}
