//! Several writers, a world of variables in which everything goes wrong, and whoever looks at it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use proptest::prelude::*;

use super::*;
use crate::inventory::codec::tests::plain;
use crate::inventory::page::owner_of;
use crate::inventory::paths;
use crate::inventory::{Inventory, State};

/// Small pages: five entries fill one.
const ROOM: usize = 420;

fn entry(number: u64) -> Entry {
    Entry {
        index: ModifyIndex(number),
        created: number,
        state: State::Converged,
        ..plain()
    }
}

fn tree() -> Tree {
    Tree::new("web".parse().unwrap())
}

/// Nomad's variables.
#[derive(Default)]
struct World {
    variables: BTreeMap<VariablePath, (u64, Items)>,
    index: u64,
    /// Writes that were sent and not carried out yet.
    late: Vec<Call>,
    tags: Arc<AtomicU64>,
    reads: usize,
    writes: usize,
    /// Paths that the token may not write.
    barred: BTreeSet<VariablePath>,
}

impl World {
    fn carry_out(&mut self, call: &Call) -> Reply {
        match call {
            Call::Read(Place { path, .. }) | Call::Check(path) => {
                self.reads += 1;
                match self.variables.get(path) {
                    None => Reply::Absent,
                    Some((index, items)) => Reply::Found {
                        index: ModifyIndex(*index),
                        items: items.clone(),
                    },
                }
            }
            Call::Write { path, .. } if self.barred.contains(path) => Reply::Forbidden,
            Call::Write {
                path,
                items,
                expected,
            } => {
                self.writes += 1;
                if self.index_of(path) != expected.0 {
                    return Reply::Conflict;
                }
                self.index += 1;
                self.variables
                    .insert(path.clone(), (self.index, items.clone()));
                Reply::Written(ModifyIndex(self.index))
            }
            Call::Delete { path, expected } => {
                if self.index_of(path) != expected.0 {
                    return Reply::Conflict;
                }
                self.index += 1;
                self.variables.remove(path);
                Reply::Deleted
            }
        }
    }

    fn index_of(&self, path: &VariablePath) -> u64 {
        self.variables.get(path).map_or(0, |(index, _)| *index)
    }

    /// Carries out a write with a fate: 0 to 9 as it should be, else the answer is lost and the write with it, comes late,
    /// or was carried out.
    fn fated(&mut self, call: &Call, fate: u8) -> Reply {
        match (call, fate) {
            (Call::Read(_) | Call::Check(_), _) | (_, 0..=9) => self.carry_out(call),
            (_, 10) => Reply::Unknown,
            (_, 11) => {
                self.late.push(call.clone());
                Reply::Unknown
            }
            _ => {
                self.carry_out(call);
                Reply::Unknown
            }
        }
    }

    fn tags(&self) -> Tags {
        let next = self.tags.clone();
        Box::new(move || format!("t{}", next.fetch_add(1, Ordering::Relaxed)))
    }

    /// Changes without any trouble.
    fn record(&mut self, tree: Tree, wishes: &[(&str, Wish)]) -> (Tree, BTreeMap<String, Wish>) {
        let wishes = wishes
            .iter()
            .map(|(name, wish)| ((*name).to_owned(), wish.clone()));
        let mut recorder = Recorder::new(tree, wishes.collect(), ROOM, self.tags());
        while let Step::Calls(calls) = recorder.step().unwrap() {
            for call in calls {
                let reply = self.carry_out(&call);
                recorder.answer(&call, reply).unwrap();
            }
        }
        assert_eq!(recorder.waiting(), 0);
        recorder.finish()
    }

    /// What somebody sees who reads everything in one moment.
    fn seen(&mut self) -> BTreeMap<String, u64> {
        let mut tree = tree();
        loop {
            let unread = tree.unread();
            if unread.is_empty() {
                return numbers(&tree.inventory().unwrap());
            }
            for place in unread {
                let found = self.variables.get(&place.path);
                let found = found.map(|(index, items)| (ModifyIndex(*index), items.clone()));
                assert!(
                    found.is_some() || place.path == tree.root,
                    "{place:?} is gone"
                );
                tree.read(&place, found).unwrap();
            }
        }
    }

    /// Variables that somebody who follows the references finds.
    fn members(&mut self) -> usize {
        let mut tree = tree();
        loop {
            let unread = tree.unread();
            if unread.is_empty() {
                return tree.members().len();
            }
            for place in unread {
                let (index, items) = self.variables[&place.path].clone();
                tree.read(&place, Some((ModifyIndex(index), items)))
                    .unwrap();
            }
        }
    }
}

fn numbers(inventory: &Inventory) -> BTreeMap<String, u64> {
    let number = |(key, entry): (&crate::ids::JobKey, &Entry)| (key.to_string(), entry.index.0);
    inventory.entries.iter().map(number).collect()
}

fn put(number: u64) -> Wish {
    Wish::Put(entry(number))
}

#[test]
fn the_first_changes_make_the_root_and_the_last_ones_leave_it_empty() {
    let mut world = World::default();
    let (tree, _) = world.record(tree(), &[("default/a", put(1)), ("team/b", put(2))]);
    assert_eq!(
        world.seen(),
        BTreeMap::from([("default/a".to_owned(), 1), ("team/b".to_owned(), 2)])
    );
    assert_eq!((world.reads, world.writes), (1, 1));
    let (tree, _) = world.record(
        tree,
        &[("default/a", Wish::Remove), ("team/b", Wish::Remove)],
    );
    assert!(world.seen().is_empty());
    assert_eq!((world.reads, world.writes), (1, 2));
    // What is so already needs no call.
    world.record(tree, &[("team/b", Wish::Remove)]);
    assert_eq!((world.reads, world.writes), (1, 2));
    let (_, items) = world.variables.values().next().unwrap();
    assert_eq!(owner_of(items), Some("web".parse().unwrap()));
}

#[test]
fn what_others_wrote_stays_even_when_it_is_no_entry() {
    let mut world = World::default();
    let (ours, _) = world.record(tree(), &[("default/a", put(1))]);
    world.record(tree(), &[("default/b", put(2))]);
    let root = tree().root;
    let (index, items) = world.variables.get_mut(&root).unwrap();
    (*index, world.index) = (world.index + 1, world.index + 1);
    items.insert("note".to_owned(), "of a later build".to_owned());
    items.get_mut("default/a").unwrap().push_str(" zone=eu");
    world.record(ours, &[("default/a", put(3)), ("default/c", put(4))]);
    assert_eq!(world.seen().into_values().collect::<Vec<_>>(), [3, 2, 4]);
    let (_, items) = &world.variables[&root];
    assert_eq!(items["note"], "of a later build");
    assert!(items["default/a"].ends_with(" zone=eu"), "{items:?}");
}

#[test]
fn an_entry_of_a_newer_version_is_not_overwritten() {
    let mut world = World::default();
    let (ours, _) = world.record(tree(), &[("default/a", put(1))]);
    let (_, items) = world.variables.get_mut(&tree().root).unwrap();
    items.insert("default/b".to_owned(), "v2 x".to_owned());
    let mut fresh = tree();
    let place = fresh.unread().remove(0);
    fresh
        .read(&place, Some((ModifyIndex(1), items.clone())))
        .unwrap();
    assert!(matches!(
        fresh.inventory(),
        Err(InventoryError::Newer { .. })
    ));
    drop(ours);
    let wishes = BTreeMap::from([("default/b".to_owned(), put(2))]);
    let error = Recorder::new(fresh, wishes, ROOM, world.tags())
        .step()
        .unwrap_err();
    assert!(matches!(error, InventoryError::Newer { .. }), "{error}");
}

#[test]
fn a_page_that_grows_too_large_is_split_and_nothing_is_left_over() {
    let mut world = World::default();
    let mut ours = tree();
    let names: Vec<String> = (0..100)
        .map(|number| format!("default/job-{number}"))
        .collect();
    for (name, number) in names.iter().zip(1..) {
        (ours, _) = world.record(ours, &[(name, put(number))]);
    }
    assert_eq!(world.seen().len(), 100);
    let mut sizes = world.variables.values().map(|(_, items)| page::size(items));
    assert!(sizes.all(|size| size <= ROOM));
    assert_eq!(
        world.members() + 1,
        world.variables.len(),
        "nothing is left over"
    );
}

#[test]
fn many_changes_at_once_go_straight_into_their_parts() {
    let mut world = World::default();
    let names: Vec<String> = (0..14)
        .map(|number| format!("default/job-{number}"))
        .collect();
    let wishes: Vec<(&str, Wish)> = names
        .iter()
        .zip(1..)
        .map(|(name, number)| (name.as_str(), put(number)))
        .collect();
    world.record(tree(), &wishes);
    assert_eq!(world.seen().len(), 14);
    // Every part once, and the root that names them.
    assert_eq!((world.reads, world.writes), (1, world.variables.len()));
}

#[test]
fn what_was_kept_elsewhere_gives_way_to_what_was_written_later() {
    let at = |second: i64, number: u64| Entry {
        written: Timestamp::from_second(second).unwrap(),
        ..entry(number)
    };
    let time = |second| Timestamp::from_second(second).unwrap();
    let mut world = World::default();
    let stand = [
        ("a/kept", Wish::Put(at(10, 1))),
        ("a/old", Wish::Put(at(10, 2))),
        ("a/gone", Wish::Put(at(10, 3))),
        ("a/back", Wish::Put(at(10, 4))),
    ];
    let (ours, _) = world.record(tree(), &stand);
    let later = [
        ("a/kept", Wish::Recover(at(9, 9))),
        ("a/old", Wish::Recover(at(11, 9))),
        ("a/new", Wish::Recover(at(1, 9))),
        ("a/gone", Wish::Forget(time(10))),
        ("a/back", Wish::Forget(time(9))),
        ("a/never", Wish::Forget(time(9))),
    ];
    world.record(ours, &later);
    let seen: Vec<(String, u64)> = world.seen().into_iter().collect();
    let want = [("a/back", 4), ("a/kept", 1), ("a/new", 9), ("a/old", 9)];
    assert_eq!(seen, want.map(|(name, number)| (name.to_owned(), number)));
}

#[test]
fn what_the_token_may_not_write_comes_back_and_the_rest_stands() {
    let mut world = World::default();
    world.barred.insert(tree().root);
    let (_, refused) = world.record(tree(), &[("default/a", put(1))]);
    assert_eq!(refused, BTreeMap::from([("default/a".to_owned(), put(1))]));
    world.barred.clear();

    // The root may be written, its parts may not.
    let names: Vec<String> = (0..9)
        .map(|number| format!("default/job-{number}"))
        .collect();
    let mut ours = tree();
    for (name, number) in names.iter().zip(1..) {
        world.barred = (0..100)
            .map(|tag| paths::part(&tree().root, &format!("t{tag}")))
            .collect();
        let refused;
        (ours, refused) = world.record(ours, &[(name, put(number))]);
        if refused.is_empty() {
            continue;
        }
        assert_eq!(refused.keys().collect::<Vec<_>>(), [name]);
        assert_eq!(world.seen().len() as u64, number - 1);
        return;
    }
    panic!("the root was never too small");
}

/// Found by the property below: the parts were checked like parts of which nobody knows yet, were found changed, and one
/// of them was removed.
#[test]
fn parts_that_others_have_changed_by_the_time_their_maker_learns_of_them_stay() {
    let mut world = World::default();
    let names: Vec<String> = (0..8)
        .map(|number| format!("default/job-{number}"))
        .collect();
    let wishes = names
        .iter()
        .zip(1..)
        .map(|(name, number)| (name.clone(), put(number)));
    let mut recorder = Recorder::new(tree(), wishes.collect(), ROOM, world.tags());
    let mut others = false;
    while let Step::Calls(calls) = recorder.step().unwrap() {
        for call in calls {
            let names_parts = matches!(&call, Call::Write { path, .. } if *path == tree().root);
            let mut reply = world.carry_out(&call);
            if names_parts && !others {
                reply = Reply::Unknown;
                others = true;
                let changes: Vec<(&str, Wish)> =
                    names.iter().map(|name| (name.as_str(), put(99))).collect();
                world.record(tree(), &changes[..4]);
            }
            recorder.answer(&call, reply).unwrap();
        }
    }
    assert!(others);
    let seen: Vec<u64> = world.seen().into_values().collect();
    assert_eq!(seen, [99, 99, 99, 99, 5, 6, 7, 8]);
}

/// Where the next decision of a run comes from; what is not on the tape is 0.
struct Tape<'a>(std::slice::Iter<'a, u8>);

impl Tape<'_> {
    fn next(&mut self, below: usize) -> usize {
        usize::from(self.0.next().copied().unwrap_or(0)) % below.max(1)
    }
}

/// Somebody who changes entries of its own, batch after batch, and may die.
struct Writer {
    batches: Vec<BTreeMap<String, Wish>>,
    recorder: Option<Recorder>,
    current: BTreeMap<String, Wish>,
    calls: Vec<Call>,
    /// What stands for certain.
    certain: BTreeMap<String, Option<u64>>,
    /// What may stand: changes of a batch that is on its way, or in which the writer died.
    possible: BTreeMap<String, BTreeSet<Option<u64>>>,
    dead: bool,
}

impl Writer {
    fn new(name: usize, batches: &[Vec<(u8, Option<u8>)>]) -> Self {
        let named = |batch: &Vec<(u8, Option<u8>)>| {
            let wish =
                |number: Option<u8>| number.map_or(Wish::Remove, |number| put(u64::from(number)));
            let one = |(key, number): &(u8, Option<u8>)| (format!("w{name}/{key}"), wish(*number));
            batch.iter().map(one).collect()
        };
        Self {
            batches: batches.iter().rev().map(named).collect(),
            recorder: None,
            current: BTreeMap::new(),
            calls: Vec::new(),
            certain: BTreeMap::new(),
            possible: BTreeMap::new(),
            dead: false,
        }
    }

    fn is_done(&self) -> bool {
        self.dead || (self.recorder.is_none() && self.batches.is_empty())
    }

    /// One call, or the next step.
    fn act(&mut self, world: &mut World, tape: &mut Tape<'_>, tree: &mut Option<Tree>) {
        if self.recorder.is_none() {
            let Some(batch) = self.batches.pop() else {
                return;
            };
            for (name, wish) in &batch {
                let number = match wish {
                    Wish::Put(entry) => Some(entry.index.0),
                    _ => None,
                };
                self.possible
                    .entry(name.clone())
                    .or_default()
                    .insert(number);
            }
            self.current.clone_from(&batch);
            let tree = tree.take().unwrap_or_else(self::tree);
            self.recorder = Some(Recorder::new(tree, batch, ROOM, world.tags()));
        }
        let recorder = self.recorder.as_mut().expect("it was just made");
        if self.calls.is_empty() {
            match recorder.step().unwrap() {
                Step::Calls(calls) => self.calls = calls,
                Step::Done => {
                    let (known, refused) = self.recorder.take().expect("it is there").finish();
                    assert!(refused.is_empty());
                    *tree = Some(known);
                    for (name, wish) in std::mem::take(&mut self.current) {
                        let number = match wish {
                            Wish::Put(entry) => Some(entry.index.0),
                            _ => None,
                        };
                        self.possible.remove(&name);
                        self.certain.insert(name, number);
                    }
                }
            }
            return;
        }
        let call = self.calls.swap_remove(tape.next(self.calls.len()));
        let fate = u8::try_from(tape.next(14)).expect("it is small");
        if fate == 13 {
            // Dies, after the call or before it.
            if tape.next(2) == 1 {
                world.carry_out(&call);
            }
            self.dead = true;
            return;
        }
        let reply = world.fated(&call, fate);
        recorder.answer(&call, reply).unwrap();
    }

    fn check(&self, seen: &BTreeMap<String, u64>) -> Result<(), TestCaseError> {
        let names = self.certain.keys().chain(self.possible.keys());
        for name in names.collect::<BTreeSet<_>>() {
            let found = seen.get(name).copied();
            let certain = self.certain.get(name).copied().flatten();
            let possible = self
                .possible
                .get(name)
                .is_some_and(|all| all.contains(&found));
            prop_assert!(
                found == certain || possible,
                "{name}: {found:?}, wanted {certain:?}"
            );
        }
        Ok(())
    }
}

/// Somebody who reads page by page while others write.
#[derive(Default)]
struct Reader {
    tree: Option<Tree>,
    finished: usize,
}

impl Reader {
    fn act(
        &mut self,
        world: &mut World,
        steady: &BTreeMap<String, u64>,
    ) -> Result<(), TestCaseError> {
        let tree = self.tree.get_or_insert_with(tree);
        let Some(place) = tree.unread().into_iter().next() else {
            let seen = numbers(&tree.inventory().unwrap());
            for (name, number) in steady {
                prop_assert_eq!(seen.get(name), Some(number), "{} is not seen", name);
            }
            self.finished += 1;
            self.tree = None;
            return Ok(());
        };
        let found = world.variables.get(&place.path);
        let found = found.map(|(index, items)| (ModifyIndex(*index), items.clone()));
        tree.read(&place, found).unwrap();
        Ok(())
    }
}

fn batches() -> impl Strategy<Value = Vec<Vec<(u8, Option<u8>)>>> {
    let change = (0..12u8, prop::option::weighted(0.8, 1..250u8));
    prop::collection::vec(prop::collection::vec(change, 1..8), 1..5)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Whoever looks, at whatever moment, sees every entry whose recording was reported, and no entry whose removal was:
    /// with several writers at once, answers that are lost, writes that come late, and deaths between any two calls.
    #[test]
    fn no_entry_is_ever_lost_and_none_comes_back(
        work in prop::collection::vec(batches(), 1..4),
        tape in prop::collection::vec(any::<u8>(), 0..600),
    ) {
        let mut world = World::default();
        let steady: BTreeMap<String, u64> = (0..4).map(|number| (format!("steady/{number}"), number)).collect();
        let wishes: Vec<(&str, Wish)> = steady.iter().map(|(name, number)| (name.as_str(), put(*number))).collect();
        world.record(tree(), &wishes);
        let mut writers: Vec<Writer> = work.iter().enumerate().map(|(name, batches)| Writer::new(name, batches)).collect();
        let mut trees: Vec<Option<Tree>> = writers.iter().map(|_| None).collect();
        let mut reader = Reader::default();
        let mut tape = Tape(tape.iter());
        let (mut acts, mut checked) = (0, 0);
        while writers.iter().any(|writer| !writer.is_done()) {
            acts += 1;
            prop_assert!(acts < 20_000, "it does not end");
            // What is still on its way arrives some time.
            let turn = tape.next(writers.len() + 2);
            if turn == writers.len() {
                reader.act(&mut world, &steady)?;
            } else if turn > writers.len() {
                if !world.late.is_empty() {
                    let late = world.late.swap_remove(tape.next(world.late.len()));
                    world.carry_out(&late);
                }
            } else {
                // Those that are done let the next one go.
                let turn = (turn..writers.len()).chain(0..turn).find(|at| !writers[*at].is_done());
                let Some(turn) = turn else { break };
                let mut tree = trees[turn].take();
                writers[turn].act(&mut world, &mut tape, &mut tree);
                trees[turn] = tree;
            }
            if world.index != checked || writers.iter().any(|writer| writer.recorder.is_none()) {
                checked = world.index;
                let seen = world.seen();
                for writer in &writers {
                    writer.check(&seen)?;
                }
            }
        }
        for late in std::mem::take(&mut world.late) {
            world.carry_out(&late);
            let seen = world.seen();
            for writer in &writers {
                writer.check(&seen)?;
            }
        }
        let seen = world.seen();
        for (name, number) in &steady {
            prop_assert_eq!(seen.get(name), Some(number));
        }
    }

    /// Without trouble every variable belongs to the inventory in the end.
    #[test]
    fn nothing_is_left_over(work in batches()) {
        let mut world = World::default();
        let mut known = tree();
        let mut want = BTreeMap::new();
        for batch in &work {
            let names: Vec<(String, Wish)> = batch.iter().map(|(key, number)| {
                let name = format!("default/{key}");
                want.insert(name.clone(), *number);
                (name, number.map_or(Wish::Remove, |number| put(u64::from(number))))
            }).collect();
            let wishes: BTreeMap<&str, Wish> = names.iter().map(|(name, wish)| (name.as_str(), wish.clone())).collect();
            let wishes: Vec<(&str, Wish)> = wishes.into_iter().collect();
            (known, _) = world.record(known, &wishes);
        }
        let want: BTreeMap<String, u64> = want.into_iter().filter_map(|(name, number)| Some((name, u64::from(number?)))).collect();
        prop_assert_eq!(world.seen(), want);
        if !world.variables.is_empty() {
            let root = usize::from(world.variables.len() > 1);
            prop_assert_eq!(world.members() + root, world.variables.len());
        }
    }
}
