//! What one run records, the next one finds; on the simulator and on a real Nomad.

use cs::clients::nomad::NomadClient;
use cs::desired::Digest;
use cs::ids::ModifyIndex;
use cs::inventory::{
    Change, Entry, Failed, Inventory, InventoryError, Place, State, Store, owners,
};
use cs::spec::Kind;

use super::lab::{Lab, as_found, entry, key, many, owner, put};

fn everything() -> Vec<Change> {
    let hook = Entry {
        kind: Kind::NomadJob,
        state: State::Completed,
        keep: true,
        hook: Some("generation 7".to_owned()),
        revision: Some("4f2a91c".to_owned()),
        ..entry(9)
    };
    let failed = Entry {
        state: State::Unsettled,
        adopted: true,
        created: 0,
        failed: Some(Failed {
            digest: Digest("bad".to_owned()).into(),
            outcome: "rolled-back".to_owned(),
            index: ModifyIndex(31),
        }),
        ..entry(27)
    };
    vec![
        put("shop", 12),
        Change::Put(key("team/migrate-é"), hook),
        Change::Put(key("old"), failed),
    ]
}

async fn round_trip(lab: Lab) {
    let (mut store, empty) = lab.open().await;
    assert_eq!(empty, Inventory::default());
    assert!(matches!(store.place(), Place::Variables { .. }));
    let mut want = Inventory::default();
    for change in everything() {
        want.apply(change);
    }
    store.record(everything()).await.unwrap();
    assert_eq!(lab.found().await, want);

    // The same store goes on, and of two changes of one job the last one counts.
    let changes = vec![
        put("new", 40),
        Change::Remove(key("new")),
        put("shop", 13),
        Change::Remove(key("old")),
    ];
    for change in changes.clone() {
        want.apply(change);
    }
    store.record(changes).await.unwrap();
    assert_eq!(lab.found().await, want);
    assert!(owners(&lab.nomad).await.unwrap().contains(&lab.owner));
    assert_eq!(lab.files(), Vec::<std::path::PathBuf>::new());
}

async fn growth(lab: Lab) {
    let (mut store, _) = lab.open().await;
    let all = many(0..1500);
    for part in all.chunks(300) {
        store.record(part.to_vec()).await.unwrap();
    }
    assert_eq!(lab.numbers().await, as_found(&all));
    let root = format!("cs/inventory/{}", lab.owner.as_str().replace(' ', "~20"));
    let (_, items) = lab.items(&root).await;
    assert_eq!(items.len(), 1, "the root was emptied");
    let parts = lab
        .paths()
        .await
        .into_iter()
        .filter(|path| path.starts_with(&format!("{root}/")));
    assert_eq!(
        parts.count(),
        4,
        "and nothing is left over of the first split"
    );
    let removals = many(0..1499)
        .iter()
        .map(|change| Change::Remove(change.key().clone()))
        .collect();
    store.record(removals).await.unwrap();
    assert_eq!(lab.numbers().await, as_found(&many(1499..1500)));
}

#[tokio::test]
async fn what_one_run_records_the_next_one_finds() {
    round_trip(Lab::start().await).await;
}

#[tokio::test]
async fn what_one_run_records_the_next_one_finds_on_a_real_nomad() {
    if let Some(lab) = Lab::real() {
        round_trip(lab).await;
    }
}

#[tokio::test]
async fn an_inventory_outgrows_its_variable() {
    growth(Lab::start().await).await;
}

#[tokio::test]
async fn an_inventory_outgrows_its_variable_on_a_real_nomad() {
    if let Some(lab) = Lab::real() {
        growth(lab).await;
    }
}

#[tokio::test]
async fn opening_reads_once_and_writes_nothing() {
    let lab = Lab::start().await;
    lab.open().await;
    assert_eq!(lab.asked(), [("GET".to_owned(), 1)].into());
    lab.record(vec![put("shop", 1)]).await;
    lab.asked();
    let (mut store, _) = lab.open().await;
    store.record(vec![]).await.unwrap();
    // What stands already needs no write either.
    store.record(vec![put("shop", 1)]).await.unwrap();
    assert_eq!(lab.asked(), [("GET".to_owned(), 1)].into());
}

#[tokio::test]
async fn every_owner_and_every_namespace_has_an_inventory_of_its_own() {
    let lab = Lab::start().await;
    let team: NomadClient = lab.nomad.in_namespace(&"team".parse().unwrap());
    let long = owner(&"long".repeat(60));
    let owners_here = [owner("Web"), long.clone(), owner("team a/ü"), owner("web")];
    for (number, owner) in (1..).zip(&owners_here) {
        let (mut store, _) = Store::open(&lab.nomad, owner, lab.state_dir())
            .await
            .unwrap();
        store.record(vec![put("shop", number)]).await.unwrap();
    }
    let (mut there, found) = Store::open(&team, &long, lab.state_dir()).await.unwrap();
    assert_eq!(found, Inventory::default());
    there.record(many(0..800)).await.unwrap();
    for (number, owner) in (1..).zip(&owners_here) {
        let (_, found) = Store::open(&lab.nomad, owner, lab.state_dir())
            .await
            .unwrap();
        assert_eq!(found.entries[&key("shop")].index, ModifyIndex(number));
    }
    let mut sorted = owners_here.to_vec();
    sorted.sort();
    assert_eq!(owners(&lab.nomad).await.unwrap(), sorted);
    assert_eq!(owners(&team).await.unwrap(), [long]);
    let nobody = lab.nomad.in_namespace(&"nobody".parse().unwrap());
    assert_eq!(owners(&nobody).await.unwrap(), []);
}

#[tokio::test]
async fn what_this_build_cannot_read_is_an_error_and_not_an_empty_inventory() {
    let lab = Lab::start().await;
    lab.record(vec![put("shop", 1), put("other", 2)]).await;
    let path = "cs/inventory/web";
    let (_, good) = lab.items(path).await;
    for (item, text, newer) in [
        ("default/shop", "v2 whatever", true),
        ("default/shop", "broken", false),
        (
            "default/ ",
            "v1 d=AAAAAAAAAAAAAAAAAAAAAA i=1 s=ok t=1",
            false,
        ),
        ("cs", "v7 o=web", true),
        ("cs", "v1 o=other", false),
        ("cs", "v1 o=web to=0:aa,1:bb", false),
    ] {
        lab.tamper(path, |items| {
            drop(items.insert(item.to_owned(), text.to_owned()))
        })
        .await;
        let error = lab.try_open().await.unwrap_err();
        assert_eq!(
            matches!(error, InventoryError::Newer { .. }),
            newer,
            "{error}"
        );
        assert!(error.to_string().contains(path), "{error}");
        assert!(!error.help().is_empty());
        lab.tamper(path, |items| items.clone_from(&good)).await;
    }
    assert_eq!(lab.found().await.entries.len(), 2);
}

#[tokio::test]
async fn a_part_that_somebody_removed_is_an_error_and_ends_soon() {
    let lab = Lab::start().await;
    lab.record(many(0..800)).await;
    let parts = lab.paths().await;
    let part = parts
        .iter()
        .find(|path| path.starts_with("cs/inventory/web/"))
        .unwrap();
    let (index, _) = lab.items(part).await;
    lab.nomad
        .delete_variable(&super::lab::variable(part), index)
        .await
        .unwrap();
    lab.asked();
    let error = lab.try_open().await.unwrap_err();
    assert!(matches!(error, InventoryError::Damaged { .. }), "{error}");
    assert!(error.to_string().contains(part), "{error}");
    assert!(lab.asked()["GET"] < 50);
}
