//! Differences: an object told as copies from another one and new bytes in between.

use std::io::{self, BufRead};

use super::super::fault::Fault;
use super::objects::Base;

const WRONG: Fault = Fault::Corrupt("a difference between objects makes no sense");

/// A number, seven bits a byte, the lowest first.
pub(super) fn varint(from: &mut impl BufRead) -> Result<u64, Fault> {
    let mut value = 0;
    for shift in (0..56).step_by(7) {
        let byte = byte(from)?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(WRONG)
}

/// Makes the object that `delta` tells from `base`; it must come out with `size` bytes.
pub(super) fn apply(
    base: &Base<'_>,
    delta: &mut impl BufRead,
    size: u64,
    mut write: impl FnMut(&[u8]) -> Result<(), Fault>,
) -> Result<(), Fault> {
    if varint(delta)? != base.len() || varint(delta)? != size {
        return Err(WRONG);
    }
    let mut left = size;
    while left > 0 {
        let command = byte(delta)?;
        if command & 0x80 != 0 {
            let (offset, count) = copy(command, delta)?;
            left = left.checked_sub(count).ok_or(WRONG)?;
            // Both fit into 32 bits.
            if offset + count > base.len() {
                return Err(WRONG);
            }
            base.pieces(offset, count, &mut write)?;
        } else if command > 0 {
            left = left.checked_sub(command.into()).ok_or(WRONG)?;
            let mut new = [0; 0x7f];
            let new = &mut new[..usize::from(command)];
            delta.read_exact(new).map_err(unreadable)?;
            write(new)?;
        } else {
            return Err(WRONG);
        }
    }
    match delta.fill_buf().map_err(unreadable)? {
        [] => Ok(()),
        _ => Err(WRONG),
    }
}

/// Where to copy from and how much: the command's bits tell which bytes of the two follow.
fn copy(command: u8, delta: &mut impl BufRead) -> Result<(u64, u64), Fault> {
    let mut number = |bits: std::ops::Range<u32>| {
        let mut value = 0;
        for (place, bit) in bits.enumerate() {
            if command & (1 << bit) != 0 {
                value |= u64::from(byte(delta)?) << (8 * place);
            }
        }
        Ok(value)
    };
    let offset = number(0..4)?;
    let count = match number(4..7)? {
        0 => 0x10000,
        count => count,
    };
    Ok((offset, count))
}

fn byte(from: &mut impl BufRead) -> Result<u8, Fault> {
    let mut byte = [0];
    from.read_exact(&mut byte).map_err(unreadable)?;
    Ok(byte[0])
}

/// The pack lies on disk whole and its objects were decompressed once: what fails now is the difference itself, or the
/// disk.
fn unreadable(error: io::Error) -> Fault {
    match error.kind() {
        io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => {
            WRONG
        }
        _ => Fault::Disk {
            path: "objects/pack".into(),
            source: error,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(base: &[u8], delta: &[u8], size: u64) -> Option<Vec<u8>> {
        let mut made = Vec::new();
        let mut delta = delta;
        apply(&Base::Memory(base), &mut delta, size, |piece| {
            made.extend_from_slice(piece);
            Ok(())
        })
        .ok()
        .map(|()| made)
    }

    #[test]
    fn copies_and_new_bytes_make_an_object() {
        // Copy 3 bytes from offset 2, then "xy", then 1 byte from the beginning.
        let delta = [8, 6, 0x91, 2, 3, 2, b'x', b'y', 0x90, 1];
        assert_eq!(applied(b"abcdefgh", &delta, 6).unwrap(), b"cdexya");
    }

    #[test]
    fn a_copy_without_a_length_is_64_kib() {
        let base = vec![7; 0x10000];
        let delta = [0x80, 0x80, 4, 0x80, 0x80, 4, 0x80];
        assert_eq!(applied(&base, &delta, 0x10000).unwrap(), base);
    }

    #[test]
    fn differences_that_make_no_sense_are_refused() {
        for (what, delta, size) in [
            ("another base", &[9, 1, 1, b'x'][..], 1),
            ("another size", &[8, 2, 1, b'x'], 1),
            ("beyond the base", &[8, 4, 0x91, 6, 4], 4),
            ("longer than announced", &[8, 1, 0x90, 2], 1),
            ("an end too early", &[8, 2, 1, b'x'], 2),
            ("new bytes that are missing", &[8, 2, 2, b'x'], 2),
            ("the reserved command", &[8, 1, 0], 1),
            ("something behind the end", &[8, 1, 1, b'x', 1], 1),
            ("an endless number", &[0xff; 12], 1),
            ("nothing", &[], 1),
        ] {
            assert_eq!(applied(b"abcdefgh", delta, size), None, "{what}");
        }
    }
}
