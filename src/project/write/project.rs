//! `cloudstation.hcl`. Source: contract 7.2.

use hcl::expr::{Traversal, Variable};
use hcl::structure::{Block, BlockBuilder, Body};
use hcl::{BlockLabel, Expression};

use super::{VARS_FILE, from_environment, list, map, plain as text, printed, texts};
use crate::artifact::build::Builder;
use crate::dispatch::DeployParams;
use crate::dispatch::run::secret_name;
use crate::spec::Workload;

/// The two variables of the registry's credentials: name, variable of the environment.
const CREDENTIALS: [(&str, &str); 2] = [
    ("registry_username", secret_name::REGISTRY_USERNAME),
    ("registry_password", secret_name::REGISTRY_PASSWORD),
];

pub(super) fn file(params: &DeployParams, workload: &Workload, deploys: bool) -> String {
    let job = params.base.job_id.as_str();
    let builder = builder(params);
    let pushes = pushes(params, builder);
    let mut body = Body::builder()
        .add_attribute(("project", text(job)))
        .add_block(
            Block::builder("runner")
                .add_attribute(("enabled", true))
                .build(),
        );
    if pushes {
        body = body.add_blocks(CREDENTIALS.map(|(name, variable)| credential(name, variable)));
    }
    let mut app = Block::builder("app")
        .add_label(BlockLabel::from(job))
        .add_block(build(params, workload, builder));
    if pushes {
        app = app.add_block(registry(params));
    }
    let app = app.add_block(deploy(params, workload, deploys));
    printed(&body.add_block(app.build()).build())
}

/// `docker` is `csdocker`, nothing is `railpack`; an image task builds nothing.
fn builder(params: &DeployParams) -> &str {
    match params.build.builder.as_str() {
        _ if params.repository.is_none() => Builder::Noop.as_str(),
        "docker" => Builder::CsDocker.as_str(),
        "" => Builder::Railpack.as_str(),
        named => named,
    }
}

fn pushes(params: &DeployParams, builder: &str) -> bool {
    params.build.disable_push != Some(true) && builder != Builder::Noop.as_str()
}

fn given<'a>(text: &'a str, otherwise: &'a str) -> &'a str {
    if text.is_empty() { otherwise } else { text }
}

fn image_name(params: &DeployParams) -> &str {
    given(&params.base.image_name, &params.base.job_id)
}

fn tag(params: &DeployParams) -> &str {
    given(&params.base.image_tag, "latest")
}

/// Adds an attribute unless its text is empty.
fn filled(block: BlockBuilder, name: &str, value: &str) -> BlockBuilder {
    if value.is_empty() {
        block
    } else {
        block.add_attribute((name, text(value)))
    }
}

fn build(params: &DeployParams, workload: &Workload, builder: &str) -> Block {
    let build = &params.build;
    let mut block = Block::builder("build")
        .add_attribute(("use", text(builder)))
        .add_attribute(("name", text(image_name(params))))
        .add_attribute(("tag", text(tag(params))));
    if builder == Builder::Noop.as_str() {
        return block.build();
    }
    if let Some(vault) = workload
        .spec
        .build
        .as_ref()
        .and_then(|build| build.vault.as_ref())
    {
        block = block
            .add_attribute(("vault_address", text(&vault.address)))
            .add_attribute(("role_id", from_environment(secret_name::VAULT_ROLE_ID)))
            .add_attribute(("secret_id", from_environment(secret_name::VAULT_SECRET_ID)))
            .add_attribute(("secrets_path", text(&vault.path)));
    }
    let root = workload
        .spec
        .build
        .as_ref()
        .and_then(|build| build.root_directory.as_deref());
    block = block.add_attribute(("context", text(root.unwrap_or("."))));
    if builder == Builder::CsDocker.as_str() {
        let dockerfile = given(build.dockerfile_path.trim_start_matches('/'), "Dockerfile");
        block = block.add_attribute(("dockerfile", text(dockerfile)));
    }
    if !build.build_args.is_empty() {
        block = block.add_attribute(("build_args", map(&build.build_args)));
    }
    if !build.static_build_env.is_empty() {
        block = block.add_attribute(("env", map(&build.static_build_env)));
    }
    block = filled(block, "build_cmd", &build.build_command);
    if builder != Builder::CsDocker.as_str() {
        // With a Dockerfile it goes with the job, as the pack's `args`.
        block = filled(block, "start_cmd", &build.start_command);
    }
    block.build()
}

fn registry(params: &DeployParams) -> Block {
    let build = &params.build;
    let image = match build.registry_url.trim_end_matches('/') {
        "" => image_name(params).to_owned(),
        registry => format!("{registry}/{}", image_name(params)),
    };
    let block = Block::builder("registry")
        .add_attribute(("use", text("docker")))
        .add_attribute(("image", text(&image)))
        .add_attribute(("tag", text(tag(params))));
    let block = filled(block, "namespace", &build.registry_namespace);
    let [username, password] = CREDENTIALS.map(|(name, _)| reference(name));
    block
        .add_attribute(("username", username))
        .add_attribute(("password", password))
        .build()
}

/// `var.NAME`.
fn reference(name: &str) -> Expression {
    Traversal::builder(Variable::unchecked("var"))
        .attr(name)
        .build()
        .into()
}

fn credential(name: &str, variable: &str) -> Block {
    Block::builder("variable")
        .add_label(BlockLabel::from(name))
        .add_attribute(("type", text("string")))
        .add_attribute(("sensitive", true))
        .add_attribute(("env", list([text(variable)])))
        .build()
}

fn deploy(params: &DeployParams, workload: &Workload, deploys: bool) -> Block {
    let mut block = Block::builder("deploy");
    if !deploys {
        return block.add_attribute(("use", text("noop"))).build();
    }
    let registry = &params.base.registry;
    block = block
        .add_attribute(("use", text("nomad-pack")))
        .add_attribute(("deployment_name", text(&params.base.job_id)));
    if !registry.pack.is_empty() {
        block = block.add_attribute(("pack", text(&registry.pack)));
        block = filled(block, "registry_name", &registry.registry_name);
        block = filled(block, "registry_ref", &registry.registry_ref);
        block = filled(
            block,
            "registry_source",
            &without_login(registry.registry_source.expose()),
        );
        block = filled(block, "registry_target", &registry.registry_target);
        block = match registry.registry_token.expose() {
            "" => block,
            // The name of a variable is no token.
            named if named.starts_with("var.") => {
                block.add_attribute(("registry_token", text(named)))
            }
            _ => block.add_attribute(("registry_token", from_environment("REGISTRY_TOKEN"))),
        };
        if let Some(embedded) = registry.use_embedded {
            block = block.add_attribute(("use_embedded", embedded));
        }
    }
    if let Some(cluster) = &workload.spec.cluster {
        if cluster.token.is_some() {
            block =
                block.add_attribute(("nomad_token", from_environment(secret_name::NOMAD_TOKEN)));
        }
        block = filled(
            block,
            "nomad_addr",
            cluster.address.as_deref().unwrap_or_default(),
        );
    }
    block
        .add_attribute(("variable_files", texts(&[VARS_FILE.to_owned()])))
        .build()
}

/// An address without the credentials in it.
fn without_login(address: &str) -> String {
    let Ok(mut url) = url::Url::parse(address) else {
        return address.to_owned();
    };
    let has_login = !url.username().is_empty() || url.password().is_some();
    if !has_login {
        return address.to_owned();
    }
    match url.set_username("").and_then(|()| url.set_password(None)) {
        Ok(()) => url.to_string(),
        Err(()) => String::new(),
    }
}
