//! Files that are placed into the container, and volumes.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::environment::Environment;
use super::issues::Issues;
use super::text;
use crate::desired::{DesiredFile, DesiredVolume, defaults};
use crate::spec::path;
use crate::spec::workload::{File, JobType, WorkloadSpec};

pub(super) fn files(spec: &WorkloadSpec, issues: &mut Issues) -> Vec<DesiredFile> {
    spec.files
        .iter()
        .enumerate()
        .map(|(index, file)| desired_file(file, &path::element("spec.files", index), issues))
        .collect()
}

fn desired_file(file: &File, at: &str, issues: &mut Issues) -> DesiredFile {
    // Docker separates the two sides of a mount by a colon and has no way to write one in a path.
    let place = match text::relative_path(&file.path) {
        Ok(place) if place.contains(':') => Err("must not contain `:`"),
        other => other,
    };
    let place = place.unwrap_or_else(|rule| {
        issues.add("file-path", path::member(at, "path"), rule);
        file.path.clone()
    });
    DesiredFile {
        path: place,
        content: content(file, at, issues),
    }
}

fn content(file: &File, at: &str, issues: &mut Issues) -> Vec<u8> {
    match (&file.content, &file.content_base64) {
        (Some(_), Some(_)) => {
            issues.add(
                "file-content",
                at,
                "must not have both `content` and `contentBase64`",
            );
            Vec::new()
        }
        (Some(text), None) => text.clone().into_bytes(),
        (None, Some(encoded)) => {
            // Tools that encode break the lines.
            let encoded: String = encoded.split_ascii_whitespace().collect();
            STANDARD.decode(encoded).unwrap_or_else(|_| {
                issues.add("base64", path::member(at, "contentBase64"), "is not base64");
                Vec::new()
            })
        }
        (None, None) => Vec::new(),
    }
}

/// No two templates may write the same file. Source: Nomad, "Template 2 has same destination as 1".
pub(super) fn destinations(environment: &Environment, files: &[DesiredFile], issues: &mut Issues) {
    let vault = environment.vault.iter().flat_map(|vault| &vault.env);
    let mut taken: BTreeSet<String> = vault.map(|file| file.destination.clone()).collect();
    taken.extend(defaults::RESERVED_DESTINATIONS.map(str::to_owned));
    for (index, certificate) in environment.certificates.iter().enumerate() {
        let at = path::element("spec.certificates", index);
        for (name, given) in [
            ("certPath", &certificate.cert_path),
            ("keyPath", &certificate.key_path),
        ] {
            if let Ok(place) = text::relative_path(given)
                && !taken.insert(place)
            {
                let message = "another certificate, key or secret is written to the same file";
                issues.add("file-twice", path::member(&at, name), message);
            }
        }
    }
    for (index, file) in files.iter().enumerate() {
        if !taken.insert(format!("local/{}", file.path)) {
            let at = path::member(&path::element("spec.files", index), "path");
            issues.add("file-twice", at, "another file is written to the same path");
        }
    }
}

pub(super) fn volumes(spec: &WorkloadSpec, issues: &mut Issues) -> Vec<DesiredVolume> {
    // Source: Nomad, "volume cannot be per_alloc for system or sysbatch jobs".
    if !spec.volumes.is_empty() && matches!(spec.job_type, JobType::System | JobType::Sysbatch) {
        let message =
            "each allocation claims a volume of its own, which `system` and `sysbatch` cannot do";
        issues.add("volume-type", "spec.volumes", message);
    }
    let mut ids = BTreeSet::new();
    let mut mounts = BTreeSet::new();
    let mut desired = Vec::with_capacity(spec.volumes.len());
    for (index, volume) in spec.volumes.iter().enumerate() {
        let at = path::element("spec.volumes", index);
        let id = without_index(&volume.csi);
        text::check(
            issues,
            "volume-id",
            path::member(&at, "csi"),
            text::one_word(id),
        );
        if !ids.insert(id) {
            issues.add(
                "volume-twice",
                path::member(&at, "csi"),
                "this volume stands here a second time",
            );
        }
        let given = mount_points(&volume.mounts);
        for (number, mount) in given.iter().enumerate() {
            let at = path::element(&path::member(&at, "mounts"), number);
            text::check(issues, "mount", at.as_str(), mount_rule(mount));
            if !mounts.insert(mount.trim_end_matches('/').to_owned()) {
                issues.add(
                    "mount-twice",
                    at,
                    "something else is mounted at the same path",
                );
            }
        }
        desired.push(DesiredVolume {
            id: id.to_owned(),
            mounts: given,
        });
    }
    desired
}

fn mount_points(given: &[String]) -> Vec<String> {
    if given.is_empty() {
        vec![defaults::MOUNT.to_owned()]
    } else {
        given.to_vec()
    }
}

/// The id without an allocation's index (`vol_abc[0]`), which Nomad appends by itself.
fn without_index(id: &str) -> &str {
    id.strip_suffix(']')
        .and_then(|rest| rest.rsplit_once('['))
        .filter(|(_, index)| !index.is_empty() && index.bytes().all(|b| b.is_ascii_digit()))
        .map_or(id, |(id, _)| id)
}

fn mount_rule(mount: &str) -> Option<&'static str> {
    text::one_line(mount)
        .or_else(|| (!mount.starts_with('/')).then_some("must be an absolute path"))
        .or_else(|| {
            let mut parts = mount.split('/').filter(|part| !part.is_empty()).peekable();
            if parts.peek().is_none() {
                return Some("must not be the root directory");
            }
            parts
                .any(|part| part == "..")
                .then_some("must not contain `..`")
        })
}
