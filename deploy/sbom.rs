//! What is in the static binary: `sbom cyclonedx TARGET` and `sbom licenses TARGET`, on standard output.
//!
//! Made by `deploy/release`, with the standard library alone, so that it costs a compiler call and no dependencies. The crates
//! are those that Cargo links into `cs` for the target: no build scripts, no macros, nothing of the tests. Beside them stand
//! the C sources that two of them carry. The same sources give the same bytes: no time, no serial number, no path.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let made = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["cyclonedx", target] => Inventory::read(Path::new("."), target).map(|all| all.cyclonedx()),
        ["licenses", target] => {
            Inventory::read(Path::new("."), target).and_then(|all| all.licenses())
        }
        _ => Err("usage: sbom cyclonedx|licenses TARGET".to_owned()),
    };
    match made {
        Ok(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("sbom: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Name and version; sorts as people expect.
type Id = (String, String);

/// A crate, or C sources that a crate carries.
pub(crate) struct Part {
    pub(crate) license: String,
    pub(crate) repository: String,
    /// SHA-256 of the crate as it was downloaded; none for those of this repository and for C sources.
    pub(crate) checksum: Option<String>,
    pub(crate) purl: String,
    /// Where its licence texts are.
    folder: PathBuf,
    pub(crate) needs: BTreeSet<Id>,
}

/// Everything that is linked into `cs`, and `cs` itself.
pub(crate) struct Inventory {
    pub(crate) root: Id,
    pub(crate) parts: BTreeMap<Id, Part>,
}

impl Inventory {
    /// Asks Cargo. `repository`: where `Cargo.toml` is.
    ///
    /// # Errors
    /// Cargo fails, or a crate's sources are not where Cargo keeps them: in words.
    pub(crate) fn read(repository: &Path, target: &str) -> Result<Self, String> {
        let output = Command::new("cargo")
            .args(["tree", "--locked", "--package", "cs", "--target", target])
            .args(["--edges", "normal,no-proc-macro", "--prefix", "depth"])
            .args(["--format", "{p}|{l}|{r}"])
            .current_dir(repository)
            .output()
            .map_err(|error| format!("cargo tree: {error}"))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(format!("cargo tree: {said}"));
        }
        let lock = std::fs::read_to_string(repository.join("Cargo.lock"))
            .map_err(|error| format!("Cargo.lock: {error}"))?;
        let tree = String::from_utf8_lossy(&output.stdout);
        let mut inventory = Self::of(&tree, &checksums(&lock))?;
        inventory.add_c_sources()?;
        Ok(inventory)
    }

    fn of(tree: &str, checksums: &BTreeMap<Id, String>) -> Result<Self, String> {
        let mut parts = BTreeMap::<Id, Part>::new();
        // The crates from the root down to the line before.
        let mut above: Vec<Id> = Vec::new();
        for line in tree.lines().filter(|line| !line.is_empty()) {
            let (depth, id, license, repository) =
                crate_of(line).ok_or_else(|| format!("a line of cargo tree: `{line}`"))?;
            above.truncate(depth);
            if let Some(user) = above.last() {
                let user = parts.get_mut(user).expect("it stood above");
                user.needs.insert(id.clone());
            }
            if !parts.contains_key(&id) {
                let checksum = checksums.get(&id).cloned();
                // What was not downloaded stands in this repository.
                let folder = match checksum {
                    None => PathBuf::from("."),
                    Some(_) => sources(&id)?,
                };
                let part = Part {
                    license: license.replace('/', " OR "),
                    repository: repository.to_owned(),
                    checksum,
                    purl: format!("pkg:cargo/{}@{}", id.0, id.1.replace('+', "%2B")),
                    folder,
                    needs: BTreeSet::new(),
                };
                parts.insert(id.clone(), part);
            }
            above.push(id);
        }
        let root = above.first().cloned().ok_or("cargo tree is empty")?;
        Ok(Self { root, parts })
    }

    /// libgit2 and SQLite come inside of crates that call them by other licences.
    fn add_c_sources(&mut self) -> Result<(), String> {
        let users: Vec<Id> = self.parts.keys().cloned().collect();
        for user in users {
            let folder = self.parts[&user].folder.clone();
            let (name, version, license, repository, folder) = match user.0.as_str() {
                "libgit2-sys" => {
                    let version = user
                        .1
                        .split_once('+')
                        .map(|(_, version)| version.to_owned());
                    let license = "GPL-2.0-only WITH GCC-exception-2.0";
                    let home = "https://github.com/libgit2/libgit2";
                    ("libgit2", version, license, home, folder.join("libgit2"))
                }
                "libsqlite3-sys" => {
                    let folder = folder.join("sqlite3");
                    let version = sqlite_version(&folder.join("sqlite3.h"));
                    (
                        "sqlite",
                        version,
                        "blessing",
                        "https://sqlite.org/src",
                        folder,
                    )
                }
                _ => continue,
            };
            let version = version.ok_or_else(|| format!("no version of {name} in {user:?}"))?;
            let part = Part {
                license: license.to_owned(),
                repository: repository.to_owned(),
                checksum: None,
                purl: format!("pkg:generic/{name}@{version}"),
                folder,
                needs: BTreeSet::new(),
            };
            let id = (name.to_owned(), version);
            self.parts.insert(id.clone(), part);
            let user = self.parts.get_mut(&user).expect("taken from the map");
            user.needs.insert(id);
        }
        Ok(())
    }

    /// CycloneDX 1.5.
    #[must_use]
    pub(crate) fn cyclonedx(&self) -> String {
        let others = self.parts.keys().filter(|id| **id != self.root);
        let components = others.map(|id| self.component(id, "library")).collect();
        let dependencies = self.parts.values().map(|part| {
            let needs = part.needs.iter();
            let needs = needs.map(|id| text(&self.parts[id].purl)).collect();
            Json::Object(vec![
                ("ref", text(&part.purl)),
                ("dependsOn", Json::List(needs)),
            ])
        });
        let document = Json::Object(vec![
            (
                "$schema",
                text("http://cyclonedx.org/schema/bom-1.5.schema.json"),
            ),
            ("bomFormat", text("CycloneDX")),
            ("specVersion", text("1.5")),
            ("version", Json::Number(1)),
            (
                "metadata",
                Json::Object(vec![(
                    "component",
                    self.component(&self.root, "application"),
                )]),
            ),
            ("components", Json::List(components)),
            ("dependencies", Json::List(dependencies.collect())),
        ]);
        let mut written = String::new();
        document.write(&mut written, 0);
        written.push('\n');
        written
    }

    fn component(&self, id: &Id, kind: &str) -> Json {
        let part = &self.parts[id];
        let license = Json::Object(vec![("expression", text(&part.license))]);
        let mut members = vec![
            ("type", text(kind)),
            ("bom-ref", text(&part.purl)),
            ("name", text(&id.0)),
            ("version", text(&id.1)),
        ];
        if let Some(checksum) = &part.checksum {
            let hash = vec![("alg", text("SHA-256")), ("content", text(checksum))];
            members.push(("hashes", Json::List(vec![Json::Object(hash)])));
        }
        members.push(("licenses", Json::List(vec![license])));
        members.push(("purl", text(&part.purl)));
        if !part.repository.is_empty() {
            let reference = vec![("type", text("vcs")), ("url", text(&part.repository))];
            members.push((
                "externalReferences",
                Json::List(vec![Json::Object(reference)]),
            ));
        }
        Json::Object(members)
    }

    /// Names, expressions, and every licence text once with those that it covers.
    ///
    /// # Errors
    /// A file cannot be read.
    pub(crate) fn licenses(&self) -> Result<String, String> {
        let mut texts = BTreeMap::<String, Vec<String>>::new();
        let mut all = String::from(
            "cs is licensed under Apache-2.0. Linked into it are the parts below, Rust's standard library (MIT OR\n\
             Apache-2.0) and the C library musl (MIT). The texts follow the list; each stands once.\n\n",
        );
        for ((name, version), part) in &self.parts {
            let title = format!("{name} {version}");
            let files = license_files(&part.folder)?;
            let remark = if files.is_empty() && part.license != "blessing" {
                "  (its archive carries no text)"
            } else {
                ""
            };
            let _ = writeln!(all, "{title}  {}{remark}", part.license);
            for file in files {
                let bytes =
                    std::fs::read(&file).map_err(|error| format!("{}: {error}", file.display()))?;
                let text = String::from_utf8_lossy(&bytes).replace('\r', "");
                texts
                    .entry(text.trim_end().to_owned())
                    .or_default()
                    .push(title.clone());
            }
        }
        let mut texts: Vec<(Vec<String>, String)> =
            texts.into_iter().map(|(text, of)| (of, text)).collect();
        texts.sort();
        for (of, text) in texts {
            let _ = write!(all, "\n{}\n{}\n\n{text}\n", "=".repeat(100), of.join(", "));
        }
        Ok(all)
    }
}

/// Depth, id, licence and repository of a line such as `2bytes v1.12.1|MIT|https://…`, perhaps with ` (*)` behind it.
fn crate_of(line: &str) -> Option<(usize, Id, &str, &str)> {
    let start = line.find(|letter: char| !letter.is_ascii_digit())?;
    let (depth, rest) = line.split_at(start);
    let mut fields = rest.trim_end_matches(" (*)").split('|');
    let mut words = fields.next()?.split(' ');
    let id = (
        words.next()?.to_owned(),
        words.next()?.strip_prefix('v')?.to_owned(),
    );
    Some((depth.parse().ok()?, id, fields.next()?, fields.next()?))
}

/// Checksums of all downloaded packages of a `Cargo.lock`.
fn checksums(lock: &str) -> BTreeMap<Id, String> {
    let packages = lock.split("[[package]]").skip(1);
    let value = |package: &str, name: &str| {
        let mut lines = package.lines();
        let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(" = "))?;
        Some(value.trim_matches('"').to_owned())
    };
    packages
        .filter_map(|package| {
            let id = (value(package, "name")?, value(package, "version")?);
            Some((id, value(package, "checksum")?))
        })
        .collect()
}

/// Where Cargo keeps the sources of a crate.
fn sources((name, version): &Id) -> Result<PathBuf, String> {
    let home = match (std::env::var_os("CARGO_HOME"), std::env::var_os("HOME")) {
        (Some(home), _) => PathBuf::from(home),
        (None, Some(home)) => PathBuf::from(home).join(".cargo"),
        (None, None) => return Err("neither CARGO_HOME nor HOME is set".to_owned()),
    };
    let registries = home.join("registry/src");
    let list = std::fs::read_dir(&registries)
        .map_err(|error| format!("{}: {error}", registries.display()))?;
    list.flatten()
        .map(|registry| registry.path().join(format!("{name}-{version}")))
        .find(|folder| folder.is_dir())
        .ok_or_else(|| {
            format!(
                "the sources of {name} {version} are not in {}",
                registries.display()
            )
        })
}

fn sqlite_version(header: &Path) -> Option<String> {
    let header = std::fs::read_to_string(header).ok()?;
    let line = header
        .lines()
        .find(|line| line.starts_with("#define SQLITE_VERSION "))?;
    Some(line.split('"').nth(1)?.to_owned())
}

/// Files of a folder that licences and notices are called by.
fn license_files(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let list =
        std::fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut files: Vec<PathBuf> = list
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| {
            path.is_file()
                && path
                    .file_name()
                    .is_some_and(|name| is_license(&name.to_string_lossy()))
        })
        .collect();
    files.sort();
    Ok(files)
}

fn is_license(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    let known = [
        "LICENSE",
        "LICENCE",
        "COPYING",
        "COPYRIGHT",
        "NOTICE",
        "UNLICENSE",
    ];
    known.iter().any(|known| name.starts_with(known)) && !name.ends_with(".TOML")
}

enum Json {
    Text(String),
    Number(u32),
    List(Vec<Json>),
    Object(Vec<(&'static str, Json)>),
}

fn text(text: &str) -> Json {
    Json::Text(text.to_owned())
}

impl Json {
    fn write(&self, to: &mut String, depth: usize) {
        match self {
            Self::Text(text) => quote(text, to),
            Self::Number(number) => {
                let _ = write!(to, "{number}");
            }
            Self::List(items) => {
                let items = items.iter().map(|item| (None, item));
                Self::block(items.collect(), ['[', ']'], to, depth);
            }
            Self::Object(members) => {
                let members = members.iter().map(|(name, value)| (Some(*name), value));
                Self::block(members.collect(), ['{', '}'], to, depth);
            }
        }
    }

    fn block(
        items: Vec<(Option<&str>, &Self)>,
        [open, close]: [char; 2],
        to: &mut String,
        depth: usize,
    ) {
        to.push(open);
        for (number, (name, item)) in items.iter().enumerate() {
            let comma = if number == 0 { "" } else { "," };
            let _ = write!(to, "{comma}\n{:1$}", "", depth + 1);
            if let Some(name) = name {
                quote(name, to);
                to.push_str(": ");
            }
            item.write(to, depth + 1);
        }
        if !items.is_empty() {
            let _ = write!(to, "\n{:depth$}", "");
        }
        to.push(close);
    }
}

fn quote(text: &str, to: &mut String) {
    to.push('"');
    for letter in text.chars() {
        match letter {
            '"' | '\\' => {
                to.push('\\');
                to.push(letter);
            }
            '\0'..='\u{1f}' => {
                let _ = write!(to, "\\u{:04x}", u32::from(letter));
            }
            _ => to.push(letter),
        }
    }
    to.push('"');
}
