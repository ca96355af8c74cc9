//! What images are made of, and what registries say of them.

use cs::artifact::build::context::DockerIgnore;
use cs::artifact::build::dockerfile::Dockerfile;
use cs::artifact::registry::docker_config_credentials;

use super::{CUT, Target, text};

/// A Dockerfile.
pub(super) const DOCKERFILE: Target = Target {
    name: "dockerfile",
    run: dockerfile,
    words: &[
        "FROM a\n",
        "FROM a AS b\n",
        "ARG A=b\n",
        "RUN ",
        "--mount=type=secret,id=a ",
        "COPY --from=b . .\n",
        "# syntax=a\n",
        "# escape=`\n",
        "<<EOF\n",
        "EOF\n",
        "\\\n",
        "`\n",
        "ONBUILD ",
        "${A:-b}",
        "$A",
        "[\"a\", \"b\"]",
        "\r\n",
        "\t",
    ],
};

/// A `.dockerignore` and, after a cut, paths.
pub(super) const DOCKERIGNORE: Target = Target {
    name: "dockerignore",
    run: dockerignore,
    words: &[
        "**",
        "*",
        "?",
        "[a-z]",
        "[^a]",
        "!",
        "\\",
        "/",
        "#",
        "..",
        "a/**/b",
        "**/**/**/**/",
        "*a*a*a*a*a*a*b",
    ],
};

/// Manifests, configurations, challenges, `config.json`.
pub(super) const REGISTRY: Target = Target {
    name: "registry",
    run: registry,
    words: &[
        "{\"manifests\":[",
        "\"platform\":{\"os\":\"linux\",\"architecture\":\"amd64\"}",
        "\"config\":{",
        "\"ExposedPorts\":{\"80/tcp\":{}}",
        "\"Env\":[\"PORT=80\"]",
        "Bearer realm=\"https://a/b\",service=\"c\",scope=\"d\"",
        "Basic realm=a",
        "\\\"",
        ",",
        "=",
        "\"auths\":{",
        "\"auth\":\"YTpi\"",
        "65536/tcp",
        "0/tcp",
        "1-5/tcp",
    ],
};

fn dockerfile(bytes: &[u8]) {
    let text = text(bytes);
    let read = Dockerfile::parse(text);
    for image in read.base_images() {
        assert!(
            text.contains(image) || image.is_empty() || text.contains(['\\', '`', '$', '"', '\'']),
            "{image:?} is made up"
        );
    }
    let declared = read.secrets_declared_as_args(["A", "TOKEN"]);
    assert!(declared.len() <= 2, "{declared:?}");
}

fn dockerignore(bytes: &[u8]) {
    let text = text(bytes);
    let (patterns, paths) = text
        .split_once(CUT)
        .unwrap_or((text, "a\na/b\n.git/config\nsrc/main.rs"));
    let Ok(mut ignore) = DockerIgnore::parse(patterns) else {
        return;
    };
    for path in paths.lines().take(8) {
        let _ = ignore.ignores(path);
        let _ = ignore.may_keep_below(path);
    }
    ignore.keep("Dockerfile");
    assert!(!ignore.ignores("Dockerfile"), "what is kept is ignored");
}

fn registry(bytes: &[u8]) {
    cs::fuzzing::registry(bytes);
    let _ = docker_config_credentials(text(bytes), "registry.example");
}
