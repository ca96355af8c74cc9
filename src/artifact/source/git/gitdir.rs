//! The directory that would be `.git`: enough of it for any program that reads repositories, and no credentials.

use std::fmt::Write as _;
use std::path::Path;

use super::fault::Fault;
use super::refs::Resolved;
use super::tree::Commit;

const HEADS: &str = "refs/heads/";

/// Makes the directory with its empty parts.
pub(super) fn create(git_dir: &Path) -> Result<(), Fault> {
    for part in [
        "",
        "objects",
        "objects/info",
        "objects/pack",
        "info",
        "refs",
        "refs/heads",
        "refs/tags",
    ] {
        let path = git_dir.join(part);
        std::fs::create_dir(&path).map_err(Fault::disk(&path))?;
    }
    Ok(())
}

/// Writes what makes it a repository whose work tree is at `commit`. `is_shallow` when its parents are not there.
pub(super) fn finish(
    git_dir: &Path,
    resolved: &Resolved,
    commit: &Commit,
    is_shallow: bool,
) -> Result<(), Fault> {
    let write = |name: &str, text: &str| {
        let path = git_dir.join(name);
        std::fs::write(&path, text).map_err(Fault::disk(&path))
    };
    let branch = resolved.name.strip_prefix(HEADS);
    if is_shallow {
        write("shallow", &format!("{}\n", commit.id))?;
    }
    write("packed-refs", &packed_refs(resolved, branch, commit))?;
    write("config", &config(resolved, branch))?;
    // Last: without it the directory is no repository.
    match branch {
        Some(branch) => write("HEAD", &format!("ref: {HEADS}{branch}\n")),
        None => write("HEAD", &format!("{}\n", commit.id)),
    }
}

fn packed_refs(resolved: &Resolved, branch: Option<&str>, commit: &Commit) -> String {
    let mut text = String::from("# pack-refs with: peeled fully-peeled sorted \n");
    if let Some(branch) = branch {
        for prefix in [HEADS, "refs/remotes/origin/"] {
            let _ = writeln!(text, "{} {prefix}{branch}", commit.id);
        }
    } else if resolved.name.starts_with("refs/") {
        let _ = writeln!(text, "{} {}", resolved.object, resolved.name);
        if resolved.object != commit.id {
            let _ = writeln!(text, "^{}", commit.id);
        }
    }
    text
}

fn config(resolved: &Resolved, branch: Option<&str>) -> String {
    let mut text = String::from(
        "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = false\n\tlogallrefupdates = true\n",
    );
    let address = quoted(resolved.remote.request().address().as_str());
    let _ = writeln!(text, "[remote \"origin\"]\n\turl = {address}");
    if let Some(branch) = branch {
        let refspec = quoted(&format!("+{HEADS}{branch}:refs/remotes/origin/{branch}"));
        let merge = quoted(&format!("{HEADS}{branch}"));
        let _ = writeln!(text, "\tfetch = {refspec}");
        let _ = writeln!(
            text,
            "[branch {}]\n\tremote = origin\n\tmerge = {merge}",
            quoted(branch)
        );
    }
    text
}

/// A value as Git's configuration writes it. Control characters cannot occur: neither in an address nor in a name.
fn quoted(value: &str) -> String {
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}
