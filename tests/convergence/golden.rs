//! Jobs of the platform, registered and read back: no difference is left.

use cs::clients::nomad::{ConnectionConfig, NomadClient};
use cs::ids::{JobId, ModifyIndex};
use cs::reconcile::diff::{DiffOptions, diff};
use cs::simulator::{Options, Simulator};

use crate::compile::{CASES, golden_job};

#[tokio::test]
async fn no_golden_job_differs_from_what_the_simulator_stores_of_it() {
    let pools = ["minions", "gpu-minions", "db-pool"].map(str::to_owned);
    let options = Options::default().with_shared_pools(pools);
    let simulator = Simulator::start(options)
        .await
        .expect("the loopback has free ports");
    let client = NomadClient::new(ConnectionConfig::new(&simulator.url).expect("an address"))
        .expect("a client");
    for name in CASES {
        let job = golden_job(name);
        let id: JobId = job["ID"]
            .as_str()
            .expect("an id")
            .parse()
            .expect("a valid id");
        client
            .register(&job, ModifyIndex::MUST_BE_NEW, None)
            .await
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let stored = client
            .job(&id)
            .await
            .expect("a read")
            .value
            .expect("it was registered");
        let drift = diff(&job, &stored.spec, &DiffOptions::default());
        assert!(drift.is_empty(), "{name}:\n{drift}");
    }
}
