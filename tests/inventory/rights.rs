//! Tokens that may not do everything. The answers are those of a real Nomad with ACLs on: 403 for a read or a write of a
//! variable, and a list from which everything is left out that the token may not see.

use cs::inventory::{Change, Entry, Inventory, InventoryError, Place, Reason, Store, owners};
use cs::simulator::{Effect, Matcher};

use super::lab::{Lab, as_found, entry, key, many, put};

fn may_not(method: &str, path: &str) -> (Matcher, Effect) {
    (Matcher::new(method, path), Effect::Forbidden)
}

const ALL: &str = "/v1/var/*";

/// Why it stands in a file.
fn reason_of(store: &Store) -> Option<Reason> {
    match store.place() {
        Place::Variables { .. } => None,
        Place::File { reason, .. } => Some(*reason),
    }
}

/// An empty list, as who may not see anything gets it.
fn sees_nothing() -> (Matcher, Effect) {
    let body = "[]".to_owned();
    (
        Matcher::new("GET", "/v1/vars"),
        Effect::Error { status: 200, body },
    )
}

#[tokio::test]
async fn who_may_not_read_variables_keeps_a_file() {
    let lab = Lab::start().await;
    lab.record(vec![put("of-others", 1)]).await;
    lab.fails([may_not("", ALL), sees_nothing()]);
    let (mut store, found) = lab.open().await;
    assert_eq!(found, Inventory::default());
    let Place::File { path, reason, .. } = store.place().clone() else {
        panic!("{}", store.place());
    };
    assert_eq!(reason, Reason::MayNotRead);
    assert!(lab.files().is_empty(), "opening writes nothing");
    store
        .record(vec![put("shop", 7), put("gone", 8)])
        .await
        .unwrap();
    store
        .record(vec![Change::Remove(key("gone"))])
        .await
        .unwrap();
    assert_eq!(lab.files(), [path]);
    assert_eq!(lab.numbers().await, as_found(&[put("shop", 7)]));
    let said = store.place().to_string();
    assert!(
        said.contains("may not read variable `cs/inventory/web` in namespace `default`"),
        "{said}"
    );
    assert!(store.place().help().unwrap().contains("cs/inventory/*"));

    // The right was granted: both are seen at once, and the next recording brings the file in.
    lab.heals();
    let both = as_found(&[put("of-others", 1), put("shop", 7)]);
    let (mut store, _) = lab.open().await;
    assert_eq!(lab.numbers().await, both);
    assert_eq!(reason_of(&store), Some(Reason::Leftover));
    assert_eq!(lab.files().len(), 1);
    store.record(vec![]).await.unwrap();
    assert_eq!(reason_of(&store), None);
    assert!(lab.files().is_empty());
    assert_eq!(lab.numbers().await, both);
}

#[tokio::test]
async fn who_may_only_read_keeps_what_is_new_in_a_file() {
    let lab = Lab::start().await;
    lab.record(vec![put("shop", 1), put("old", 2), put("other", 3)])
        .await;
    lab.fails([may_not("write", ALL)]);
    let (mut store, _) = lab.open().await;
    let changes = vec![put("new", 4), Change::Remove(key("old")), newer("shop", 5)];
    store.record(changes).await.unwrap();
    assert_eq!(reason_of(&store), Some(Reason::MayNotWrite));
    let want = as_found(&[put("new", 4), put("shop", 5), put("other", 3)]);
    assert_eq!(lab.numbers().await, want);
    store.record(vec![newer("new", 6)]).await.unwrap();
    assert_eq!(lab.numbers().await["default/new"], 6);

    // Somebody with the right has gone on in between.
    let (mut with_right, _) = {
        lab.heals();
        let elsewhere = tempfile::tempdir().unwrap();
        Store::open(&lab.nomad, &lab.owner, elsewhere.path())
            .await
            .unwrap()
    };
    let latest = Entry {
        written: entry(0).written + jiff::SignedDuration::from_hours(24 * 365 * 50),
        ..entry(9)
    };
    with_right
        .record(vec![Change::Put(key("new"), latest), put("other", 8)])
        .await
        .unwrap();

    let (mut store, _) = lab.open().await;
    store.record(vec![put("last", 10)]).await.unwrap();
    assert_eq!(reason_of(&store), None);
    assert!(lab.files().is_empty());
    let want = as_found(&[
        put("new", 9),
        put("shop", 5),
        put("other", 8),
        put("last", 10),
    ]);
    assert_eq!(lab.numbers().await, want);
}

/// Written a minute later.
fn newer(job: &str, number: u64) -> Change {
    let mut entry = entry(number);
    entry.written += jiff::SignedDuration::from_mins(1);
    Change::Put(key(job), entry)
}

#[tokio::test]
async fn who_may_use_the_root_alone_is_told_so_and_nothing_is_pruned_on_a_part() {
    let lab = Lab::start().await;
    let parts = "/v1/var/cs/inventory/web/*";
    lab.record(many(0..600)).await;
    lab.fails([may_not("", parts)]);
    let (mut store, _) = lab.open().await;
    // What does not fit into the root any more goes to the file.
    store.record(many(600..1000)).await.unwrap();
    assert_eq!(reason_of(&store), Some(Reason::MayNotWrite));
    assert_eq!(lab.numbers().await, as_found(&many(0..1000)));

    lab.heals();
    lab.record(vec![]).await;
    assert!(lab.files().is_empty() && lab.paths().await.len() > 1);
    lab.fails([may_not("", parts)]);
    let error = lab.try_open().await.unwrap_err();
    assert!(matches!(error, InventoryError::Hidden { .. }), "{error}");
    assert!(error.help().contains("cs/inventory/*"));
}

#[tokio::test]
async fn a_token_that_loses_its_rights_on_the_way_loses_no_entry() {
    let lab = Lab::start().await;
    let (mut store, _) = lab.open().await;
    store.record(vec![put("first", 1)]).await.unwrap();
    lab.tamper("cs/inventory/web", |items| {
        drop(items.insert("note".to_owned(), String::new()))
    })
    .await;
    // The write meets a conflict, and the read after it is refused.
    lab.fails([may_not("GET", ALL)]);
    store.record(vec![put("second", 2)]).await.unwrap();
    assert_eq!(reason_of(&store), Some(Reason::MayNotWrite));
    lab.heals();
    assert_eq!(
        lab.numbers().await,
        as_found(&[put("first", 1), put("second", 2)])
    );
}

#[tokio::test]
async fn an_empty_list_of_owners_is_believed_only_from_a_token_that_may_read() {
    let lab = Lab::start().await;
    assert_eq!(owners(&lab.nomad).await.unwrap(), []);
    lab.record(vec![put("shop", 1)]).await;
    lab.fails([may_not("", ALL), sees_nothing()]);
    let error = owners(&lab.nomad).await.unwrap_err();
    assert!(matches!(error, InventoryError::Forbidden { .. }), "{error}");
}
