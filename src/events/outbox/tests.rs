use std::os::unix::fs::PermissionsExt as _;

use proptest::prelude::*;

use super::super::subject::{Subject, SubjectPrefix};
use super::*;

fn message(id: &str) -> Message {
    Message {
        id: id.to_owned(),
        subject: Subject::job_destroyed(&SubjectPrefix::default()),
        payload: r#"{"id":"é","reason":"r"}"#.into(),
        trace: None,
    }
}

fn next(outbox: &Outbox, lane: &str) -> Option<Entry> {
    match outbox.head(lane, u64::MAX).unwrap() {
        Head::Entry(entry) => Some(entry),
        Head::Done => None,
        Head::Busy => panic!("nobody else uses the lane"),
    }
}

/// Sends everything in a lane and returns the ids in the order in which they were sent.
fn drain(outbox: &Outbox, lane: &str) -> Vec<String> {
    std::iter::from_fn(|| {
        let entry = next(outbox, lane)?;
        outbox.settle(lane, &entry).unwrap();
        Some(entry.message.id)
    })
    .collect()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn events_are_offered_in_order_until_they_are_settled() {
    let dir = tempfile::tempdir().unwrap();
    let outbox = Outbox::open(dir.path()).unwrap();
    assert_eq!(outbox.keep("d", &message("1")).unwrap(), Kept::Waiting(1));
    assert_eq!(outbox.keep("d", &message("2")).unwrap(), Kept::Waiting(2));
    assert_eq!(next(&outbox, "d").unwrap().message, message("1"));
    assert_eq!(next(&outbox, "d").unwrap().message, message("1"));
    assert_eq!(drain(&outbox, "d"), ["1", "2"]);
    assert_eq!(outbox.keep("d", &message("1")).unwrap(), Kept::SentBefore);
}

#[test]
fn a_position_is_not_used_twice() {
    let dir = tempfile::tempdir().unwrap();
    let first = Outbox::open(dir.path()).unwrap();
    first.keep("d", &message("1")).unwrap();
    drain(&first, "d");
    drop(first);
    let second = Outbox::open(dir.path()).unwrap();
    assert_eq!(second.keep("d", &message("2")).unwrap(), Kept::Waiting(2));
}

#[test]
fn a_waiting_event_is_not_kept_twice() {
    let dir = tempfile::tempdir().unwrap();
    let outbox = Outbox::open(dir.path()).unwrap();
    outbox.keep("d", &message("1")).unwrap();
    assert_eq!(outbox.keep("d", &message("1")).unwrap(), Kept::Waiting(1));
    assert_eq!(drain(&outbox, "d"), ["1"]);
}

#[test]
fn only_the_owner_can_read_events_and_ledger() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("outbox")).unwrap();
    let outbox = Outbox::open(dir.path()).unwrap();
    outbox.keep("d", &message("1")).unwrap();
    let lane = dir.path().join("outbox/d");
    assert_eq!(mode(&dir.path().join("outbox")), 0o700);
    assert_eq!(mode(&lane), 0o700);
    assert_eq!(mode(&lane.join("00000001.event")), 0o600);
    assert_eq!(mode(&lane.join("sent")), 0o600);
}

#[test]
fn a_lane_is_sent_by_one_process_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let first = Outbox::open(dir.path()).unwrap();
    let second = Outbox::open(dir.path()).unwrap();
    first.keep("d", &message("1")).unwrap();
    assert_eq!(second.keep("d", &message("1")).unwrap(), Kept::Waiting(1));
    assert!(matches!(second.head("d", u64::MAX).unwrap(), Head::Busy));
    assert_eq!(second.leftovers(), []);
    assert_eq!(drain(&first, "d"), ["1"]);
    assert!(matches!(second.head("d", u64::MAX).unwrap(), Head::Done));
    assert_eq!(second.keep("d", &message("1")).unwrap(), Kept::SentBefore);
}

#[test]
fn a_lane_is_not_let_go_while_another_process_relies_on_it() {
    let dir = tempfile::tempdir().unwrap();
    let first = Outbox::open(dir.path()).unwrap();
    let second = Outbox::open(dir.path()).unwrap();
    first.keep("d", &message("1")).unwrap();
    drain(&first, "d");
    second.keep("d", &message("2")).unwrap();
    assert!(!first.release("d"));
    assert_eq!(drain(&first, "d"), ["2"]);
    assert!(first.release("d"));
    assert_eq!(first.in_use(), [""; 0]);
    second.keep("d", &message("3")).unwrap();
    assert_eq!(drain(&second, "d"), ["3"]);
}

#[test]
fn what_a_dead_process_left_is_found_again() {
    let dir = tempfile::tempdir().unwrap();
    let dead = Outbox::open(dir.path()).unwrap();
    dead.keep("d", &message("1")).unwrap();
    dead.keep("d", &message("2")).unwrap();
    dead.keep("finished", &message("3")).unwrap();
    drain(&dead, "finished");
    drop(dead);
    let heir = Outbox::open(dir.path()).unwrap();
    assert_eq!(heir.leftovers(), [("d".to_owned(), 2)]);
    assert_eq!(drain(&heir, "d"), ["1", "2"]);
}

#[test]
fn an_event_that_was_sent_but_not_removed_is_not_sent_again() {
    let dir = tempfile::tempdir().unwrap();
    let outbox = Outbox::open(dir.path()).unwrap();
    outbox.keep("d", &message("1")).unwrap();
    outbox.keep("d", &message("2")).unwrap();
    fs::write(dir.path().join("outbox/d/sent"), "1\n").unwrap();
    assert_eq!(drain(&outbox, "d"), ["2"]);
    assert!(!dir.path().join("outbox/d/00000001.event").exists());
}

#[test]
fn an_event_nobody_will_accept_lets_the_next_one_pass_and_is_set_aside() {
    let dir = tempfile::tempdir().unwrap();
    let outbox = Outbox::open(dir.path()).unwrap();
    outbox.keep("d", &message("1")).unwrap();
    outbox.keep("d", &message("2")).unwrap();
    let first = next(&outbox, "d").unwrap();
    outbox.give_up("d", &first);
    assert_eq!(drain(&outbox, "d"), ["2"]);
    assert_eq!(aside(&dir.path().join("outbox/d"), ".refused"), 1);
}

#[test]
fn a_directory_that_cannot_be_used_is_an_error_that_names_it() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let error = Outbox::open(&file).unwrap_err();
    assert!(error.to_string().contains("file/outbox"), "{error}");
    assert!(error.to_string().contains("CS_STATE_DIR"), "{error}");
}

#[test]
fn finished_lanes_are_forgotten_after_their_time_and_waiting_ones_never() {
    let dir = tempfile::tempdir().unwrap();
    let outbox = Outbox::open(dir.path()).unwrap();
    for lane in ["finished", "waiting"] {
        outbox.keep(lane, &message(lane)).unwrap();
    }
    drain(&outbox, "finished");
    drop(outbox);
    let outbox = Outbox::open(dir.path()).unwrap();
    let lane = |name: &str| dir.path().join("outbox").join(name);
    outbox.prune(SystemTime::now());
    assert!(lane("finished").exists());
    outbox.prune(SystemTime::now() + 2 * LANE_LIFE);
    assert!(!lane("finished").exists());
    assert!(lane("waiting").exists());
}

#[test]
fn the_number_of_finished_lanes_is_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let outbox = Outbox::open(dir.path()).unwrap();
    for number in 0..MAX_LANES + 3 {
        fs::create_dir(dir.path().join(format!("outbox/lane-{number}"))).unwrap();
    }
    outbox.prune(SystemTime::now());
    assert_eq!(outbox.directories().len(), MAX_LANES);
}

#[test]
fn two_processes_that_announce_the_same_never_send_twice() {
    let dir = tempfile::tempdir().unwrap();
    let sent = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let outbox = Outbox::open(dir.path()).unwrap();
                for id in 0..20 {
                    outbox.keep("d", &message(&id.to_string())).unwrap();
                    if let Head::Entry(entry) = outbox.head("d", u64::MAX).unwrap() {
                        sent.lock().unwrap().push(entry.message.id.clone());
                        outbox.settle("d", &entry).unwrap();
                    }
                    outbox.release("d");
                }
            });
        }
    });
    let last = Outbox::open(dir.path()).unwrap();
    let mut sent = sent.into_inner().unwrap();
    sent.extend(drain(&last, "d"));
    let mut unique = sent.clone();
    unique.sort();
    unique.dedup();
    assert_eq!((sent.len(), unique.len()), (20, 20), "{sent:?}");
}

fn aside(lane: &Path, suffix: &str) -> usize {
    fs::read_dir(lane)
        .unwrap()
        .filter(|entry| {
            let name = entry.as_ref().unwrap().file_name();
            name.to_string_lossy().ends_with(suffix)
        })
        .count()
}

#[test]
fn a_file_cut_off_anywhere_is_moved_aside_and_hides_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let outbox = Outbox::open(dir.path()).unwrap();
    let lane = dir.path().join("outbox/d");
    outbox.keep("d", &message("1")).unwrap();
    let whole = fs::read(lane.join("00000001.event")).unwrap();
    fs::remove_file(lane.join("00000001.event")).unwrap();
    for length in 0..whole.len() {
        fs::write(lane.join("00000001.event"), &whole[..length]).unwrap();
        fs::write(lane.join("00000002.event"), &whole).unwrap();
        assert_eq!(next(&outbox, "d").unwrap().position, 2, "cut at {length}");
        assert_eq!(aside(&lane, ".damaged"), length + 1);
    }
}

#[test]
fn a_half_written_file_of_a_dead_process_is_moved_aside() {
    let dir = tempfile::tempdir().unwrap();
    let lane = dir.path().join("outbox/d");
    Outbox::open(dir.path()).unwrap();
    fs::create_dir(&lane).unwrap();
    fs::write(lane.join("00000001.partial"), "{").unwrap();
    let outbox = Outbox::open(dir.path()).unwrap();
    assert_eq!(outbox.leftovers(), []);
    assert_eq!(aside(&lane, ".damaged"), 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever happens to the bytes of one file, nothing panics, no other event is lost, and what is offered is what
    /// was kept.
    #[test]
    fn any_damage_to_a_file_costs_at_most_that_event(
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let outbox = Outbox::open(dir.path()).unwrap();
        outbox.keep("d", &message("1")).unwrap();
        outbox.keep("d", &message("2")).unwrap();
        let path = dir.path().join("outbox/d/00000001.event");
        let mut bytes = fs::read(&path).unwrap();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        fs::write(&path, bytes).unwrap();
        while let Some(entry) = next(&outbox, "d") {
            prop_assert_eq!(&entry.message, &message(&entry.message.id));
            outbox.settle("d", &entry).unwrap();
        }
        prop_assert_eq!(outbox.keep("d", &message("2")).unwrap(), Kept::SentBefore);
    }
}
