//! An inventory where it stands: in Nomad's variables, or in a local file where the token may not use them.
//!
//! Opening reads: the root, then the parts that it names, sixteen at once. It never writes and it never lists, so what it
//! returns is whole or an error. Recording makes changes with compare-and-set ([`recorder`](super::recorder)).

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;

use super::local::{Document, Local};
use super::page::{self, FULL};
use super::place::{Place, Reason};
use super::recorder::{Recorder, Wish};
use super::tree::{self, Tree};
use super::{Change, Inventory, InventoryError, calls, paths};
use crate::clients::nomad::calls::variables::VariablePath;
use crate::clients::nomad::{NomadClient, NomadError};
use crate::ids::OwnerId;

/// An owner's inventory, ready to be changed.
#[derive(Debug)]
pub struct Store {
    nomad: NomadClient,
    owner: OwnerId,
    place: Place,
    /// What is known of the variables. Only a basis for writes: it may be outdated at any time.
    tree: Tree,
    local: Local,
    /// What the local file said when it was read last, and is to be brought into the variables.
    leftover: Option<Document>,
}

impl Store {
    /// Reads the inventory of `owner` in the client's namespace. Without any, it is empty.
    ///
    /// `state_dir` is where the local file stands that takes the place of variables which the token may not use. Nothing
    /// is written, not even when both exist: the first [`record`](Self::record) brings the file in.
    ///
    /// # Errors
    /// It could not be read as a whole: then nothing is known, above all not that it is empty. Calls are not repeated.
    ///
    /// # Cancel safety
    /// Dropping it changes nothing.
    pub async fn open(
        nomad: &NomadClient,
        owner: &OwnerId,
        state_dir: &Path,
    ) -> Result<(Self, Inventory), InventoryError> {
        let mut tree = Tree::new(owner.clone());
        let readable = calls::read_all(nomad, &mut tree).await?;
        let local = Local::new(nomad, owner, state_dir);
        let leftover = local.read().await?;
        let mut inventory = tree.inventory()?;
        let recovered = leftover
            .as_ref()
            .map(|document| local.inventory(document))
            .transpose()?;
        let reason = match (readable, &leftover) {
            (true, None) => None,
            (true, Some(document)) => {
                overlay(&mut inventory, document);
                Some(Reason::Leftover)
            }
            (false, _) => {
                inventory = recovered.unwrap_or_default();
                Some(Reason::MayNotRead)
            }
        };
        let place = place(nomad, &tree, &local, reason);
        let store = Self {
            nomad: nomad.clone(),
            owner: owner.clone(),
            place,
            tree,
            local,
            leftover,
        };
        Ok((store, inventory))
    }

    /// Whose it is.
    #[must_use]
    pub fn owner(&self) -> &OwnerId {
        &self.owner
    }

    /// Where it stands. Whether the token may write shows only in [`record`](Self::record): ask again after it.
    #[must_use]
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Makes changes, of several for one job the last one. Entries of other jobs stay as they are, whoever writes at the
    /// same time; of two who write the same job at once, the later one stands. What the token may not write goes to the
    /// local file. Without changes it brings in a local file that was left behind, if there is one.
    ///
    /// Tries again for half a minute when Nomad has no leader, cannot be reached or others are faster.
    ///
    /// # Errors
    /// Some changes may be made and others not. Making the same ones again is safe.
    ///
    /// # Cancel safety
    /// A write on its way may or may not be carried out. The store can be used on: it reads again what it changes.
    pub async fn record(&mut self, changes: Vec<Change>) -> Result<(), InventoryError> {
        if let Place::File {
            reason: Reason::MayNotRead,
            ..
        } = self.place
        {
            return self.record_locally(wishes(changes)).await;
        }
        let leftover = self.leftover.clone();
        let mut all = leftover.as_ref().map(Document::wishes).unwrap_or_default();
        all.extend(wishes(changes));
        if all.is_empty() {
            return Ok(());
        }
        let refused = self.record_in_variables(all).await?;
        let kept = |wish: &Wish| matches!(wish, Wish::Recover(_) | Wish::Forget(_));
        if let Some(recorded) = leftover.filter(|_| !refused.values().any(kept)) {
            let forget = move |document: &mut Document| {
                document.forget(&recorded);
                Ok(())
            };
            self.local.update(forget).await?;
            self.leftover = None;
        }
        let reason = (!refused.is_empty()).then_some(Reason::MayNotWrite);
        self.place = place(&self.nomad, &self.tree, &self.local, reason);
        if refused.is_empty() {
            return Ok(());
        }
        // What was in the file already is there still.
        let ours = refused
            .into_iter()
            .filter(|(_, wish)| !kept(wish))
            .collect();
        self.record_locally(ours).await?;
        self.leftover = self.local.read().await?;
        Ok(())
    }

    async fn record_locally(&self, wishes: BTreeMap<String, Wish>) -> Result<(), InventoryError> {
        if wishes.is_empty() {
            return Ok(());
        }
        let now = Timestamp::now();
        self.local
            .update(move |document| {
                wishes
                    .iter()
                    .try_for_each(|(name, wish)| document.make(name, wish, now))
            })
            .await
    }

    /// Returns what the token may not do.
    async fn record_in_variables(
        &mut self,
        wishes: BTreeMap<String, Wish>,
    ) -> Result<BTreeMap<String, Wish>, InventoryError> {
        // Whatever interrupts this, the store forgets what it knew and reads again.
        let tree = std::mem::replace(&mut self.tree, Tree::new(self.owner.clone()));
        let mut recorder = Recorder::new(tree, wishes, FULL, Box::new(calls::tag));
        calls::carry_out(&self.nomad, &mut recorder).await?;
        let (tree, refused) = recorder.finish();
        self.tree = tree;
        Ok(refused)
    }
}

/// Where an inventory stands; in the variables unless there is a reason.
fn place(nomad: &NomadClient, tree: &Tree, local: &Local, reason: Option<Reason>) -> Place {
    let (variable, namespace) = (tree.root.clone(), nomad.namespace().clone());
    match reason {
        None => Place::Variables {
            variable,
            namespace,
        },
        Some(reason) => Place::File {
            path: local.path().to_owned(),
            reason,
            variable,
            namespace,
        },
    }
}

/// Owners that have an inventory in the client's namespace, as far as the token may see them.
///
/// # Errors
/// Nomad did not answer, or the token may not read inventories: an empty list is believed only after a read of a variable
/// that is not there was answered with "not there".
///
/// # Cancel safety
/// Dropping it changes nothing.
pub async fn owners(nomad: &NomadClient) -> Result<Vec<OwnerId>, InventoryError> {
    let refused = |error| match error {
        source @ NomadError::Forbidden { .. } => InventoryError::Forbidden {
            namespace: nomad.namespace().clone(),
            source,
        },
        error => InventoryError::Read(error),
    };
    let listed = nomad.variables(paths::PREFIX).await.map_err(refused)?.value;
    if listed.is_empty() {
        let nobody: VariablePath = paths::NOBODY.parse().expect("it is a valid path");
        nomad.variable(&nobody).await.map_err(refused)?;
        return Ok(Vec::new());
    }
    let mut owners = Vec::new();
    for stub in listed {
        let segment = stub.path.strip_prefix(paths::PREFIX).unwrap_or_default();
        if segment.is_empty() || segment.contains('/') {
            continue;
        }
        owners.extend(match paths::owner(segment) {
            Some(owner) => Some(owner),
            None => owner_of_hash(nomad, &stub.path).await?,
        });
    }
    owners.sort();
    Ok(owners)
}

/// The owner whose path is a hash says its name in the variable's head.
async fn owner_of_hash(nomad: &NomadClient, path: &str) -> Result<Option<OwnerId>, InventoryError> {
    let Ok(path) = path.parse::<VariablePath>() else {
        return Ok(None);
    };
    let read = nomad
        .variable(&path)
        .await
        .map_err(InventoryError::Read)?
        .value;
    let owner = read.and_then(|variable| page::owner_of(&variable.items));
    Ok(owner.filter(|owner| paths::root(owner) == path))
}

/// Puts what a local file says over what the variables say, as recording it would.
fn overlay(inventory: &mut Inventory, document: &Document) {
    for (name, wish) in document.wishes() {
        let Some(key) = tree::job_key(&name) else {
            continue;
        };
        let entry = inventory.entries.get(&key);
        if wish.gives_way_to(entry.map(|entry| entry.written)) {
            continue;
        }
        inventory.apply(match wish {
            Wish::Put(entry) | Wish::Recover(entry) => Change::Put(key, entry),
            Wish::Remove | Wish::Forget(_) => Change::Remove(key),
        });
    }
}

fn wishes(changes: Vec<Change>) -> BTreeMap<String, Wish> {
    let wish = |change| match change {
        Change::Put(key, entry) => (key.to_string(), Wish::Put(entry)),
        Change::Remove(key) => (key.to_string(), Wish::Remove),
    };
    changes.into_iter().map(wish).collect()
}
