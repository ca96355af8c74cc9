//! Inputs from inputs: bytes, words and trees are changed, repeated, nested and mixed. The same number gives the same input.

use cs::simulator::world::Random;

use super::json;
use super::targets::Target;

/// Longest input.
pub(super) const LONGEST: usize = 32 << 10;

/// Numbers at which readers stumble.
const NUMBERS: &[&str] = &[
    "0",
    "-1",
    "1",
    "255",
    "65536",
    "2147483648",
    "-9223372036854775808",
    "18446744073709551616",
    "1e400",
    "0.1",
    "1e-9",
    "00",
    "0x10",
];

/// Pieces of text at which readers stumble.
const TEXTS: &[&str] = &[
    "",
    "\0",
    "\u{feff}",
    "\u{202e}",
    "\r\n",
    "\u{85}",
    "${",
    "%{",
    "{{",
    "}}",
    "\"",
    "'",
    "\\",
    "/",
    "..",
    "~",
    "#",
    "😀",
    "e\u{301}",
    "\u{1b}[2J",
];

/// A number below a bound.
pub(super) fn below(random: &mut Random, bound: usize) -> usize {
    let bound = u64::try_from(bound.max(1)).expect("small");
    usize::try_from(random.number() % bound).expect("small")
}

pub(super) fn pick<'a, T: ?Sized>(random: &mut Random, from: &[&'a T]) -> &'a T {
    from[below(random, from.len())]
}

/// The mutation of this number.
pub(super) fn mutation(target: &Target, inputs: &[Vec<u8>], number: u64) -> Vec<u8> {
    let mut random = Random::new(number ^ super::seeds::hash(target.name.as_bytes()));
    let mut input = inputs[below(&mut random, inputs.len())].clone();
    for _ in 0..=below(&mut random, 5) {
        let other = &inputs[below(&mut random, inputs.len())];
        change(&mut random, &mut input, other, target.words);
        input.truncate(LONGEST);
    }
    input
}

fn change(random: &mut Random, input: &mut Vec<u8>, other: &[u8], words: &[&str]) {
    match below(random, 12) {
        0 => flip(random, input),
        1 => drop(input.drain(range(random, input.len()))),
        2 => repeat(random, input),
        3 | 4 => {
            let word = pick(random, words);
            insert(random, input, word.as_bytes());
        }
        5 => {
            let text = pick(random, TEXTS);
            insert(random, input, text.as_bytes());
        }
        6 => number(random, input),
        7 => mix(random, input, other),
        8 => words_swapped(random, input),
        9 => nest(random, input, words),
        _ => tree(random, input, other),
    }
}

/// A range, short ones more often.
fn range(random: &mut Random, length: usize) -> std::ops::Range<usize> {
    let from = below(random, length + 1);
    let most = (length - from).min(1 << below(random, 10));
    from..from + below(random, most + 1)
}

fn insert(random: &mut Random, input: &mut Vec<u8>, what: &[u8]) {
    let at = below(random, input.len() + 1);
    input.splice(at..at, what.iter().copied());
}

fn flip(random: &mut Random, input: &mut [u8]) {
    for _ in 0..=below(random, 4) {
        let at = below(random, input.len());
        if let Some(byte) = input.get_mut(at) {
            *byte ^= 1 << below(random, 8);
        }
    }
}

fn repeat(random: &mut Random, input: &mut Vec<u8>) {
    let range = range(random, input.len());
    let piece = input[range.clone()].to_vec();
    let times = 1 << below(random, 8);
    let room = LONGEST.saturating_sub(input.len());
    let many: Vec<u8> = piece
        .iter()
        .copied()
        .cycle()
        .take((piece.len() * times).min(room))
        .collect();
    input.splice(range.end..range.end, many);
}

/// The same opening many times, as deep as it goes.
fn nest(random: &mut Random, input: &mut Vec<u8>, words: &[&str]) {
    let openings = [
        "[", "{", "(", "{\"a\":", "- ", "-", "!", "[[", "{a: ", "not ", "a(", "<<",
    ];
    let opening = if below(random, 3) == 0 {
        pick(random, words)
    } else {
        pick(random, &openings)
    };
    let times = 1 << below(random, 13);
    let many = opening.repeat(times.min(LONGEST / 2 / opening.len().max(1)));
    insert(random, input, many.as_bytes());
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')
}

/// Where words stand.
fn words_of(input: &[u8]) -> Vec<std::ops::Range<usize>> {
    let mut found = Vec::new();
    let mut from = None;
    for (at, byte) in input.iter().chain(std::iter::once(&b' ')).enumerate() {
        match (is_word(*byte), from) {
            (true, None) => from = Some(at),
            (false, Some(start)) => {
                found.push(start..at);
                from = None;
            }
            _ => {}
        }
    }
    found
}

fn words_swapped(random: &mut Random, input: &mut Vec<u8>) {
    let words = words_of(input);
    if words.is_empty() {
        return;
    }
    let one = words[below(random, words.len())].clone();
    let other = input[words[below(random, words.len())].clone()].to_vec();
    input.splice(one, other);
}

fn number(random: &mut Random, input: &mut Vec<u8>) {
    let words = words_of(input);
    let numbers: Vec<_> = words
        .into_iter()
        .filter(|word| input[word.start].is_ascii_digit())
        .collect();
    let number = pick(random, NUMBERS);
    match numbers.is_empty() {
        true => insert(random, input, number.as_bytes()),
        false => drop(input.splice(
            numbers[below(random, numbers.len())].clone(),
            number.bytes(),
        )),
    }
}

fn mix(random: &mut Random, input: &mut Vec<u8>, other: &[u8]) {
    let at = below(random, input.len() + 1);
    let from = below(random, other.len() + 1);
    input.truncate(at);
    input.extend_from_slice(&other[from..]);
}

/// Changes JSON as JSON: whatever stands before the first bracket stays.
fn tree(random: &mut Random, input: &mut Vec<u8>, other: &[u8]) {
    let Some(at) = input.iter().position(|byte| matches!(byte, b'{' | b'[')) else {
        return words_swapped(random, input);
    };
    let donor = other
        .iter()
        .position(|byte| matches!(byte, b'{' | b'['))
        .and_then(|at| serde_json::from_slice(&other[at..]).ok());
    match serde_json::from_slice(&input[at..]) {
        Ok(mut value) => {
            json::change(random, &mut value, donor.as_ref());
            input.truncate(at);
            input.extend_from_slice(value.to_string().as_bytes());
        }
        Err(_) => words_swapped(random, input),
    }
}
