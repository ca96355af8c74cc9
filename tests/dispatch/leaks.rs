//! No secret of the params is ever shown: not in a debug print, an error, a warning or the workload's YAML.

use cs::dispatch::{ConvertOptions, Task, convert, parse, readable_ids, to_yaml};
use cs::secret::Secret;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{image_params, merge, parsed, repository_params};

/// Every field that holds a secret, each filled with the canary.
fn with_secrets(canary: &str) -> Value {
    let mut params = repository_params(json!({
        "imageName": "i", "nomadToken": canary, "roleId": canary, "secretId": canary, "vaultAddress": "https://v.example",
        "secretsPath": "p/data/x", "accessToken": canary, "backendUrl": "https://b.example", "gitPass": canary,
        "registry": {"registryToken": canary, "registrySource": canary},
        "build": {"registryUsername": canary, "registryPassword": canary},
    }));
    merge(
        &mut params,
        json!({"sourceUrl": format!("https://s3.example/x?sig={canary}")}),
    );
    params
}

proptest! {
    #[test]
    fn a_canary_in_every_secret_field_is_never_shown(
        tail in "[a-zA-Z0-9]{8,24}",
        upload in any::<bool>(),
        inner_token in any::<bool>(),
    ) {
        let canary = format!("CANARY{tail}");
        let mut wire = with_secrets(&canary);
        if upload {
            merge(&mut wire, json!({"sourceType": "local_upload"}));
        }
        if inner_token {
            merge(&mut wire, json!({"repository": format!("https://x:{canary}@git.example/a/b")}));
        }
        let params = parsed(Task::DeployRepository, &wire);
        let options = ConvertOptions { access_token: Some(Secret::new(canary.clone())), ..ConvertOptions::default() };
        let converted = convert(&params, &options).unwrap();
        let shown = format!(
            "{params:?} {options:?} {converted:?} {}",
            to_yaml(&converted.workload)
        );
        prop_assert!(!shown.contains(&canary), "{}", shown);
        // The test is worth something only if the secrets have arrived.
        let kept = converted.run.secrets.values().filter(|s| s.expose().contains(&canary)).count();
        prop_assert_eq!(kept, 7);
    }

    #[test]
    fn a_canary_in_any_field_is_never_part_of_an_error(
        field in prop::sample::select(vec![
            "jobId", "deploymentId", "serviceId", "cpu", "userId", "replicaCount", "networks", "update", "deploy", "tls",
            "restartAttempts", "usesKvEngine", "configFiles", "csiVolume", "consul", "registry", "jobConfig", "build",
        ]),
        wrap in 0_usize..5,
        broken in any::<bool>(),
    ) {
        let canary = "CANARY/ \u{1}value";
        let value = match wrap {
            0 => json!(canary),
            1 => json!([canary]),
            2 => json!([{"portNumber": canary, "path": format!("../{canary}"), "content": canary, "id": 5}]),
            3 => json!({"type": canary, "builder": canary, "rootDirectory": format!("../{canary}"), "canary": canary,
                "minHealthyTime": canary, "linkedServices": canary, "pack": 7}),
            _ => json!({"x": canary, canary: canary, "buildArgs": {canary: 1}}),
        };
        let mut wire = image_params(json!({}));
        merge(&mut wire, json!({ field: value }));
        let mut text = wire.to_string();
        if broken {
            text.truncate(text.len() - 1);
        }
        for task in Task::ALL {
            let error = match parse(task, text.as_bytes()) {
                Err(error) => error.to_string() + &format!("{error:?}"),
                Ok(cs::dispatch::Params::Deploy(params)) => {
                    convert(&params, &ConvertOptions::default()).map_or_else(|error| format!("{error} {error:?}"), |_| String::new())
                }
                Ok(cs::dispatch::Params::Destroy(_)) => String::new(),
            };
            prop_assert!(!error.contains("CANARY"), "{}", error);
        }
        let _ = readable_ids(text.as_bytes());
    }

    #[test]
    fn no_bytes_at_all_make_the_reader_panic(text in prop::collection::vec(any::<u8>(), 0..200), brace in any::<bool>()) {
        let mut text = text;
        if brace {
            text.insert(0, b'{');
        }
        for task in Task::ALL {
            let _ = parse(task, &text);
        }
        let _ = readable_ids(&text);
    }
}
