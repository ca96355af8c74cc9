//! What others cannot make `cs` do: call addresses, steer terminals, leave files open, start programs, show secrets.

mod commands;
mod egress;
mod escapes;
mod modes;
mod programs;
mod servers;

use std::path::{Path, PathBuf};

/// Every file of the product, with its text up to its tests. What only a build runs is not part of it.
fn sources() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let of_builds = [root.join("build.rs"), root.join("version/commit.rs")];
    fn walk(directory: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(directory).expect("the repository is there") {
            let path = entry.expect("it stays").path();
            let name = path.file_name().unwrap_or_default();
            if path.is_dir() && name != "tests" {
                walk(&path, found);
            } else if path.extension().is_some_and(|it| it == "rs") && name != "tests.rs" {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(&root, &mut found);
    found.retain(|path| !of_builds.contains(path));
    assert!(found.len() > 300, "the product has many files");
    found
        .into_iter()
        .map(|path| {
            let text = std::fs::read_to_string(&path).expect("it is text");
            let code = text.split("#[cfg(test)]\nmod tests {").next();
            let short = path.strip_prefix(&root).expect("below the root").to_owned();
            (short, code.unwrap_or_default().to_owned())
        })
        .collect()
}

/// The lines of the product that hold one of some texts, as `file: line`.
fn lines_with(texts: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for (path, code) in sources() {
        for line in code.lines().map(str::trim) {
            if !line.starts_with("//") && texts.iter().any(|text| line.contains(text)) {
                found.push(format!("{}: {line}", path.display()));
            }
        }
    }
    found.sort();
    found
}

/// Everything below a directory.
fn below(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() && !path.is_symlink() {
            found.extend(below(&path));
        }
        found.push(path);
    }
    found
}
