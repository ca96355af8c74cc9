//! The blocks of a job specification: their arguments, the blocks inside them, and the member of the job that each becomes.
//!
//! Members that begin with `@` are no members of a job: [`super::decode`] or [`super::normalize`] turns them into some.
//!
//! Source: the `hcl` tags in Nomad's package `api`.

mod connect;
mod group;
mod job;
mod service;
mod task;

pub(super) use group::{AFFINITY, CONSTRAINT, GROUP, TASK_SCALING};
pub(super) use job::JOB;

/// A kind of block.
pub(super) struct Block {
    /// The one label that it has, as messages name it, and the member that it becomes.
    pub(super) label: Option<(&'static str, &'static str)>,
    /// Arguments that must be there.
    pub(super) required: &'static [&'static str],
    /// Arguments.
    pub(super) arguments: &'static [Argument],
    /// Blocks inside: name, member, what it holds.
    pub(super) blocks: &'static [(&'static str, &'static str, Nested)],
}

/// An argument of a block.
pub(super) struct Argument {
    pub(super) name: &'static str,
    pub(super) member: &'static str,
    pub(super) kind: Kind,
    /// `null` is as good as nothing. Written `null` in the tables.
    pub(super) nullable: bool,
}

/// What an argument holds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Flag,
    /// A whole number.
    Whole,
    /// −128 to 127.
    Small,
    /// 0 to 255.
    Byte,
    /// 0 to 65535.
    Port,
    /// A whole number that is not negative.
    Count,
    /// A length of time: text as Go writes it, or a number of nanoseconds.
    Span,
    Texts,
    /// A list of numbers from 0 to 65535.
    Ports,
    /// Texts under keys that users choose.
    Labels,
}

/// What a block inside a block becomes.
pub(super) enum Nested {
    /// An object. A second one is an error.
    One(&'static Block),
    /// An entry of a list.
    Many(&'static Block),
    /// An object under the name that its label gives.
    Named(&'static Block),
    /// Texts under keys that users choose.
    Labels,
    /// As `Labels`; it may also be written as an argument.
    Mapping,
    /// Lists of texts under keys that users choose.
    Headers,
    /// Anything.
    Free,
}

macro_rules! block {
    ($block:ident $(, label $shown:literal $label:literal)? $(, required [$($required:literal),*])?,
     arguments { $($name:literal => $member:literal $kind:ident $($null:ident)?,)* }
     blocks { $($inner:literal => $into:literal $nested:ident $((&$of:ident))?,)* }
    ) => {
        pub(in crate::simulator::jobspec) static $block: Block = Block {
            label: block!(@label $($shown $label)?),
            required: &[$($($required),*)?],
            arguments: &[$(Argument {
                name: $name,
                member: $member,
                kind: Kind::$kind,
                nullable: block!(@null $($null)?),
            }),*],
            blocks: &[$(($inner, $into, Nested::$nested $((&$of))?)),*],
        };
    };
    (@label) => { None };
    (@label $shown:literal $label:literal) => { Some(($shown, $label)) };
    (@null) => { false };
    (@null null) => { true };
}
use block;
