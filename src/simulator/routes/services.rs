//! `/services`, `/service/:name`: services with the `nomad` provider.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{Answer, Reply, Request};
use crate::simulator::world::json::{text, texts};
use crate::simulator::world::{Table, World};

pub(super) fn route(world: &World, request: &Request, head: &str, name: &str) -> Answer {
    request.only(&["GET"])?;
    let namespace = request.namespace();
    let found = world
        .services()
        .into_iter()
        .filter(|service| namespace == "*" || text(service, "Namespace") == namespace);
    let index = world.table(Table::Allocs);
    if head == "service" {
        let mine: Vec<_> = found
            .filter(|service| text(service, "ServiceName") == name)
            .collect();
        return Ok(Reply::read(index, json!(mine)));
    }
    let mut spaces: BTreeMap<String, BTreeMap<String, BTreeSet<String>>> = BTreeMap::new();
    for service in found {
        let names = spaces
            .entry(text(&service, "Namespace").to_owned())
            .or_default();
        names
            .entry(text(&service, "ServiceName").to_owned())
            .or_default()
            .extend(texts(&service, "Tags"));
    }
    let body: Vec<Value> = spaces
        .into_iter()
        .map(|(namespace, names)| {
            let services: Vec<_> = names
                .into_iter()
                .map(|(name, tags)| json!({"ServiceName": name, "Tags": tags}))
                .collect();
            json!({"Namespace": namespace, "Services": services})
        })
        .collect();
    Ok(Reply::read(index, json!(body)))
}
