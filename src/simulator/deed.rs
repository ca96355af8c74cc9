//! Things that happen to the world by themselves.

use super::faults::Deed;
use super::world::{JobKey, Scale, World};

fn key(namespace: &str, job: &str) -> JobKey {
    JobKey::new(
        if namespace.is_empty() {
            "default"
        } else {
            namespace
        },
        job,
    )
}

/// Does it; what it names and does not find is left alone.
pub(super) fn perform(world: &mut World, deed: &Deed) {
    let outcome = match deed {
        Deed::Gc => {
            world.collect_garbage();
            Ok(())
        }
        Deed::NodeDown { node } => node_status(world, node, "down"),
        Deed::NodeDisconnected { node } => node_status(world, node, "disconnected"),
        Deed::NodeReady { node } => node_status(world, node, "ready"),
        Deed::StopJob {
            job,
            namespace,
            purge,
        } => {
            world.deregister(&key(namespace, job), *purge);
            Ok(())
        }
        Deed::ScaleJob {
            job,
            namespace,
            group,
            count,
        } => {
            let scale = Scale {
                group: Some(group.clone()),
                count: Some(*count),
                ..Scale::default()
            };
            world
                .scale(&key(namespace, job), &scale)
                .map(|_| ())
                .map_err(|refusal| refusal.text)
        }
        Deed::ForgetJob { job, namespace } => {
            world.forget_job(&key(namespace, job));
            Ok(())
        }
        Deed::LoseEvents => {
            world.events.clear();
            Ok(())
        }
    };
    if let Err(reason) = outcome {
        tracing::warn!(?deed, reason, "a planned fault could not happen");
    }
}

fn node_status(world: &mut World, node: &str, status: &'static str) -> Result<(), String> {
    let id = world
        .node_named(node)
        .ok_or_else(|| format!("there is no node {node:?}"))?;
    world
        .set_node_status(&id, status)
        .map(|_| ())
        .map_err(|refusal| refusal.text)
}

/// Somebody else changes a job: a harmless change of its specification, which moves its `JobModifyIndex`.
pub(super) fn interfere(world: &mut World, key: &JobKey) {
    world.bump(key);
}
