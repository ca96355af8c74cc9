//! The local file: private, whole, and shared by runs on one machine.

use std::os::unix::fs::PermissionsExt as _;

use cs::clients::nomad::{ConnectionConfig, NomadClient};
use cs::inventory::{Inventory, InventoryError, Store};
use cs::simulator::{Effect, Matcher};

use super::lab::{Lab, as_found, many, put};

/// A lab whose token may not use variables.
async fn lab() -> Lab {
    let lab = Lab::start().await;
    lab.fails([(Matcher::new("", "/v1/var/*"), Effect::Forbidden)]);
    lab
}

#[tokio::test]
async fn runs_at_once_lose_nothing_of_each_other() {
    let lab = lab().await;
    let mut runs = Vec::new();
    for run in 0..5 {
        let (mut store, _) = lab.open().await;
        runs.push(async move {
            for number in run * 10..(run + 1) * 10 {
                store.record(many(number..number + 1)).await.unwrap();
            }
        });
    }
    futures::future::join_all(runs).await;
    assert_eq!(lab.numbers().await, as_found(&many(0..50)));
}

#[tokio::test]
async fn the_file_is_private_and_says_what_it_is_about() {
    let lab = lab().await;
    lab.record(vec![put("shop", 1)]).await;
    let path = lab.files().remove(0);
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o600);
    assert_eq!(mode(path.parent().unwrap()), 0o700);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(
        text.contains("\"owner\": \"web\"") && text.contains(&lab.simulator().url),
        "{text}"
    );
}

#[tokio::test]
async fn another_cluster_region_namespace_or_owner_has_another_file() {
    let lab = lab().await;
    lab.record(vec![put("shop", 1)]).await;
    let other = self::lab().await;
    let mut config = ConnectionConfig::new(&lab.simulator().url).unwrap();
    config.region = Some("north".to_owned());
    let north = NomadClient::new(config).unwrap();
    let team = lab.nomad.in_namespace(&"team".parse().unwrap());
    let (web, upper) = (&lab.owner, super::lab::owner("Web"));
    for (nomad, owner) in [
        (&other.nomad, web),
        (&north, web),
        (&team, web),
        (&lab.nomad, &upper),
    ] {
        let (mut store, found) = Store::open(nomad, owner, lab.state_dir()).await.unwrap();
        assert_eq!(found, Inventory::default(), "{nomad:?} {owner}");
        store.record(vec![put("shop", 2)]).await.unwrap();
    }
    assert_eq!(lab.files().len(), 5);
    assert_eq!(lab.numbers().await, as_found(&[put("shop", 1)]));
}

#[tokio::test]
async fn a_file_that_cannot_be_read_is_an_error_and_stays() {
    let lab = lab().await;
    lab.record(vec![put("shop", 1)]).await;
    let path = lab.files().remove(0);
    let good = std::fs::read_to_string(&path).unwrap();
    for (text, newer) in [
        ("", false),
        ("[]", false),
        (&good[..good.len() / 2], false),
        (&good.replace("\"web\"", "\"other\""), false),
        (&good.replace("v1 ", "v9 "), true),
        (&good.replace("\"version\": 1", "\"version\": 2"), true),
        (&good.replace("default/shop", "shop"), false),
    ] {
        std::fs::write(&path, text).unwrap();
        let error = lab.try_open().await.unwrap_err();
        assert_eq!(
            matches!(error, InventoryError::Newer { .. }),
            newer,
            "{text}: {error}"
        );
        assert!(
            error.to_string().contains(path.to_str().unwrap()),
            "{error}"
        );
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    }
    // Also for who may use the variables: what is in it may not be in them.
    lab.heals();
    assert!(lab.try_open().await.is_err());
}

#[tokio::test]
async fn a_state_directory_that_cannot_be_written_is_an_error_with_its_path() {
    let lab = lab().await;
    let file = lab.state_dir().join("inventory");
    std::fs::write(&file, "in the way").unwrap();
    let opened = lab.try_open().await;
    let error = match opened {
        Err(error) => error,
        Ok((mut store, _)) => store.record(vec![put("shop", 1)]).await.unwrap_err(),
    };
    assert!(matches!(error, InventoryError::File { .. }), "{error}");
    assert!(
        error.to_string().contains(file.to_str().unwrap()),
        "{error}"
    );
}
