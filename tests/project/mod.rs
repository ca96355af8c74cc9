//! `cloudstation.hcl` and the commands on a project: what is read, what is written, what is built and deployed.

mod commands;
mod conversion;
mod diagnostics;
mod docs;
mod engine;
mod packs;
mod stage;

use cs::dispatch::ConvertOptions;
use cs::project::{Input, Project, read};
use cs::secret::Secret;
use cs::spec::Diagnostic;

/// What surrounds a project file in a test.
#[derive(Default)]
struct Around<'a> {
    flags: Vec<(String, Secret)>,
    variable_files: Vec<(String, String)>,
    environment: Vec<(&'a str, &'a str)>,
    files: Vec<(&'a str, &'a str)>,
    options: ConvertOptions,
}

/// Reads a project.
fn project(text: &str, around: &Around<'_>) -> Result<Project, Vec<Diagnostic>> {
    let environment = |name: &str| {
        let found = around.environment.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| (*value).to_owned())
    };
    let file = |name: &str| {
        let found = around.files.iter().find(|(known, _)| *known == name);
        found
            .map(|(_, text)| (*text).to_owned())
            .ok_or_else(|| "no such file".to_owned())
    };
    read(&Input {
        name: "cloudstation.hcl",
        text,
        flags: &around.flags,
        variable_files: &around.variable_files,
        environment: &environment,
        read: &file,
        options: &around.options,
    })
}
