//! A first `cloudstation.hcl`, of what a folder looks like.

use hcl::structure::{Block, Body};
use hcl::{BlockLabel, Expression};

use super::{list, object, printed};
use crate::compile::hcl::text;

/// What goes into a first project file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Starter {
    /// Name of project and app: letters, digits, `-` and `_`.
    pub name: String,
    /// The builder, one that a project file knows.
    pub builder: &'static str,
    /// The Dockerfile, relative to the folder, when it is not called so.
    pub dockerfile: Option<String>,
    /// Name of the image with its registry, without its tag; without one it stays in the engine.
    pub image: Option<String>,
    /// Tag of the image.
    pub tag: Option<String>,
    /// Port that the app listens at.
    pub port: Option<u16>,
}

/// Returns a project file that [`read`](fn@crate::project::read) takes.
#[must_use]
pub fn starter(given: &Starter) -> String {
    let tag = given.tag.as_deref().map(text);
    let mut build = Block::builder("build")
        .add_attribute(("use", text(given.builder)))
        .add_attribute(("name", text(&given.name)));
    if let (Some(tag), None) = (&tag, &given.image) {
        build = build.add_attribute(("tag", tag.clone()));
    }
    if let Some(dockerfile) = &given.dockerfile {
        build = build.add_attribute(("dockerfile", text(dockerfile)));
    }
    let mut app = Block::builder("app")
        .add_label(BlockLabel::from(given.name.as_str()))
        .add_block(build.build());
    if let Some(image) = &given.image {
        let registry = Block::builder("registry")
            .add_attribute(("use", text("docker")))
            .add_attribute(("image", text(image)))
            .add_attribute(("tag", tag.unwrap_or_else(|| text("latest"))));
        app = app.add_block(registry.build());
    }
    let mut variables: Vec<(&'static str, Expression)> = vec![
        ("count", 1.into()),
        (
            "resources",
            object([("cpu", 200.into()), ("memory", 256.into())]),
        ),
    ];
    if let Some(port) = given.port {
        let network = object([
            ("port", port.into()),
            ("type", text("http")),
            ("public", false.into()),
            (
                "health_check",
                object([
                    ("type", text("http")),
                    ("path", text("/")),
                    ("interval", text("10s")),
                    ("timeout", text("5s")),
                ]),
            ),
        ]);
        variables.push(("network", list([network])));
    }
    let deploy = Block::builder("deploy")
        .add_attribute(("use", text("nomad-pack")))
        .add_attribute(("pack", text("cloudstation")))
        .add_attribute(("variables", object(variables)));
    let body = Body::builder()
        .add_attribute(("project", text(&given.name)))
        .add_block(app.add_block(deploy.build()).build());
    printed(&body.build())
}
