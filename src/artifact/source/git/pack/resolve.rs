//! Works out the objects that are told as differences, so that all ids are known.

use std::collections::HashMap;
use std::sync::Arc;

use git2::Oid;

use super::super::fault::Fault;
use super::objects::{Cache, Objects};
use super::receive::Raw;
use super::{Kind, NONE};

/// Works out all objects of a pack.
pub(super) fn resolve(raw: Raw) -> Result<Objects, Fault> {
    let objects = Objects {
        entries: raw.entries,
        by_id: Vec::new(),
        file: Arc::new(raw.received.file),
        path: raw.received.path,
        end: raw.received.end,
        checksum: raw.received.checksum,
        progress: raw.received.progress,
        halt: raw.received.halt,
        spool: raw.spool,
        cache: Cache::default(),
    };
    let mut by_name: HashMap<Oid, Vec<u32>> = HashMap::new();
    for (delta, base) in raw.bases {
        by_name.entry(base).or_default().push(delta);
    }
    let mut resolving = Resolving {
        objects,
        by_name,
        by_place: HashMap::new(),
    };
    resolving.run()?;
    let mut objects = resolving.objects;
    let mut by_id: Vec<u32> = (0..).take(objects.entries.len()).collect();
    by_id.sort_unstable_by_key(|place| objects.entry(*place).id);
    objects.by_id = by_id;
    Ok(objects)
}

struct Resolving {
    objects: Objects,
    /// Differences by the id of their base, as long as no object with that id is known.
    by_name: HashMap<Oid, Vec<u32>>,
    /// Differences by the place of their base, when they came before it was worked out.
    by_place: HashMap<u32, Vec<u32>>,
}

impl Resolving {
    fn run(&mut self) -> Result<(), Fault> {
        let places = 0..u32::try_from(self.objects.entries.len()).expect("the count has 32 bits");
        let (deltas, whole): (Vec<u32>, Vec<u32>) =
            places.partition(|place| self.objects.entry(*place).kind == Kind::Unknown);
        for place in whole {
            // They are worked out in their turn below.
            self.adopt(place);
        }
        self.objects.progress.deltas.expect(deltas.len() as u64);
        let mut missing = deltas.len();
        for delta in deltas {
            let mut ready = vec![delta];
            while let Some(delta) = ready.pop() {
                let is_done = self.objects.entry(delta).kind != Kind::Unknown;
                if is_done || self.is_waiting(delta) {
                    continue;
                }
                let base = self.objects.entry(delta).base;
                let id = self.objects.work_out(delta)?;
                let kind = self.objects.entry(base).kind;
                let entry = &mut self.objects.entries[delta as usize];
                (entry.id, entry.kind) = (id, kind);
                self.objects.progress.deltas.advance();
                missing -= 1;
                ready.extend(self.adopt(delta));
                ready.extend(self.by_place.remove(&delta).unwrap_or_default());
            }
        }
        if missing > 0 {
            return Err(Fault::Corrupt("the base of a difference is missing"));
        }
        Ok(())
    }

    /// Tells the differences that look for an object by its id where it is.
    fn adopt(&mut self, base: u32) -> Vec<u32> {
        let id = self.objects.entry(base).id;
        let found = self.by_name.remove(&id).unwrap_or_default();
        for delta in &found {
            self.objects.entries[*delta as usize].base = base;
            self.objects.entries[base as usize].is_base = true;
        }
        found
    }

    /// Whether a difference's base is not known yet. It comes up again when it is.
    fn is_waiting(&mut self, delta: u32) -> bool {
        match self.objects.entry(delta).base {
            NONE => true,
            base if self.objects.entry(base).kind == Kind::Unknown => {
                self.by_place.entry(base).or_default().push(delta);
                true
            }
            _ => false,
        }
    }
}
