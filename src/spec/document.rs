//! One document, and where it was read from: problems that are found later are told with file, line and column.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use super::diagnostic::{Diagnostic, Severity};
use super::path;
use super::reader::place_of;
use super::resource::Resource;
use super::tree::{self, Node, Place, Value};
use super::workload::Workload;

/// One document of a file, or what an overlay made of several.
#[derive(Debug, Clone)]
pub struct Document {
    /// What it describes.
    pub resource: Resource,
    origin: Origin,
    places: OnceLock<BTreeMap<String, Place>>,
}

/// The text of a file, and what it is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct File {
    pub(crate) name: Arc<str>,
    pub(crate) text: Arc<str>,
}

/// Where a document was read from. Keeps the text instead of all places: they are needed only when something is wrong.
#[derive(Debug, Clone)]
enum Origin {
    /// The document of that number in a YAML file, empty ones not counted.
    Part { file: Arc<File>, number: usize },
    /// A file that as a whole describes a job in Nomad's own words. Every place is its beginning.
    Whole(Arc<File>),
    /// Files in another language than YAML; whoever read them knows the places.
    Read(Arc<[Arc<File>]>),
    /// Put together from several files; the places in the tree say which.
    Merged {
        files: Arc<[Arc<File>]>,
        root: Arc<Node<'static>>,
    },
}

/// A place in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Location<'d> {
    /// The file, as it is shown.
    pub file: &'d str,
    /// All of its text.
    pub text: &'d str,
    /// From 1; 0 when nothing is known.
    pub line: u64,
    /// In characters, from 1; 0 when nothing is known.
    pub column: u64,
}

impl Document {
    fn new(resource: Resource, origin: Origin) -> Self {
        Self {
            resource,
            origin,
            places: OnceLock::new(),
        }
    }

    pub(super) fn of_part(resource: Resource, file: Arc<File>, number: usize) -> Self {
        Self::new(resource, Origin::Part { file, number })
    }

    pub(super) fn merged(
        resource: Resource,
        files: Arc<[Arc<File>]>,
        root: Arc<Node<'static>>,
    ) -> Self {
        Self::new(resource, Origin::Merged { files, root })
    }

    /// A document that no YAML describes: the file itself is the job.
    pub(crate) fn of_whole(resource: Resource, file: Arc<File>) -> Self {
        Self::new(resource, Origin::Whole(file))
    }

    /// A document that was read from files in another language, the first of which it begins in. `places` says in which of
    /// them, on which line and in which column each path stands, all from 1 but the number of the file.
    pub(crate) fn of_places(
        resource: Resource,
        files: Arc<[Arc<File>]>,
        places: impl IntoIterator<Item = (String, (usize, u64, u64))>,
    ) -> Self {
        let narrow = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        let places = places.into_iter().map(|(path, (file, line, column))| {
            let place = Place {
                line: narrow(line),
                column: narrow(column),
                file: narrow(file as u64),
            };
            (path, place)
        });
        let document = Self::new(resource, Origin::Read(files));
        // A new document has no places yet.
        let _ = document.places.set(places.collect());
        document
    }

    /// The workload, when it is one.
    #[must_use]
    pub fn workload(&self) -> Option<&Workload> {
        match &self.resource {
            Resource::Workload(workload) => Some(workload),
            Resource::NomadJob(_) => None,
        }
    }

    /// The file it stands in, as it was named to [`parse()`](super::parse()). Of a document from an overlay, the file that
    /// it begins in; [`Document::location`] knows the file of each part.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.origin.file(self.beginning()).name
    }

    /// The text of [`Document::file`].
    #[must_use]
    pub fn text(&self) -> &str {
        &self.origin.file(self.beginning()).text
    }

    /// The file in which the file itself is the job.
    #[must_use]
    pub fn is_whole_file(&self) -> bool {
        matches!(self.origin, Origin::Whole(_))
    }

    /// Line and column of a path such as `spec.ports[1].check.timeout`, from 1. A path that the file does not have (a
    /// default, a missing field) is placed where its nearest part is.
    #[must_use]
    pub fn locate(&self, path: &str) -> (u64, u64) {
        let location = self.location(path);
        (location.line, location.column)
    }

    /// The same with the file, which differs from part to part in what an overlay made.
    #[must_use]
    pub fn location(&self, path: &str) -> Location<'_> {
        let place = self.place(path);
        let file = self.origin.file(place);
        Location {
            file: &file.name,
            text: &file.text,
            line: place.line.into(),
            column: place.column.into(),
        }
    }

    /// A finding about this document.
    #[must_use]
    pub fn diagnostic(
        &self,
        code: &'static str,
        path: &str,
        message: String,
        help: Option<String>,
    ) -> Diagnostic {
        let location = self.location(path);
        Diagnostic {
            file: location.file.to_owned(),
            line: location.line,
            column: location.column,
            code,
            severity: Severity::Error,
            path: path.to_owned(),
            message,
            help,
        }
    }

    fn place(&self, path: &str) -> Place {
        let places = self.places.get_or_init(|| self.origin.places());
        let mut path = Some(path);
        while let Some(step) = path {
            if let Some(place) = places.get(step) {
                return *place;
            }
            path = path::parent(step);
        }
        Place::default()
    }

    fn beginning(&self) -> Place {
        match &self.origin {
            Origin::Merged { root, .. } => root.place,
            _ => Place::default(),
        }
    }
}

impl Origin {
    fn file(&self, place: Place) -> &File {
        match self {
            Self::Part { file, .. } | Self::Whole(file) => file,
            Self::Merged { files, .. } | Self::Read(files) => usize::try_from(place.file)
                .ok()
                .and_then(|number| files.get(number))
                .expect("the places of a document are in its files"),
        }
    }

    fn places(&self) -> BTreeMap<String, Place> {
        let mut places = BTreeMap::new();
        let mut collect = |root: &Node<'_>| {
            places.insert(String::new(), root.place);
            collect_places(root, "", &mut places);
        };
        match self {
            Self::Part { file, number } => {
                let documents = tree::documents(&file.text).unwrap_or_default();
                documents.get(*number).into_iter().for_each(&mut collect);
            }
            Self::Merged { root, .. } => collect(root),
            // Whoever made the document gave the places.
            Self::Read(_) => {}
            Self::Whole(_) => {
                let beginning = Place {
                    line: 1,
                    column: 1,
                    file: 0,
                };
                places.insert(String::new(), beginning);
            }
        }
        places
    }
}

pub(super) fn collect_places(node: &Node<'_>, at: &str, places: &mut BTreeMap<String, Place>) {
    match &node.value {
        Value::List(nodes) => {
            for (index, node) in nodes.iter().enumerate() {
                let at = path::element(at, index);
                collect_places(node, &at, places);
                places.insert(at, node.place);
            }
        }
        Value::Map(members) => {
            for member in members {
                let at = path::member(at, &member.key);
                collect_places(&member.node, &at, places);
                places.insert(at, place_of(member));
            }
        }
        _ => {}
    }
}
