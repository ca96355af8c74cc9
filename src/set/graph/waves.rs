//! From who waits for whom to waves, or to cycles.

use std::collections::BTreeSet;

use super::edges::Neighbours;
use super::{GraphIssue, Node, turned};

/// The waves, or every cycle that keeps nodes from being in one.
pub(super) fn waves(
    nodes: &[Node],
    before: &Neighbours,
) -> Result<Vec<Vec<usize>>, Vec<GraphIssue>> {
    let after = turned(before);
    let mut waiting: Vec<usize> = before.iter().map(BTreeSet::len).collect();
    let positions = (0..nodes.len()).filter(|node| !nodes[*node].is_failure_hook());
    let mut open: BTreeSet<usize> = positions.collect();
    let mut waves = Vec::new();
    let mut cycles = Vec::new();
    let mut ready: Vec<usize> = free(&open, &waiting);
    while !open.is_empty() {
        if ready.is_empty() {
            // Everything that is left waits for something that is left.
            let path = cycle(before, &open);
            ready.clone_from(&path);
            cycles.push(GraphIssue::Cycle { path });
        }
        let mut next = BTreeSet::new();
        for node in &ready {
            open.remove(node);
        }
        for later in ready.iter().flat_map(|node| &after[*node]) {
            waiting[*later] -= 1;
            if waiting[*later] == 0 && open.contains(later) {
                next.insert(*later);
            }
        }
        ready.sort_unstable();
        waves.push(std::mem::replace(&mut ready, next.into_iter().collect()));
    }
    if cycles.is_empty() {
        Ok(waves)
    } else {
        Err(cycles)
    }
}

fn free(open: &BTreeSet<usize>, waiting: &[usize]) -> Vec<usize> {
    let free = open.iter().filter(|node| waiting[**node] == 0);
    free.copied().collect()
}

/// A cycle among nodes each of which waits for another of them.
fn cycle(before: &Neighbours, among: &BTreeSet<usize>) -> Vec<usize> {
    let mut path: Vec<usize> = Vec::new();
    let mut node = *among.first().expect("asked only when something is left");
    let start = loop {
        if let Some(start) = path.iter().position(|seen| *seen == node) {
            break start;
        }
        path.push(node);
        let mut next = before[node].intersection(among);
        node = *next.next().expect("it waits for something that is left");
    };
    let mut path = path.split_off(start);
    let lowest = path.iter().enumerate().min_by_key(|(_, node)| **node);
    let lowest = lowest.map_or(0, |(position, _)| position);
    path.rotate_left(lowest);
    path
}
