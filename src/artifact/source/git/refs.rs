//! What a name stands for at the server, chosen as `git clone --branch` does.

use git2::Oid;

use super::address::GitRequest;
use super::error::GitError;
use super::packets::Packets;
use super::remote::Remote;
use super::wire::Abilities;
use crate::artifact::source::Limits;

/// Branches that an error names.
const NAMED_BRANCHES: usize = 5;

const HEADS: &str = "refs/heads/";
const TAGS: &str = "refs/tags/";

/// The branch that a repository shows first.
const HEAD: &str = "HEAD";

/// A revision that the server has, and the way to it.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// The commit's 40 hexadecimal digits. For a commit that is asked for by hash it is not known yet whether the server
    /// has it.
    pub commit: String,
    /// `refs/heads/main`, `refs/tags/v1`, or the commit's hash where no name was asked for.
    pub name: String,
    /// The commit, or the tag that leads to it.
    pub(super) object: Oid,
    pub(super) remote: Remote,
    pub(super) abilities: Abilities,
}

pub(super) async fn resolve(request: &GitRequest, limits: &Limits) -> Result<Resolved, GitError> {
    let mut remote = Remote::new(request, limits)?;
    let mut search = Search::new(request.revision());
    let abilities = advertised(&mut remote, &mut search).await?;
    if !abilities.has_sha1() {
        return Err(GitError::Sha256 {
            repository: remote.repository(),
        });
    }
    if abilities.is_v2 {
        list(&remote, &abilities, &search.prefixes(), &mut search).await?;
    }
    if let Some(choice) = search.choice() {
        return Ok(Resolved {
            commit: choice.commit.to_string(),
            object: choice.object,
            name: choice.name,
            remote,
            abilities,
        });
    }
    if abilities.is_v2 {
        // Only to say what there is instead.
        let all = [HEADS.to_owned(), TAGS.to_owned()];
        list(&remote, &abilities, &all, &mut search).await?;
    }
    Err(search.nothing(remote.repository()))
}

/// Reads the first answer: abilities, and in the old protocol all references.
async fn advertised(remote: &mut Remote, search: &mut Search) -> Result<Abilities, GitError> {
    let mut packets = remote.discover().await?;
    let mut line = text(remote, &mut packets).await?;
    if line
        .as_deref()
        .is_some_and(|line| line.starts_with("# service="))
    {
        // An empty frame closes the announcement.
        text(remote, &mut packets).await?;
        line = text(remote, &mut packets).await?;
    }
    match line.as_deref() {
        Some("version 2") => {
            let mut abilities = Abilities::v2();
            while let Some(line) = text(remote, &mut packets).await? {
                abilities.see(&line);
            }
            return Ok(abilities);
        }
        Some("version 1") => line = text(remote, &mut packets).await?,
        _ => {}
    }
    let mut abilities = Abilities::default();
    while let Some(text_line) = line {
        let (reference, list) = text_line.split_once('\0').unwrap_or((&text_line, ""));
        list.split(' ').for_each(|ability| abilities.see(ability));
        // The length of an id tells the format before an ability does.
        if abilities.has_sha1() {
            search.read(remote, reference)?;
        }
        line = text(remote, &mut packets).await?;
    }
    Ok(abilities)
}

async fn list(
    remote: &Remote,
    abilities: &Abilities,
    prefixes: &[String],
    search: &mut Search,
) -> Result<(), GitError> {
    let mut packets = remote.post(abilities.list(prefixes)).await?;
    while let Some(line) = text(remote, &mut packets).await? {
        search.read(remote, &line)?;
    }
    Ok(())
}

async fn text(remote: &Remote, packets: &mut Packets) -> Result<Option<String>, GitError> {
    let Some(line) = packets.line().await? else {
        return Ok(None);
    };
    match line.strip_prefix(b"ERR ") {
        Some(message) => Err(remote.refusal(message)),
        // Names of references may be in any encoding; one that is not UTF-8 is not the one that is looked for.
        None => Ok(Some(String::from_utf8_lossy(&line).into_owned())),
    }
}

/// What a revision turned out to be.
#[derive(Debug, PartialEq, Eq)]
struct Choice {
    commit: Oid,
    object: Oid,
    name: String,
}

/// A reference that carries the wanted name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Match {
    object: Oid,
    /// What an annotated tag stands for.
    peeled: Option<Oid>,
}

/// Goes through references one by one and keeps what may be needed.
#[derive(Debug)]
struct Search {
    revision: String,
    /// Full names that the revision may stand for, the best one first, each with what was found.
    candidates: Vec<(String, Option<Match>)>,
    /// The first few branches.
    branches: Vec<String>,
    is_empty: bool,
}

impl Search {
    fn new(revision: &str) -> Self {
        let names = if revision.starts_with("refs/") || revision == HEAD {
            vec![revision.to_owned()]
        } else {
            vec![format!("{HEADS}{revision}"), format!("{TAGS}{revision}")]
        };
        Self {
            revision: revision.to_owned(),
            candidates: names.into_iter().map(|name| (name, None)).collect(),
            branches: Vec::new(),
            is_empty: true,
        }
    }

    fn prefixes(&self) -> Vec<String> {
        self.candidates
            .iter()
            .map(|(name, _)| name.clone())
            .collect()
    }

    /// Reads `<id> <name>[ peeled:<id>][ …]`, or `<id> <name>^{}` for what the tag before it stands for.
    fn read(&mut self, remote: &Remote, line: &str) -> Result<(), GitError> {
        if line.starts_with("shallow ") {
            // The server's own copy has no whole history either.
            return Ok(());
        }
        let mut words = line.split(' ');
        let (Some(id), Some(name)) = (words.next().and_then(full_id), words.next()) else {
            return Err(remote.malformed("its list of branches and tags cannot be read"));
        };
        let peeled = words
            .filter_map(|word| word.strip_prefix("peeled:"))
            .find_map(full_id);
        match name.strip_suffix("^{}") {
            // How the old protocol carries abilities without a reference.
            Some("capabilities") => {}
            Some(tag) => self.peel(tag, id),
            None => self.see(name, id, peeled),
        }
        Ok(())
    }

    fn see(&mut self, name: &str, object: Oid, peeled: Option<Oid>) {
        self.is_empty = false;
        if let Some(branch) = name.strip_prefix(HEADS)
            && self.branches.len() < NAMED_BRANCHES
        {
            self.branches.push(branch.to_owned());
        }
        if let Some((_, found)) = self.candidates.iter_mut().find(|(own, _)| own == name) {
            *found = Some(Match { object, peeled });
        }
    }

    fn peel(&mut self, tag: &str, id: Oid) {
        let own = self.candidates.iter_mut().find(|(own, _)| own == tag);
        if let Some((_, Some(found))) = own {
            found.peeled = Some(id);
        }
    }

    fn choice(&self) -> Option<Choice> {
        let named = self.candidates.iter().find_map(|(name, found)| {
            let found = found.as_ref()?;
            Some(Choice {
                commit: found.peeled.unwrap_or(found.object),
                object: found.object,
                name: name.clone(),
            })
        });
        named.or_else(|| {
            let commit = full_id(&self.revision)?;
            Some(Choice {
                commit,
                object: commit,
                name: commit.to_string(),
            })
        })
    }

    fn nothing(self, repository: String) -> GitError {
        let is_short_hash = (7..40).contains(&self.revision.len())
            && self.revision.bytes().all(|byte| byte.is_ascii_hexdigit());
        if self.is_empty {
            GitError::Empty { repository }
        } else if is_short_hash {
            GitError::ShortCommit {
                repository,
                revision: self.revision,
            }
        } else {
            GitError::NoSuchRevision {
                repository,
                revision: self.revision,
                branches: self.branches,
            }
        }
    }
}

/// Exactly 40 hexadecimal digits.
fn full_id(text: &str) -> Option<Oid> {
    (text.len() == 40)
        .then(|| Oid::from_str(text).ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(digit: char) -> Oid {
        full_id(&digit.to_string().repeat(40)).unwrap()
    }

    fn search(revision: &str, references: &[(&str, Oid, Option<Oid>)]) -> Search {
        let mut search = Search::new(revision);
        for (name, object, peeled) in references {
            search.see(name, *object, *peeled);
        }
        search
    }

    fn chosen(revision: &str, references: &[(&str, Oid, Option<Oid>)]) -> Option<(String, Oid)> {
        let choice = search(revision, references).choice()?;
        Some((choice.name, choice.commit))
    }

    #[test]
    fn head_is_what_the_repository_shows_first() {
        let all = [
            ("HEAD", id('1'), None),
            ("refs/heads/main", id('1'), None),
            ("refs/heads/HEAD", id('2'), None),
        ];
        assert_eq!(chosen("HEAD", &all), Some(("HEAD".into(), id('1'))));
    }

    #[test]
    fn a_branch_comes_before_a_tag_and_a_full_name_before_both() {
        let all = [
            ("refs/tags/x", id('2'), Some(id('3'))),
            ("refs/heads/x", id('1'), None),
            ("refs/heads/xy", id('4'), None),
        ];
        assert_eq!(chosen("x", &all), Some(("refs/heads/x".into(), id('1'))));
        assert_eq!(
            chosen("refs/tags/x", &all),
            Some(("refs/tags/x".into(), id('3')))
        );
        assert_eq!(
            chosen("x", &all[..1]),
            Some(("refs/tags/x".into(), id('3')))
        );
        assert_eq!(chosen("y", &all), None);
    }

    #[test]
    fn a_hash_is_a_commit_unless_a_branch_is_called_so() {
        let hash = "A".repeat(40);
        let name = format!("refs/heads/{hash}");
        let lower = hash.to_lowercase();
        assert_eq!(chosen(&hash, &[]), Some((lower, id('a'))));
        let branch = [(name.as_str(), id('1'), None)];
        assert_eq!(chosen(&hash, &branch), Some((name.clone(), id('1'))));
    }

    #[test]
    fn the_old_protocol_peels_a_tag_in_a_line_of_its_own() {
        let mut search = search("v1", &[("refs/tags/v1", id('1'), None)]);
        search.peel("refs/tags/v1", id('2'));
        search.peel("refs/tags/v10", id('3'));
        let choice = search.choice().unwrap();
        assert_eq!((choice.object, choice.commit), (id('1'), id('2')));
    }

    #[test]
    fn what_is_not_there_is_answered_with_what_is() {
        let names: Vec<String> = (0..9).map(|n| format!("refs/heads/b{n}")).collect();
        let all: Vec<_> = names
            .iter()
            .map(|name| (name.as_str(), id('1'), None))
            .collect();
        let text = |revision, all| search(revision, all).nothing("R".to_owned()).to_string();
        assert_eq!(
            text("main", &all),
            "Git repository `R` has no branch or tag `main`; it has `b0`, `b1`, `b2`, `b3`, `b4`"
        );
        assert!(text("deadbeef", &all).contains("give all 40 characters"));
        assert!(text("main", &[]).contains("is empty"));
    }
}
