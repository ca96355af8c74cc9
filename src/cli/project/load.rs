//! From a folder to its apps.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::hcl::of_hcl;
use super::{BuildArgs, ProjectArgs};
use crate::cli::{Context, exit};
use crate::clients::chain;
use crate::config::Environment;
use crate::manifests::{self, Request};
use crate::project::{self, Deploy};
use crate::secret::Secret;
use crate::spec::workload::{
    ApiVersion, Build, Metadata, Push, Source, WorkloadKind, WorkloadSpec,
};
use crate::spec::{Document, Resource, Workload, parse};

/// Longest text of a file that a project names.
pub(super) const MOST_BYTES: u64 = 4 << 20;

/// An app that can be built and deployed.
pub(in crate::cli) struct App {
    /// Its name for people.
    pub(in crate::cli) name: String,
    /// What is built and what runs.
    pub(in crate::cli) document: Document,
    /// What deploying it means.
    pub(in crate::cli) deploy: Deploy,
    /// Folder that `source.path` is relative to; absolute, without links.
    pub(in crate::cli) folder: PathBuf,
    /// Values of references to credentials.
    pub(in crate::cli) secrets: BTreeMap<&'static str, Secret>,
}

impl App {
    pub(in crate::cli) fn workload(&self) -> &Workload {
        self.document
            .workload()
            .expect("apps are made of workloads only")
    }
}

/// A project as commands use it.
pub(in crate::cli) struct Loaded {
    /// Name of the project; of specs there is none.
    pub(in crate::cli) name: Option<String>,
    pub(in crate::cli) apps: Vec<App>,
    pub(in crate::cli) environment: Environment,
    /// The environment with the values of what the jobs' environments refer to, for them alone.
    pub(in crate::cli) references: Environment,
    /// Everything that must not be shown.
    pub(in crate::cli) secrets: Vec<Secret>,
}

impl ProjectArgs {
    /// Reads the project. What is wrong has been printed.
    ///
    /// # Errors
    /// The exit code.
    pub(in crate::cli) fn load(&self, context: &Context) -> Result<Loaded, u8> {
        let folder = self.folder()?;
        let file = match &self.file {
            // As it was given: relative to where the command runs.
            Some(file) => Some(file.clone()),
            None => Some(self.shown().join(project::FILE)).filter(|file| file.is_file()),
        };
        let mut loaded = match file {
            Some(file) if is_hcl(&file) => of_hcl(context, &file, &self.variables)?,
            Some(file) => self.of_specs(context, &[file.display().to_string()])?,
            None => self.of_folder(context, &folder)?,
        };
        self.choose(&mut loaded)?;
        Ok(loaded)
    }

    /// The folder as the files in it are shown: nothing for the one that the command runs in.
    fn shown(&self) -> &Path {
        self.path.strip_prefix(".").unwrap_or(&self.path)
    }

    fn folder(&self) -> Result<PathBuf, u8> {
        let folder = std::fs::canonicalize(&self.path);
        let folder = folder.map_err(|error| {
            exit::usage(
                format!("cannot use folder {}: {error}", self.path.display()),
                "give the folder of the project with --path",
            )
        })?;
        if !folder.is_dir() {
            let text = format!("{} is no folder", self.path.display());
            return Err(exit::usage(text, "name a file with --file"));
        }
        Ok(folder)
    }

    /// Specs at the top of the folder; without any, the folder itself is the app.
    fn of_folder(&self, context: &Context, folder: &Path) -> Result<Loaded, u8> {
        let entries = std::fs::read_dir(folder).map_err(|error| {
            exit::usage(format!("cannot read {}: {error}", folder.display()), "")
        })?;
        let mut names: Vec<String> = entries
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|name| !name.starts_with('.'))
            .filter(|name| name.ends_with(".yaml") || name.ends_with(".yml"))
            .collect();
        names.sort();
        let specs: Vec<String> = names
            .into_iter()
            .map(|name| self.shown().join(name))
            .filter(|path| may_hold_spec(path))
            .map(|path| path.display().to_string())
            .collect();
        if specs.is_empty() {
            return Ok(self.of_flags(context, folder));
        }
        self.of_specs(context, &specs)
    }

    fn of_specs(&self, context: &Context, files: &[String]) -> Result<Loaded, u8> {
        let var = &self.variables.var;
        let request = Request::new(
            files,
            var,
            self.variables.var_file.clone(),
            &context.environment,
        );
        let stop = tokio_util::sync::CancellationToken::new();
        let loaded = request
            .and_then(|request| manifests::load_local(&request, &stop))
            .map_err(|error| {
                exit::complain(&chain(&error), error.help());
                error.exit_code()
            })?;
        let loaded = crate::cli::sources::without_findings(loaded)?;
        let mut apps = Vec::new();
        for manifest in loaded.manifests {
            let document = manifest.document;
            let Some(workload) = document.workload() else {
                exit::warn(&format!(
                    "{}: nothing is built of a job in Nomad's own words; `cs apply` deploys it",
                    document.file()
                ));
                continue;
            };
            let file = Path::new(document.file());
            let folder = file.parent().filter(|folder| *folder != Path::new(""));
            let folder = std::fs::canonicalize(folder.unwrap_or(Path::new(".")));
            apps.push(App {
                name: workload.metadata.name.clone(),
                folder: folder.map_err(|error| exit::usage(error, ""))?,
                deploy: Deploy::Job {
                    image: None,
                    is_platform: false,
                },
                secrets: BTreeMap::new(),
                document,
            });
        }
        if apps.is_empty() {
            return Err(exit::usage(
                "there is nothing to build: no spec of kind Workload",
                "write one, or a `cloudstation.hcl`: `cs init`",
            ));
        }
        Ok(Loaded {
            name: None,
            apps,
            environment: context.environment.clone(),
            references: context.environment.clone(),
            secrets: Vec::new(),
        })
    }

    /// The folder as an app of its own.
    fn of_flags(&self, context: &Context, folder: &Path) -> Loaded {
        let name = match &self.app {
            Some(app) => app.to_string(),
            None => name_of(folder),
        };
        let workload = Workload {
            api_version: ApiVersion::V1,
            kind: WorkloadKind::Workload,
            metadata: Metadata {
                name: name.clone(),
                ..Metadata::default()
            },
            spec: WorkloadSpec {
                source: Source {
                    path: Some(".".to_owned()),
                    ..Source::default()
                },
                build: Some(Build::default()),
                detect_ports: true,
                service: crate::spec::workload::Service {
                    provider: context.environment.service_provider().ok(),
                    ..Default::default()
                },
                ..WorkloadSpec::default()
            },
        };
        Loaded {
            name: None,
            apps: vec![App {
                document: document_of(&workload, &self.path),
                name,
                deploy: Deploy::Job {
                    image: None,
                    is_platform: false,
                },
                folder: folder.to_owned(),
                secrets: BTreeMap::new(),
            }],
            environment: context.environment.clone(),
            references: context.environment.clone(),
            secrets: Vec::new(),
        }
    }

    /// Keeps the app that was named.
    fn choose(&self, loaded: &mut Loaded) -> Result<(), u8> {
        let Some(wanted) = &self.app else {
            return Ok(());
        };
        let names: Vec<String> = loaded.apps.iter().map(|app| app.name.clone()).collect();
        loaded.apps.retain(|app| app.name == wanted.as_str());
        if loaded.apps.is_empty() {
            let known = names.iter().map(String::as_str);
            let help = match crate::spec::suggest::closest(wanted.as_str(), known) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("known are {}", names.join(", ")),
            };
            return Err(exit::usage(
                format!("the project has no app `{wanted}`"),
                &help,
            ));
        }
        Ok(())
    }
}

/// The folder's name as a job may be called.
pub(in crate::cli) fn name_of(folder: &Path) -> String {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let mut clean = String::new();
    for c in name.chars() {
        if c.is_ascii_alphanumeric() {
            clean.push(c.to_ascii_lowercase());
        } else if clean.ends_with(|last: char| last != '-') {
            clean.push('-');
        }
    }
    let clean = clean.trim_matches('-');
    if clean.is_empty() {
        "app".to_owned()
    } else {
        clean.to_owned()
    }
}

/// A document that nobody wrote: findings name the folder.
fn document_of(workload: &Workload, folder: &Path) -> Document {
    let text = crate::dispatch::to_yaml(workload);
    let documents = parse(&folder.display().to_string(), &text);
    let mut documents = documents.expect("what is written is read");
    documents.remove(0)
}

fn is_hcl(file: &Path) -> bool {
    file.extension().is_some_and(|ending| ending == "hcl")
}

/// Whether a file of YAML may be a spec: files of other tools stand in a project's folder as well.
fn may_hold_spec(path: &Path) -> bool {
    let text = std::fs::File::open(path).ok().and_then(|file| {
        use std::io::Read as _;
        let mut text = String::new();
        file.take(MOST_BYTES).read_to_string(&mut text).ok()?;
        Some(text)
    });
    text.is_some_and(|text| {
        text.contains(crate::spec::workload::API_VERSION) && text.contains("Workload")
    })
}

/// Changes how an app is built, as flags say. A ready `image` takes the place of building.
pub(in crate::cli) fn adjust(app: &mut App, build: &BuildArgs, name: Option<&str>) {
    let Resource::Workload(workload) = &mut app.document.resource else {
        return;
    };
    let spec = &mut workload.spec;
    if spec.source.image.is_some() {
        if build.builder.is_some() || build.tag.is_some() || name.is_some() {
            exit::warn(&format!(
                "{}: nothing is built of it, so what the flags say about building is not used",
                app.name
            ));
        }
        return;
    }
    let given = spec.build.get_or_insert_default();
    if build.builder.is_some() {
        given.builder.clone_from(&build.builder);
    }
    if build.tag.is_some() {
        given.tag.clone_from(&build.tag);
    }
    if let Some(name) = name {
        // The name says where it goes: a registry that the project names would go in front of it.
        given.image = Some(name.to_owned());
        let push = given.push.take().unwrap_or_default();
        given.push = Some(Push {
            disabled: false,
            registry: None,
            namespace: None,
            ..push
        });
        if build.tag.is_none() {
            given.tag = None;
        }
    }
}
