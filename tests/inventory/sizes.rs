//! How much it costs.

use std::time::Instant;

use super::lab::{Lab, as_found, many};

#[tokio::test]
async fn a_thousand_jobs_take_three_reads_and_ten_thousand_at_most_twenty() {
    let lab = Lab::start().await;
    let (mut store, _) = lab.open().await;
    store.record(many(0..1000)).await.unwrap();
    lab.asked();
    assert_eq!(lab.numbers().await, as_found(&many(0..1000)));
    let asked = lab.asked();
    assert!(asked["GET"] <= 3 && asked.len() == 1, "{asked:?}");

    // As fleets grow: some jobs at a time.
    for start in (1000..10_000).step_by(1500) {
        store.record(many(start..start + 1500)).await.unwrap();
    }
    lab.asked();
    let begin = Instant::now();
    assert_eq!(lab.numbers().await, as_found(&many(0..10_000)));
    eprintln!(
        "10,000 entries opened in {:?}, not optimised",
        begin.elapsed()
    );
    let asked = lab.asked();
    assert!(asked["GET"] <= 20, "{asked:?}");
    let paths = lab.paths().await;
    assert_eq!(paths.len(), asked["GET"], "nothing is left over");
}

#[tokio::test]
async fn one_change_is_one_write_however_many_jobs_there_are() {
    let lab = Lab::start().await;
    lab.record(many(0..2000)).await;
    let (mut store, _) = lab.open().await;
    lab.asked();
    store.record(many(5..6)).await.unwrap();
    assert_eq!(lab.asked(), Default::default(), "it stands already");
    store.record(vec![super::lab::put("new", 1)]).await.unwrap();
    assert_eq!(lab.asked(), [("PUT".to_owned(), 1)].into());
}
