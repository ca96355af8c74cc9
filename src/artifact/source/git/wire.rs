//! What is asked of a Git server, in the words of the protocol it speaks. Source: git, `protocol-v2` and `protocol-pack`.

use super::packets::{DELIMITER, FLUSH, frame};

const AGENT: &str = concat!("agent=cs/", env!("CARGO_PKG_VERSION"));

/// What a server can do, as far as it matters here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Abilities {
    /// Protocol version 2; otherwise 0 or 1, which differ in one line.
    pub(super) is_v2: bool,
    /// One commit can be had without its history.
    pub(super) shallow: bool,
    /// Pack and messages come in one stream. Always so in version 2.
    pub(super) sideband: bool,
    ofs_delta: bool,
    agent: bool,
    sha1: bool,
    /// Its objects have names that are not SHA-1.
    pub(super) is_other_format: bool,
}

impl Abilities {
    pub(super) fn v2() -> Self {
        Self {
            is_v2: true,
            sideband: true,
            ofs_delta: true,
            ..Self::default()
        }
    }

    /// Takes note of one: `name` or `name=value`.
    pub(super) fn see(&mut self, ability: &str) {
        let (name, value) = ability.split_once('=').unwrap_or((ability, ""));
        match name {
            "fetch" => self.shallow |= value.split(' ').any(|feature| feature == "shallow"),
            "shallow" => self.shallow = true,
            "side-band-64k" => self.sideband = true,
            "ofs-delta" => self.ofs_delta = true,
            "agent" => self.agent = true,
            "object-format" if value == "sha1" => self.sha1 = true,
            // A server that has several lists several.
            "object-format" => self.is_other_format = true,
            _ => {}
        }
    }

    pub(super) fn has_sha1(&self) -> bool {
        self.sha1 || !self.is_other_format
    }

    /// A request for the references that begin with one of `prefixes`. Version 2 alone has it.
    pub(super) fn list(&self, prefixes: &[String]) -> Vec<u8> {
        let mut body = self.command("ls-refs");
        body.push_str(&frame("peel\n"));
        for prefix in prefixes {
            body.push_str(&frame(&format!("ref-prefix {prefix}\n")));
        }
        body.push_str(FLUSH);
        body.into_bytes()
    }

    /// A request for an object and what it needs, without the history of a commit.
    pub(super) fn fetch(&self, object: &git2::Oid) -> Vec<u8> {
        if self.is_v2 {
            self.fetch_v2(object)
        } else {
            self.fetch_v0(object)
        }
    }

    fn fetch_v2(&self, object: &git2::Oid) -> Vec<u8> {
        let mut body = self.command("fetch");
        body.push_str(&frame("ofs-delta\n"));
        body.push_str(&frame(&format!("want {object}\n")));
        if self.shallow {
            body.push_str(&frame("deepen 1\n"));
        }
        body.push_str(&frame("done\n"));
        body.push_str(FLUSH);
        body.into_bytes()
    }

    fn fetch_v0(&self, object: &git2::Oid) -> Vec<u8> {
        let mut wanted = format!("want {object} side-band-64k");
        for (is_known, name) in [
            (self.ofs_delta, "ofs-delta"),
            (self.shallow, "shallow"),
            (self.sha1, "object-format=sha1"),
            (self.agent, AGENT),
        ] {
            if is_known {
                wanted.push(' ');
                wanted.push_str(name);
            }
        }
        let mut body = frame(&format!("{wanted}\n"));
        if self.shallow {
            body.push_str(&frame("deepen 1\n"));
        }
        body.push_str(FLUSH);
        body.push_str(&frame("done\n"));
        body.into_bytes()
    }

    fn command(&self, name: &str) -> String {
        let mut body = frame(&format!("command={name}\n"));
        if self.agent {
            body.push_str(&frame(&format!("{AGENT}\n")));
        }
        if self.sha1 {
            body.push_str(&frame("object-format=sha1\n"));
        }
        body.push_str(DELIMITER);
        body
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789012345678901234567890123456789";

    fn id() -> git2::Oid {
        git2::Oid::from_str(ID).unwrap()
    }

    #[test]
    fn a_server_is_asked_only_for_what_it_can_do() {
        let plain = String::from_utf8(Abilities::v2().fetch(&id())).unwrap();
        assert_eq!(
            plain,
            format!("0012command=fetch\n0001000eofs-delta\n0032want {ID}\n0009done\n0000")
        );
        let mut able = Abilities::v2();
        for ability in ["fetch=shallow filter", "agent=git/2", "object-format=sha1"] {
            able.see(ability);
        }
        let full = String::from_utf8(able.fetch(&id())).unwrap();
        assert!(
            full.contains("deepen 1\n") && full.contains(AGENT),
            "{full}"
        );
        assert!(full.contains("object-format=sha1\n0001"), "{full}");
    }

    #[test]
    fn the_old_protocol_names_its_abilities_behind_the_first_want() {
        let mut able = Abilities::default();
        for ability in ["shallow", "side-band-64k", "ofs-delta"] {
            able.see(ability);
        }
        assert!(able.sideband);
        assert_eq!(
            String::from_utf8(able.fetch(&id())).unwrap(),
            format!("0052want {ID} side-band-64k ofs-delta shallow\n000ddeepen 1\n00000009done\n")
        );
    }

    #[test]
    fn a_server_of_another_object_format_is_known_by_it() {
        let mut able = Abilities::v2();
        assert!(able.has_sha1());
        able.see("object-format=sha256");
        assert!(!able.has_sha1());
        able.see("object-format=sha1");
        assert!(able.has_sha1());
    }
}
