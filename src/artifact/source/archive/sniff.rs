//! What a file looks like by its first bytes, so that a person knows what went wrong.

/// Bytes that are enough for [`other_than_gzip`].
pub(super) const WANTED: usize = 512;

/// Beginnings of formats. Longer ones stand before shorter ones that they begin with.
const BEGINNINGS: [(&[u8], &str); 13] = [
    (b"PK\x03\x04", "a ZIP archive"),
    (b"PK\x05\x06", "an empty ZIP archive"),
    (b"BZh", "bzip2 data"),
    (b"\xfd7zXZ\0", "xz data"),
    (b"\x28\xb5\x2f\xfd", "zstd data"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"<!doctype html", "an HTML page"),
    (b"<html", "an HTML page"),
    (
        b"<?xml",
        "an XML document, perhaps an error message of the object store",
    ),
    (
        b"<error",
        "an XML document, perhaps an error message of the object store",
    ),
    (b"{", "a JSON document"),
    (b"#!", "a script"),
];

/// What it is, with its article, unless it is gzip data.
pub(super) fn other_than_gzip(start: &[u8]) -> Option<&'static str> {
    if start.starts_with(b"\x1f\x8b") {
        return None;
    }
    if start.is_empty() {
        return Some("nothing: the file is empty");
    }
    if start.get(257..262) == Some(b"ustar") {
        return Some("a plain tar archive: compress it with gzip");
    }
    let text = start
        .strip_prefix(b"\xef\xbb\xbf")
        .unwrap_or(start)
        .trim_ascii_start();
    let begins = |beginning: &[u8]| {
        text.get(..beginning.len())
            .is_some_and(|part| part.eq_ignore_ascii_case(beginning))
    };
    BEGINNINGS
        .iter()
        .find(|(beginning, _)| begins(beginning))
        .map(|(_, what)| *what)
        .or(Some("something else"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_told_apart() {
        let mut tar = vec![b'x'; 512];
        tar[257..262].copy_from_slice(b"ustar");
        for (start, what) in [
            (&b"\x1f\x8b\x08"[..], None),
            (b"", Some("nothing: the file is empty")),
            (&tar, Some("a plain tar archive: compress it with gzip")),
            (b"PK\x03\x04...", Some("a ZIP archive")),
            (b"\xef\xbb\xbf \n<!DOCTYPE HTML><p>", Some("an HTML page")),
            (b"<HTML>", Some("an HTML page")),
            (b"{\"error\": 1}", Some("a JSON document")),
            (b"\xfd7zXZ\0\0", Some("xz data")),
            (b"\x1f", Some("something else")),
            (b"hello", Some("something else")),
        ] {
            assert_eq!(other_than_gzip(start), what, "{start:?}");
        }
        let store = other_than_gzip(b"<?xml version=\"1.0\"?><Error>").unwrap();
        assert!(store.contains("object store"), "{store}");
    }
}
