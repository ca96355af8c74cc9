use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::ZlibEncoder;
use git2::{ObjectType, Oid};
use sha1_smol::Sha1;
use tempfile::TempDir;
use tokio::sync::mpsc::channel;
use tokio_util::sync::CancellationToken;

use super::super::progress::Progress;
use super::*;

/// A pack that is made by hand.
struct Pack {
    bytes: Vec<u8>,
    count: u32,
}

impl Pack {
    fn new() -> Self {
        Self {
            bytes: Vec::new(),
            count: 0,
        }
    }

    /// Appends an entry; `before` stands between its header and its data. Returns where it begins.
    fn entry(&mut self, kind: u8, before: &[u8], size: usize, data: &[u8]) -> u64 {
        let offset = 12 + self.bytes.len() as u64;
        let mut byte = (kind << 4) | (size & 0x0f) as u8;
        let mut rest = size >> 4;
        while rest > 0 {
            self.bytes.push(byte | 0x80);
            byte = (rest & 0x7f) as u8;
            rest >>= 7;
        }
        self.bytes.push(byte);
        self.bytes.extend_from_slice(before);
        let mut zlib = ZlibEncoder::new(&mut self.bytes, Compression::fast());
        zlib.write_all(data).unwrap();
        zlib.finish().unwrap();
        self.count += 1;
        offset
    }

    fn blob(&mut self, data: &[u8]) -> u64 {
        self.entry(3, &[], data.len(), data)
    }

    /// A difference to the object with this id, told by `delta`.
    fn by_name(&mut self, base: Oid, delta: &[u8]) -> u64 {
        self.entry(7, base.as_bytes(), delta.len(), delta)
    }

    /// A difference to the object that begins at `base`, less than 128 bytes before.
    fn by_offset(&mut self, base: u64, delta: &[u8]) -> u64 {
        let back = 12 + self.bytes.len() as u64 - base;
        let back = u8::try_from(back).unwrap();
        assert!(back < 0x80);
        self.entry(6, &[back], delta.len(), delta)
    }

    fn finish(&self) -> Vec<u8> {
        let mut pack = b"PACK\0\0\0\x02".to_vec();
        pack.extend_from_slice(&self.count.to_be_bytes());
        pack.extend_from_slice(&self.bytes);
        let sum = Sha1::from(&pack).digest().bytes();
        pack.extend_from_slice(&sum);
        pack
    }
}

/// A difference that makes `base` with `tail` behind it. Both are short.
fn appended(base: &[u8], tail: &[u8]) -> Vec<u8> {
    let length = |bytes: &[u8]| u8::try_from(bytes.len()).unwrap();
    let mut delta = vec![length(base), length(base) + length(tail)];
    delta.extend_from_slice(&[0x90, length(base), length(tail)]);
    delta.extend_from_slice(tail);
    delta
}

fn id(data: &[u8]) -> Oid {
    Oid::hash_object(ObjectType::Blob, data).unwrap()
}

fn unpacked_within(
    pack: &[u8],
    piece: usize,
    bounds: &Bounds,
) -> Result<(TempDir, Objects), Fault> {
    let home = tempfile::tempdir().unwrap();
    let halt = CancellationToken::new();
    let pieces = pack.chunks(piece).map(Bytes::copy_from_slice);
    let (sender, receiver) = channel(pack.len() / piece + 1);
    pieces.for_each(|piece| sender.try_send(piece).unwrap());
    drop(sender);
    let spool = Spool::new(home.path().join("spool"), halt.clone())?;
    let path = home.path().join("pack");
    let incoming = Incoming::new(receiver, path, Arc::new(Progress::default()), halt)?;
    unpack(incoming, spool, bounds).map(|objects| (home, objects))
}

fn unpacked(pack: &[u8]) -> Result<(TempDir, Objects), Fault> {
    let bounds = Bounds {
        objects: 100,
        entries: 100,
        bytes: 100 << 20,
        unpacked_bytes: 100 << 20,
    };
    unpacked_within(pack, 7, &bounds)
}

fn refused(pack: &[u8]) -> String {
    match unpacked(pack) {
        Ok(_) => "accepted".to_owned(),
        Err(fault) => format!("{fault:?}"),
    }
}

fn read(objects: &mut Objects, data: &[u8]) -> Vec<u8> {
    let place = objects.find(id(data)).expect("the object is there");
    let mut bytes = Vec::new();
    let mut reader = objects.content(place).unwrap().reader(0).unwrap();
    reader.read_to_end(&mut bytes).unwrap();
    bytes
}

#[test]
fn objects_are_found_by_their_id_however_they_are_told() {
    let mut pack = Pack::new();
    let base = pack.blob(b"one");
    let second = pack.by_offset(base, &appended(b"one", b" two"));
    pack.by_offset(second, &appended(b"one two", b" three"));
    pack.by_name(id(b"one two"), &appended(b"one two", b" four"));
    let (_home, mut objects) = unpacked(&pack.finish()).unwrap();
    for data in [&b"one"[..], b"one two", b"one two three", b"one two four"] {
        assert_eq!(read(&mut objects, data), data);
        let place = objects.find(id(data)).unwrap();
        assert_eq!(objects.entry(place).kind, Kind::Blob);
        assert_eq!(objects.entry(place).size, data.len() as u64);
    }
    assert_eq!(objects.find(id(b"five")), None);
}

#[test]
fn a_base_may_come_after_what_is_told_by_it() {
    let mut pack = Pack::new();
    let third = pack.by_name(id(b"one two"), &appended(b"one two", b" three"));
    pack.by_offset(third, &appended(b"one two three", b" four"));
    pack.by_name(id(b"one"), &appended(b"one", b" two"));
    pack.blob(b"one");
    let (_home, mut objects) = unpacked(&pack.finish()).unwrap();
    let last = b"one two three four";
    assert_eq!(read(&mut objects, last), last);
}

#[test]
fn large_objects_and_differences_to_them_are_read_through_files() {
    let size = usize::try_from(IN_MEMORY).unwrap() + 100;
    let large: Vec<u8> = (0..size).map(|n| (n % 251) as u8).collect();
    let mut delta = Vec::new();
    for mut number in [size, size + 1] {
        while number >= 0x80 {
            delta.push((number & 0x7f) as u8 | 0x80);
            number >>= 7;
        }
        delta.push(number as u8);
    }
    // The first byte, a new one, the rest in pieces of at most 16 MiB.
    delta.extend_from_slice(&[0x90, 1, 1, b'!']);
    let rest = u32::try_from(size - 1).unwrap().to_le_bytes();
    delta.extend_from_slice(&[0xf1, 1, rest[0], rest[1], rest[2]]);
    let mut pack = Pack::new();
    pack.blob(&large);
    pack.by_name(id(&large), &delta);
    let (_home, mut objects) = unpacked(&pack.finish()).unwrap();
    let mut made = large.clone();
    made.insert(1, b'!');
    assert!(read(&mut objects, &made) == made);
    let place = objects.find(id(&made)).unwrap();
    assert!(matches!(objects.content(place).unwrap(), Content::File(_)));
}

#[test]
fn a_pack_that_ends_early_is_told_from_a_damaged_one() {
    let mut pack = Pack::new();
    pack.blob(b"some content");
    let whole = pack.finish();
    assert!(unpacked(&whole).is_ok());
    for length in 0..whole.len() {
        assert_eq!(refused(&whole[..length]), "Truncated", "{length}");
    }
}

#[test]
fn no_damaged_byte_goes_unnoticed() {
    let mut pack = Pack::new();
    let base = pack.blob(b"some content");
    pack.by_offset(base, &appended(b"some content", b" and more"));
    let whole = pack.finish();
    for at in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x55;
        assert_ne!(refused(&damaged), "accepted", "{at}");
    }
}

#[test]
fn forged_packs_are_refused() {
    let refusal = |make: &dyn Fn(&mut Pack)| {
        let mut pack = Pack::new();
        make(&mut pack);
        refused(&pack.finish())
    };
    for (why, make) in [
        (
            "longer than announced",
            &(|pack: &mut Pack| {
                pack.entry(3, &[], 2, b"abc");
            }) as &dyn Fn(&mut Pack),
        ),
        ("shorter than announced", &|pack| {
            pack.entry(3, &[], 4, b"abc");
        }),
        ("unknown kind", &|pack| {
            pack.entry(5, &[], 3, b"abc");
        }),
        ("a difference has no base", &|pack| {
            pack.entry(6, &[5], 3, b"abc");
        }),
        ("the base of a difference is missing", &|pack| {
            pack.by_name(id(b"x"), &appended(b"x", b"y"));
        }),
        ("makes no sense", &|pack| {
            pack.blob(b"one");
            pack.by_name(id(b"one"), &appended(b"ones", b"y"));
        }),
        ("impossible size", &|pack| {
            pack.bytes.extend_from_slice(&[0xff; 12]);
            pack.count += 1;
        }),
    ] {
        let text = refusal(make);
        assert!(text.contains(why), "{why}: {text}");
    }
    let mut more = Pack::new();
    more.blob(b"one");
    let mut followed = more.finish();
    followed.push(0);
    assert!(refused(&followed).contains("something follows"));
}

#[test]
fn packs_beyond_the_bounds_are_refused_before_they_are_read() {
    let mut pack = Pack::new();
    (0..5_u8).for_each(|n| {
        pack.blob(&[n; 1000]);
    });
    let bounds = |objects, bytes| Bounds {
        objects,
        entries: 3,
        bytes,
        unpacked_bytes: 4,
    };
    let pack = pack.finish();
    let within = |objects, bytes| unpacked_within(&pack, 100, &bounds(objects, bytes)).map(|_| ());
    assert!(within(5, 5000).is_ok());
    assert!(matches!(within(4, 5000), Err(Fault::TooMany { limit: 3 })));
    assert!(matches!(within(5, 4999), Err(Fault::TooLarge { limit: 4 })));
}

#[test]
fn the_index_is_one_that_libgit2_reads() {
    let mut pack = Pack::new();
    let base = pack.blob(b"one");
    pack.by_offset(base, &appended(b"one", b" two"));
    let (home, objects) = unpacked(&pack.finish()).unwrap();
    let packs = home.path().join("objects/pack");
    std::fs::create_dir_all(&packs).unwrap();
    let name = packs.join(format!("pack-{}", objects.name()));
    write_index(&objects, &name.with_extension("idx")).unwrap();
    std::fs::copy(home.path().join("pack"), name.with_extension("pack")).unwrap();
    let odb = git2::Odb::new().unwrap();
    odb.add_disk_alternate(path(&home.path().join("objects")))
        .unwrap();
    assert_eq!(odb.read(id(b"one two")).unwrap().data(), b"one two");
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}
