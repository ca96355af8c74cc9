use super::*;
use crate::config::file::ConfigFile;

const FILE: &str = "\
currentContext: prod
contexts:
  prod:
    address: https://prod.example:4646
    region: eu
    namespace: shop
    owner: storefront
    token: {fromEnv: PROD_TOKEN}
    httpAuth: {fromEnv: PROD_AUTH}
    caCert: ca.pem
    caPath: ~/cas
    clientCert: /c.pem
    clientKey: k.pem
    tlsServerName: server.eu.nomad
    tlsSkipVerify: true
  dev:
    address: http://127.0.0.1:1
  bare:
    token: {fromEnv: PROD_TOKEN}
";

fn loaded(text: &str) -> Loaded {
    let path = PathBuf::from("/etc/cs/config.yaml");
    Loaded {
        file: ConfigFile::parse(&path, text).unwrap(),
        path: Some(path),
        exposed: None,
    }
}

fn environment(pairs: &[(&str, &str)]) -> Environment {
    let always = [
        ("PROD_TOKEN", "prod-canary"),
        ("PROD_AUTH", "me:canary"),
        ("HOME", "/home/me"),
    ];
    let all = always.iter().chain(pairs);
    Environment(
        all.map(|(name, value)| ((*name).to_owned(), (*value).into()))
            .collect(),
    )
}

fn flags(context: Option<&str>, address: Option<&str>) -> Flags {
    Flags {
        context: context.map(|name| name.parse().unwrap()),
        address: address.map(Secret::from),
        ..Flags::default()
    }
}

/// Address, namespace and token that a command would use.
#[track_caller]
fn used(flags: &Flags, pairs: &[(&str, &str)]) -> (String, String, String) {
    let environment = environment(pairs);
    let choice = choose(flags, &environment, &loaded(FILE)).unwrap();
    let config = choice.connection(&environment).unwrap();
    (
        config.address.to_string(),
        config
            .namespace
            .map_or_else(String::new, |it| it.to_string()),
        config
            .token
            .map_or_else(String::new, |it| it.expose().to_owned()),
    )
}

#[test]
fn flags_win_over_the_environment_and_that_over_the_file() {
    let prod = "https://prod.example:4646";
    let (other, flagged) = ("http://other:1", "http://flag:1");
    let address = ("NOMAD_ADDR", other);
    let namespace = ("NOMAD_NAMESPACE", "env");
    let token = ("NOMAD_TOKEN", "env-canary");
    let dev = ("CS_CONTEXT", "dev");
    let local = "http://127.0.0.1:1";
    type Row<'a> = (
        Option<&'a str>,
        Option<&'a str>,
        &'a [(&'a str, &'a str)],
        [&'a str; 3],
    );
    let rows: [Row<'_>; 13] = [
        // --context, --address, environment → address, namespace, token
        (None, None, &[], [prod, "shop", "prod-canary"]),
        (None, None, &[namespace], [prod, "env", "prod-canary"]),
        (None, None, &[token], [prod, "shop", "env-canary"]),
        // The token of a context goes to no other address.
        (None, None, &[address], [other, "shop", ""]),
        (None, None, &[address, token], [other, "shop", "env-canary"]),
        (None, Some(flagged), &[address], [flagged, "shop", ""]),
        (
            None,
            Some("https://prod.example:4646/"),
            &[],
            [prod, "shop", "prod-canary"],
        ),
        // Which context.
        (None, None, &[dev], [local, "", ""]),
        (Some("prod"), None, &[dev], [prod, "shop", "prod-canary"]),
        // A context that is named by a flag counts as one.
        (
            Some("prod"),
            None,
            &[address, namespace, token],
            [prod, "shop", "prod-canary"],
        ),
        (
            Some("dev"),
            None,
            &[address, namespace, token],
            [local, "env", "env-canary"],
        ),
        (
            Some("prod"),
            Some(flagged),
            &[token],
            [flagged, "shop", "env-canary"],
        ),
        // A context without an address is for any.
        (Some("bare"), None, &[address], [other, "", "prod-canary"]),
    ];
    for (context, given, pairs, expected) in rows {
        let (address, namespace, token) = used(&flags(context, given), pairs);
        assert_eq!(
            [&*address, &*namespace, &*token],
            expected,
            "--context {context:?} --address {given:?} {pairs:?}"
        );
    }
}

#[test]
fn every_setting_has_its_three_places_in_order() {
    let everywhere: Vec<(&str, &str)> = vec![
        ("NOMAD_REGION", "us"),
        ("NOMAD_NAMESPACE", "env"),
        ("NOMAD_HTTP_AUTH", "e:canary"),
        ("NOMAD_CACERT", "/e/ca"),
        ("NOMAD_CAPATH", "/e/cas"),
        ("NOMAD_CLIENT_CERT", "/e/c"),
        ("NOMAD_CLIENT_KEY", "/e/k"),
        ("NOMAD_TLS_SERVER_NAME", "env.nomad"),
        ("NOMAD_SKIP_VERIFY", "0"),
    ];
    let told = |flags: &Flags, pairs: &[(&str, &str)]| {
        let choice = choose(flags, &environment(pairs), &loaded(FILE)).unwrap();
        let shown = Key::ALL.map(|key| choice.shown(key).unwrap_or_default());
        let origins = Key::ALL.map(|key| choice.origin(key).cloned());
        (shown, origins)
    };
    let (shown, origins) = told(&Flags::default(), &[]);
    assert_eq!(
        shown,
        [
            "https://prod.example:4646",
            "eu",
            "shop",
            "variable PROD_TOKEN",
            "variable PROD_AUTH",
            "/etc/cs/ca.pem",
            "/home/me/cas",
            "/c.pem",
            "/etc/cs/k.pem",
            "server.eu.nomad",
            "true"
        ]
    );
    for (key, origin) in Key::ALL.iter().zip(&origins) {
        let origin = origin.as_ref().unwrap().to_string();
        let member = format!("contexts.prod.{} (/etc/cs/config.yaml:", key.member());
        assert!(origin.starts_with(&member), "{origin}");
    }
    let (shown, origins) = told(&Flags::default(), &everywhere);
    assert_eq!(shown[1..3], ["us", "env"]);
    assert_eq!(
        shown[4..],
        ["set", "/e/ca", "/e/cas", "/e/c", "/e/k", "env.nomad", "0"]
    );
    for (key, origin) in Key::ALL.iter().zip(&origins).skip(4) {
        assert_eq!(*origin, Some(Origin::Variable(key.variable())));
    }
    let all = Flags {
        address: Some("https://f:1".into()),
        region: Some("flag".to_owned()),
        namespace: Some("flag".parse().unwrap()),
        token_file: Some("/f/t".into()),
        ca_cert: Some("/f/ca".into()),
        ca_path: Some("/f/cas".into()),
        client_cert: Some("/f/c".into()),
        client_key: Some("/f/k".into()),
        tls_server_name: Some("flag.nomad".to_owned()),
        tls_skip_verify: true,
        context: None,
    };
    let (shown, origins) = told(&all, &everywhere);
    assert_eq!(shown[..4], ["https://f:1", "flag", "flag", "file /f/t"]);
    assert_eq!(
        shown[5..],
        ["/f/ca", "/f/cas", "/f/c", "/f/k", "flag.nomad", "true"]
    );
    let by_flag = origins.iter().flatten();
    assert_eq!(
        by_flag
            .filter(|origin| matches!(origin, Origin::Flag(_)))
            .count(),
        10
    );
}

#[test]
fn what_belongs_to_another_address_is_withheld_and_told() {
    let pairs = [("NOMAD_ADDR", "http://h:1"), ("NOMAD_REGION", "us")];
    let choice = choose(&Flags::default(), &environment(&pairs), &loaded(FILE)).unwrap();
    assert_eq!(choice.overridden, [Key::Address, Key::Region]);
    assert_eq!(choice.withheld, Key::ALL[3..]);
    assert_eq!(choice.shown(Key::TlsSkipVerify), None);
    assert_eq!(choice.owner.0.as_str(), "storefront");
}

#[test]
fn credentials_in_a_flag_win_over_those_of_the_environment() {
    let environment = environment(&[("NOMAD_HTTP_AUTH", "e:canary")]);
    let given = flags(Some("dev"), Some("http://f:secret@h:1"));
    let choice = choose(&given, &environment, &loaded(FILE)).unwrap();
    assert_eq!(choice.shown(Key::Address).as_deref(), Some("http://h:1"));
    let config = choice.connection(&environment).unwrap();
    assert_eq!(config.http_auth.unwrap().user, "f");
    assert!(!format!("{choice:?} {given:?}").contains("secret"));
}

#[test]
fn an_error_calls_a_setting_what_the_user_called_it() {
    let told = |flags: &Flags, pairs: &[(&str, &str)], file: &str| {
        let environment = environment(pairs);
        let choice = choose(flags, &environment, &loaded(file)).unwrap();
        let error = choice.connection(&environment).unwrap_err();
        crate::clients::chain(&error)
    };
    let none = Flags::default();
    let error = told(&flags(None, Some("canary")), &[], "");
    assert!(error.starts_with("--address must be an address"), "{error}");
    let error = told(&none, &[("NOMAD_UNIX_ADDR", "canary")], "");
    assert!(error.starts_with("NOMAD_UNIX_ADDR must be"), "{error}");
    let one = "currentContext: a\ncontexts:\n  a:\n    clientKey: k.pem\n";
    assert_eq!(
        told(&none, &[], one),
        "NOMAD_CLIENT_CERT and contexts.a.clientKey (/etc/cs/config.yaml:4) must be set together"
    );
    let one = "currentContext: a\ncontexts:\n  a:\n    token: {fromEnv: NOT_SET}\n";
    assert_eq!(
        told(&none, &[], one),
        "contexts.a.token (/etc/cs/config.yaml:4) cannot be used: the environment variable NOT_SET is not set"
    );
    for error in [
        told(&none, &[("NOMAD_TOKEN", "can ary")], ""),
        told(&none, &[("NOMAD_SKIP_VERIFY", "canary")], ""),
    ] {
        assert!(!error.contains("can"), "{error}");
    }
}

#[test]
fn a_context_that_is_not_there_is_an_error_with_a_hint() {
    let told = |flags: &Flags, pairs: &[(&str, &str)], file: &str| match choose(
        flags,
        &environment(pairs),
        &loaded(file),
    )
    .unwrap_err()
    {
        error @ ChoiceError::UnknownContext { .. } => {
            let ChoiceError::UnknownContext { help, .. } = &error else {
                unreachable!("matched above")
            };
            format!("{error}: {help}")
        }
        error => panic!("{error:?}"),
    };
    let none = Flags::default();
    assert_eq!(
        told(&flags(Some("prd"), None), &[], FILE),
        "there is no context `prd` (--context): did you mean `prod`?"
    );
    assert_eq!(
        told(&none, &[("CS_CONTEXT", "moon base")], FILE),
        "there is no context `moon base` (CS_CONTEXT): /etc/cs/config.yaml holds bare, dev, prod"
    );
    assert_eq!(
        told(&none, &[], "currentContext: x\n"),
        "there is no context `x` (currentContext (/etc/cs/config.yaml:1)): /etc/cs/config.yaml holds no context; \
         `cs context set NAME --address ADDRESS` makes one"
    );
}

#[test]
fn a_program_of_a_file_that_others_may_write_is_not_run() {
    let text = "currentContext: a\ncontexts:\n  a:\n    token: {fromCommand: [touch, /nonexistent/canary]}\n";
    let loaded = Loaded {
        exposed: Some("chmod".to_owned()),
        ..loaded(text)
    };
    let environment = environment(&[]);
    let choice = choose(&Flags::default(), &environment, &loaded).unwrap();
    let error = crate::clients::chain(&choice.connection(&environment).unwrap_err());
    assert!(error.contains("`touch` is not run"), "{error}");
}

#[test]
fn the_owner_is_that_of_the_environment_then_of_the_context_then_cs() {
    let owner = |flags: &Flags, pairs: &[(&str, &str)]| {
        let choice = choose(flags, &environment(pairs), &loaded(FILE));
        choice
            .map(|choice| choice.owner.0.to_string())
            .map_err(|error| error.to_string())
    };
    let none = Flags::default();
    assert_eq!(owner(&none, &[]).as_deref(), Ok("storefront"));
    assert_eq!(owner(&none, &[("CS_OWNER", "me")]).as_deref(), Ok("me"));
    let named = flags(Some("prod"), None);
    assert_eq!(
        owner(&named, &[("CS_OWNER", "me")]).as_deref(),
        Ok("storefront")
    );
    assert_eq!(owner(&flags(Some("dev"), None), &[]).as_deref(), Ok("cs"));
    assert!(
        owner(&none, &[("CS_OWNER", "a\nb")])
            .unwrap_err()
            .starts_with("CS_OWNER ")
    );
}
