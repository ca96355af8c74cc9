//! `cs init`: looks at a folder and writes its project file, or a spec.

use std::io::{BufRead as _, Write as _};
use std::path::{Path, PathBuf};

use super::build::Format;
use super::report::init::InitReport;
use super::{Context, confirm, exit, output};
use crate::artifact::build::Builder;
use crate::artifact::build::detect::{self, Detected};
use crate::artifact::build::dockerfile::Dockerfile;
use crate::config::Environment;
use crate::dispatch::{ConvertOptions, to_yaml};
use crate::project::write::starter::{Starter, starter};
use crate::project::{self, Input};
use crate::spec::Workload;
use crate::spec::workload::{
    ApiVersion, Build, Metadata, Port, PortProtocol, Push, Resources, Service, Source,
    WorkloadKind, WorkloadSpec,
};

/// Longest Dockerfile that is looked into.
const MOST_BYTES: u64 = 1 << 20;

/// Looks at a folder, and writes its project file or spec. A file that is there is left as it is.
///
/// What can be seen is not asked: language, builder and port. On a terminal the rest is asked, with an answer proposed.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cs init
  cs init --path services/shop --app shop --image registry.example.com/team/shop --port 8080
  cs init --to spec --dry-run")]
pub(super) struct Arguments {
    /// Folder of the project.
    #[arg(long, value_name = "DIR", default_value = ".")]
    path: PathBuf,
    /// Name of the app. Default: the folder's name.
    #[arg(long, value_name = "NAME")]
    app: Option<String>,
    /// What is written: `cloudstation.hcl`, or `cloudstation.yaml` with a spec of kind Workload.
    #[arg(long, value_enum, default_value = "hcl")]
    to: Target,
    /// Builder: csdocker, nixpacks, railpack. Default: what the folder asks for.
    #[arg(long, value_name = "BUILDER")]
    builder: Option<Builder>,
    /// Name of the image with its registry. Default: the image stays in the engine of this machine.
    #[arg(long, value_name = "NAME")]
    image: Option<String>,
    /// Tag of the image. Default: `latest`.
    #[arg(long, value_name = "TAG")]
    tag: Option<String>,
    /// Port that the app listens at, 1 to 65535. Default: what the Dockerfile exposes; else seen when it is built.
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,
    /// Ask nothing.
    #[arg(short, long, env = "CS_NON_INTERACTIVE", value_parser = clap::builder::FalseyValueParser::new(), action = clap::ArgAction::SetTrue)]
    yes: bool,
    /// Print what would be written, and end.
    #[arg(long)]
    dry_run: bool,
    /// How the result is written.
    #[arg(short, long, value_enum, default_value = "text")]
    output: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Target {
    /// A project file.
    Hcl,
    /// A spec of kind Workload.
    Spec,
}

/// What a folder looks like.
struct Seen {
    found: Detected,
    builder: Builder,
    language: Option<&'static str>,
    port: Option<u16>,
}

pub(super) fn run(context: &Context, arguments: Arguments) -> u8 {
    init(context, arguments).unwrap_or_else(|code| code)
}

fn init(context: &Context, mut arguments: Arguments) -> Result<u8, u8> {
    let folder = std::fs::canonicalize(&arguments.path).map_err(|error| {
        exit::usage(
            format!("cannot use folder {}: {error}", arguments.path.display()),
            "give the folder of the project with --path",
        )
    })?;
    let here = arguments.path.strip_prefix(".");
    let file = here.unwrap_or(&arguments.path).join(match arguments.to {
        Target::Hcl => project::FILE,
        Target::Spec => "cloudstation.yaml",
    });
    let seen = look(&folder, arguments.builder)?;
    if file.exists() && !arguments.dry_run {
        return Ok(left(&file, &arguments, &seen));
    }
    let asks = !arguments.yes
        && !arguments.dry_run
        && arguments.output == Format::Text
        && confirm::can_ask();
    let name = name(&folder, &mut arguments, &seen, asks)?;
    let text = match arguments.to {
        Target::Hcl => of_hcl(&name, &arguments, &seen),
        Target::Spec => of_spec(&name, &arguments, &seen, &context.environment),
    };
    check(&text, &file, arguments.to)?;
    if !arguments.dry_run && !write(&file, &text)? {
        return Ok(left(&file, &arguments, &seen));
    }
    let outcome = if arguments.dry_run {
        "planned"
    } else {
        "written"
    };
    let report = InitReport {
        file: &file.display().to_string(),
        app: &name,
        language: seen.language,
        signals: &seen.found.signals,
        builder: seen.builder.as_str(),
        port: arguments.port.or(seen.port),
        content: Some(&text),
    };
    match arguments.output {
        Format::Json => output::json(&report.line(outcome)),
        Format::Text if arguments.dry_run => output::data(&text),
        Format::Text => {
            output::line(&format!("{} written", file.display()));
            exit::note(&format!(
                "{}; next: `cs up` builds, deploys and watches it",
                described(&seen)
            ));
        }
    }
    Ok(0)
}

fn described(seen: &Seen) -> String {
    let language = seen.language.unwrap_or("no language that is known");
    match &seen.found.dockerfile {
        Some(dockerfile) => format!("found {dockerfile}, built by {}", seen.builder),
        None => format!("found {language}, built by {}", seen.builder),
    }
}

/// The file that is there stays as it is.
fn left(file: &Path, arguments: &Arguments, seen: &Seen) -> u8 {
    match arguments.output {
        Format::Json => {
            let report = InitReport {
                file: &file.display().to_string(),
                app: arguments.app.as_deref().unwrap_or_default(),
                language: seen.language,
                signals: &seen.found.signals,
                builder: seen.builder.as_str(),
                port: arguments.port.or(seen.port),
                content: None,
            };
            output::json(&report.line("exists"));
        }
        Format::Text => exit::note(&format!(
            "{} is there already and stays as it is",
            file.display()
        )),
    }
    0
}

fn look(folder: &Path, named: Option<Builder>) -> Result<Seen, u8> {
    let found = detect::detect(folder).map_err(|error| {
        let text = format!("cannot look into {}: {error}", folder.display());
        exit::usage(text, "give the folder of the project with --path")
    })?;
    let chain = detect::chain(named, found.dockerfile.is_some());
    let exposed = found.dockerfile.as_ref().and_then(|name| {
        use std::io::Read as _;
        let mut text = String::new();
        let file = std::fs::File::open(folder.join(name)).ok()?;
        file.take(MOST_BYTES).read_to_string(&mut text).ok()?;
        Dockerfile::parse(&text).exposed.first().copied()
    });
    Ok(Seen {
        builder: chain.first().copied().unwrap_or(Builder::CsDocker),
        language: found.signals.iter().find_map(|signal| language(signal)),
        port: exposed,
        found,
    })
}

/// The language that a file tells of.
fn language(signal: &str) -> Option<&'static str> {
    Some(match signal {
        "go.mod" | "go.work" => "Go",
        "package.json" => "Node.js",
        "requirements.txt" | "pyproject.toml" | "Pipfile" => "Python",
        "Gemfile" => "Ruby",
        "Cargo.toml" => "Rust",
        "pom.xml" | "build.gradle" => "Java",
        "composer.json" => "PHP",
        "mix.exs" => "Elixir",
        _ => return None,
    })
}

/// The app's name, asked for with the rest where there is somebody to ask.
fn name(folder: &Path, arguments: &mut Arguments, seen: &Seen, asks: bool) -> Result<String, u8> {
    let proposed = match &arguments.app {
        Some(name) => name.clone(),
        None => super::project::load::name_of(folder),
    };
    let name = if asks && arguments.app.is_none() {
        ask("Name of the app", &proposed)?
    } else {
        proposed
    };
    if asks && arguments.port.is_none() {
        let proposed = seen.port.map(|port| port.to_string());
        let answer = ask(
            "Port that it listens at (empty: seen when it is built)",
            proposed.as_deref().unwrap_or_default(),
        )?;
        if !answer.is_empty() {
            let port = answer.parse().ok().filter(|port| *port > 0);
            arguments.port =
                Some(port.ok_or_else(|| exit::usage("a port is a number from 1 to 65535", ""))?);
        }
    }
    if asks && arguments.image.is_none() {
        let answer = ask(
            "Image with its registry, e.g. registry.example.com/team/shop (empty: it stays on this machine)",
            "",
        )?;
        arguments.image = Some(answer).filter(|answer| !answer.is_empty());
    }
    let is_name = |name: &str| {
        !name.is_empty()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    if !is_name(&name) {
        return Err(exit::usage(
            "app name must contain only alphanumeric characters, hyphens, and underscores",
            "give another one with --app",
        ));
    }
    Ok(name)
}

/// Asks on the terminal. Enter takes what is proposed.
fn ask(question: &str, proposed: &str) -> Result<String, u8> {
    let hint = if proposed.is_empty() {
        String::new()
    } else {
        format!(" [{proposed}]")
    };
    output::talk(&format!("{question}{hint}: "));
    let mut line = String::new();
    let read = std::io::stdin().lock().read_line(&mut line);
    match read {
        Ok(0) | Err(_) => Err(exit::usage(
            "there was no answer",
            "give --yes to be asked nothing",
        )),
        Ok(_) => {
            let answer = line.trim();
            Ok(if answer.is_empty() { proposed } else { answer }.to_owned())
        }
    }
}

/// A name that brings its tag along.
fn parted(image: &str) -> (String, Option<String>) {
    match image.rsplit_once(':') {
        // A colon before a slash belongs to a port.
        Some((stem, tag)) if !tag.contains('/') => (stem.to_owned(), Some(tag.to_owned())),
        _ => (image.to_owned(), None),
    }
}

fn of_hcl(name: &str, arguments: &Arguments, seen: &Seen) -> String {
    let parted = arguments.image.as_deref().map(parted);
    let (image, tag) = match parted {
        Some((image, tag)) => (Some(image), tag),
        None => (None, None),
    };
    let dockerfile = seen.found.dockerfile.clone();
    let given = Starter {
        name: name.to_owned(),
        builder: seen.builder.as_str(),
        dockerfile: dockerfile
            .filter(|file| file != "Dockerfile" && seen.builder == Builder::CsDocker),
        image,
        tag: arguments.tag.clone().or(tag),
        port: arguments.port.or(seen.port),
    };
    format!(
        "# Build, deploy and watch it: `cs up`. Every field: docs/local.md.\n{}",
        starter(&given)
    )
}

fn of_spec(name: &str, arguments: &Arguments, seen: &Seen, environment: &Environment) -> String {
    let parted = arguments.image.as_deref().map(parted);
    let (image, tag) = match parted {
        Some((image, tag)) => (Some(image), tag),
        None => (None, None),
    };
    let port = arguments.port.or(seen.port);
    let workload = Workload {
        api_version: ApiVersion::V1,
        kind: WorkloadKind::Workload,
        metadata: Metadata {
            name: name.to_owned(),
            ..Metadata::default()
        },
        spec: WorkloadSpec {
            replicas: Some(1),
            source: Source {
                path: Some(".".to_owned()),
                ..Source::default()
            },
            build: Some(Build {
                builder: Some(seen.builder.as_str().to_owned()),
                push: image.is_none().then(|| Push {
                    disabled: true,
                    ..Push::default()
                }),
                image,
                tag: arguments.tag.clone().or(tag),
                ..Build::default()
            }),
            resources: Resources {
                cpu: Some(200),
                memory: Some(256),
                ..Resources::default()
            },
            service: Service {
                provider: environment
                    .service_provider()
                    .ok()
                    .filter(|provider| *provider != Default::default()),
                ..Service::default()
            },
            detect_ports: port.is_none(),
            ports: port
                .map(|port| Port {
                    port,
                    protocol: Some(PortProtocol::Http),
                    ..Port::default()
                })
                .into_iter()
                .collect(),
            ..WorkloadSpec::default()
        },
    };
    format!(
        "# Build, deploy and watch it: `cs up`. Every field: `cs explain workload`.\n{}",
        to_yaml(&workload)
    )
}

/// Reads the file back as every other command will.
fn check(text: &str, file: &Path, to: Target) -> Result<(), u8> {
    let shown = file.display().to_string();
    let findings = match to {
        Target::Spec => crate::spec::parse(&shown, text).err(),
        Target::Hcl => {
            let input = Input {
                name: &shown,
                text,
                flags: &[],
                variable_files: &[],
                environment: &|_| None,
                read: &|_| Err("no file is named".to_owned()),
                options: &ConvertOptions::default(),
            };
            project::read(&input).err()
        }
    };
    match findings {
        None => Ok(()),
        Some(findings) => {
            findings.iter().for_each(exit::finding);
            Err(3)
        }
    }
}

/// Writes the file unless there is one; whether it did.
fn write(file: &Path, text: &str) -> Result<bool, u8> {
    let written = std::fs::File::options()
        .write(true)
        .create_new(true)
        .open(file)
        .and_then(|mut file| file.write_all(text.as_bytes()));
    match written {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(exit::usage(
            format!("cannot write {}: {error}", file.display()),
            "choose a folder that you may write to with --path",
        )),
    }
}
