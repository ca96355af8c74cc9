use super::*;

fn url(text: &str) -> Url {
    Url::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn judged(reach: Reach, allow: &str, text: &str) -> Result<(), String> {
    let egress = Egress::new(reach, allow, &[]).unwrap();
    egress
        .judge(&url(text))
        .map_err(|refused| refused.to_string())
}

const ALWAYS_REFUSED: [&str; 24] = [
    "http://169.254.169.254/latest/meta-data/",
    "http://169.254.170.2/",
    "http://2852039166/",
    "http://0xa9fea9fe/",
    "http://0251.0376.0251.0376/",
    "http://169.254.43518/",
    "http://[::ffff:169.254.169.254]/",
    "http://[::ffff:a9fe:a9fe]/",
    "http://[::169.254.169.254]/",
    "http://[::ffff:0:169.254.169.254]/",
    "http://[64:ff9b::169.254.169.254]/",
    "http://[64:ff9b:1::a9fe:a9fe]/",
    "http://[2002:a9fe:a9fe::1]/",
    "http://[fe80::1]/",
    "http://[fd00:ec2::254]/",
    "http://[fd20:ce::254]/",
    "http://100.100.100.200/",
    "http://192.0.0.192/",
    "http://168.63.129.16/",
    "http://0.0.0.0/",
    "http://[::]/",
    "http://255.255.255.255/",
    "http://224.0.0.1/",
    "http://metadata.google.internal/",
];

const THIS_MACHINE: [&str; 12] = [
    "http://127.0.0.1:4646/v1/jobs",
    "http://127.1/",
    "http://2130706433/",
    "http://0x7f.1/",
    "http://0177.0.0.1/",
    "http://[::1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[64:ff9b::7f00:1]/",
    "http://localhost/",
    "http://LOCALHOST./",
    "http://a.localhost/",
    "http://１２７.0.0.1/",
];

const PRIVATE: [&str; 7] = [
    "http://10.0.0.5:9000/a",
    "http://172.31.255.255/",
    "http://192.168.1.1/",
    "http://100.64.0.1/",
    "http://[fd12::1]/",
    "http://[::ffff:10.0.0.1]/",
    "http://198.18.0.1/",
];

const PUBLIC: [&str; 5] = [
    "https://git.example/a/b",
    "https://8.8.8.8/",
    "https://172.32.0.1/",
    "https://[2606:4700::1111]/",
    "https://[2002:0808:0808::1]/",
];

#[test]
fn each_reach_has_its_bound_in_every_spelling_of_an_address() {
    let cases = [
        (&ALWAYS_REFUSED[..], Reach::Any),
        (&THIS_MACHINE, Reach::Local),
        (&PRIVATE, Reach::Private),
        (&PUBLIC, Reach::Public),
    ];
    for (addresses, least) in cases {
        for address in addresses {
            for reach in [Reach::Public, Reach::Private, Reach::Local, Reach::Any] {
                let outcome = judged(reach, "", address);
                assert_eq!(
                    outcome.is_ok(),
                    reach >= least,
                    "{address} {reach:?} {outcome:?}"
                );
            }
        }
    }
}

#[test]
fn only_http_and_https_are_called() {
    for other in [
        "ftp://h/",
        "file:///etc/passwd",
        "unix:/run/docker.sock",
        "data:,x",
    ] {
        assert!(judged(Reach::Any, "", other).is_err(), "{other}");
    }
}

#[test]
fn an_exception_is_for_its_host_or_network_and_its_port() {
    for (allow, covered, other) in [
        (
            "127.0.0.1:5000",
            "http://127.0.0.1:5000/",
            "http://127.0.0.1:4646/",
        ),
        (
            "localhost",
            "http://localhost:5000/",
            "http://127.0.0.1:5000/",
        ),
        ("127.0.0.0/8", "http://127.9.9.9/", "http://[::1]/"),
        ("[::1]:80", "http://[::1]/", "http://[::1]:81/"),
        ("::1", "http://[::1]:81/", "http://127.0.0.1/"),
        (
            "169.254.20.10",
            "http://169.254.20.10/",
            "http://169.254.20.11/",
        ),
        ("*.localhost", "http://a.localhost/", "http://localhost/"),
        (
            "fe80::/10, localhost:1",
            "http://[fe80::1]/",
            "http://localhost:2/",
        ),
        (
            "metadata.google.internal:80",
            "http://metadata.google.internal/",
            "http://metadata.goog/",
        ),
        (
            "127.0.0.1",
            "http://[::ffff:127.0.0.1]/",
            "http://127.0.0.2/",
        ),
    ] {
        assert_eq!(judged(Reach::Private, allow, covered), Ok(()), "{allow}");
        assert!(
            judged(Reach::Private, allow, other).is_err(),
            "{allow} {other}"
        );
    }
}

#[test]
fn a_text_that_is_no_exception_is_not_repeated() {
    for bad in [
        "can ary",
        "10.0.0.0/33",
        "canary:0",
        "canary:99999",
        "http://canary/",
        "canary/8",
        "*.",
        "[::1",
    ] {
        let error = Egress::new(Reach::Private, bad, &[]).unwrap_err();
        assert!(!error.to_string().contains("canary"), "{bad}");
    }
}

fn dialled(egress: &Egress, name: &str, found: &[&str]) -> Result<Vec<String>, String> {
    let target = Target::of(&url(&format!("https://{name}/path?sig=canary")));
    let found = found
        .iter()
        .map(|ip| SocketAddr::new(ip.parse().unwrap(), 0));
    egress
        .dialled(&target, name, found)
        .map(|kept| {
            kept.iter()
                .map(|address| address.ip().to_string())
                .collect()
        })
        .map_err(|refused| refused.to_string())
}

#[test]
fn a_name_is_dialled_only_where_it_may_lead() {
    let egress = Egress::of(Reach::Private);
    let mixed = ["127.0.0.1", "::1", "10.0.0.7", "169.254.169.254"];
    assert_eq!(
        dialled(&egress, "evil.example", &mixed),
        Ok(vec!["10.0.0.7".to_owned()])
    );
    let error = dialled(&egress, "evil.example", &["169.254.169.254"]).unwrap_err();
    for part in [
        "https://evil.example:443",
        "169.254.169.254",
        "link-local",
        "CS_EGRESS_ALLOW=evil.example:443",
    ] {
        assert!(error.contains(part), "{error}");
    }
    assert!(
        !error.contains("canary") && !error.contains("path"),
        "{error}"
    );
    let error = dialled(&egress, "evil.example", &["127.0.0.1"]).unwrap_err();
    assert!(error.contains("CS_EGRESS=local"), "{error}");
}

#[test]
fn a_proxy_is_dialled_wherever_it_is() {
    let proxies = [
        "http://u:p@Proxy.example:3128".to_owned(),
        "other:8080".to_owned(),
    ];
    let egress = Egress::new(Reach::Public, "", &proxies).unwrap();
    for proxy in ["proxy.example", "other"] {
        assert!(dialled(&egress, proxy, &["127.0.0.1"]).is_ok(), "{proxy}");
    }
    assert!(dialled(&egress, "example", &["127.0.0.1"]).is_err());
}

#[tokio::test]
async fn a_name_that_leads_to_this_machine_is_refused_when_it_is_dialled() {
    let egress = Egress::of(Reach::Private);
    let builder = reqwest::Client::builder()
        .tls_backend_preconfigured(super::super::tls::no_trust().unwrap())
        .no_proxy();
    // `localhost` would be refused by its name: the client is made for another one.
    let harmless = url("http://git.example:9/");
    let client = egress.guard(builder, &harmless).unwrap().build().unwrap();
    let error = client.get("http://localhost:9/").send().await.unwrap_err();
    let refused = refusal(&error).expect("the resolver refuses");
    assert!(refused.to_string().contains("this machine"), "{refused}");
}
