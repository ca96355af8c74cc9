//! What a job's state becomes when messages come in any order, twice, late or never.
//!
//! Messages are put in one order, and the state is the greatest message so far: build number first, then a result before
//! anything else, then the time that the message carries, then the graver status. So every order of the same messages ends
//! in the same state, repeats change nothing, a RUNNING never overwrites the result of its build, and what an older build
//! says late (its FAILURE, too) never overwrites what a newer one said.
//!
//! A run raises the floor: builds up to the newest one known by then belong to the past and only make it into the history.

use jiff::Timestamp;

use super::status::{CiStatus, DeploymentStatus};

/// Number of a build, from 1. Jenkins counts builds of a job up by one.
pub type BuildNumber = i64;

/// What a message says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Which build it tells of.
    pub build: BuildNumber,
    /// What of it.
    pub status: CiStatus,
    /// When that was so, in the sender's clock.
    pub at: Timestamp,
}

/// What is known of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobState {
    /// The raw status.
    pub status: CiStatus,
    /// The build that it is of; `None` before any is known.
    pub build: Option<BuildNumber>,
    /// When it was so, in the sender's clock; `None` when no message said so.
    pub at: Option<Timestamp>,
    /// Builds up to this one belong to earlier runs.
    pub floor: BuildNumber,
}

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The state is this now.
    Applied(JobState),
    /// The same is known already.
    Known,
    /// It comes too late.
    Late(Late),
}

/// Why a message changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Late {
    /// It tells of a build of an earlier run.
    EarlierRun,
    /// A newer build has told something.
    OlderBuild,
    /// The build has a result, and this is none.
    AfterResult,
    /// The same build has told something later.
    OlderMessage,
}

impl Late {
    /// For the history and the log.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::EarlierRun => "it tells of a build of an earlier run",
            Self::OlderBuild => "a newer build has been reported",
            Self::AfterResult => "the build has its result already",
            Self::OlderMessage => "a later message of this build has been received",
        }
    }
}

/// The order of messages. Later is greater.
type Rank = (BuildNumber, bool, Option<Timestamp>, u8, String);

fn rank(build: BuildNumber, status: &CiStatus, at: Option<Timestamp>) -> Rank {
    let mapped = status.deployment_status();
    let gravity = match mapped {
        DeploymentStatus::Failed => 3,
        DeploymentStatus::Completed => 2,
        DeploymentStatus::Running => 1,
        DeploymentStatus::Pending => 0,
    };
    let word = status.as_str().to_ascii_lowercase();
    (build, mapped.is_final(), at, gravity, word)
}

impl JobState {
    /// A job that never ran.
    #[must_use]
    pub fn new() -> Self {
        Self {
            status: CiStatus::pending(),
            build: None,
            at: None,
            floor: 0,
        }
    }

    /// Status of the deployment that belongs to it.
    #[must_use]
    pub fn deployment_status(&self) -> DeploymentStatus {
        self.status.deployment_status()
    }

    /// Takes a message.
    #[must_use]
    pub fn told(&self, message: &Message) -> Verdict {
        if message.build <= self.floor {
            return Verdict::Late(Late::EarlierRun);
        }
        if let Some(build) = self.build.filter(|build| *build > self.floor) {
            let ours = rank(build, &self.status, self.at);
            let theirs = rank(message.build, &message.status, Some(message.at));
            if theirs == ours {
                return Verdict::Known;
            }
            if theirs < ours {
                return Verdict::Late(late(&ours, &theirs));
            }
        }
        Verdict::Applied(Self {
            status: message.status.clone(),
            build: Some(message.build),
            at: Some(message.at),
            floor: self.floor,
        })
    }

    /// The newest build that is known when a run is asked for: it and those before it will be the past once the run is in
    /// the queue. Until then nothing changes, so that nothing has to be undone when the CI server does not take it.
    #[must_use]
    pub fn newest(&self) -> BuildNumber {
        self.build.unwrap_or(self.floor).max(self.floor)
    }

    /// A run is in the queue: builds up to `floor` are past, and the job counts as running, unless a newer build has spoken
    /// before the answer of the CI server came.
    #[must_use]
    pub fn run_started(&self, floor: BuildNumber) -> Self {
        let floor = floor.max(self.floor);
        if self.build.is_some_and(|build| build > floor) {
            return Self {
                floor,
                ..self.clone()
            };
        }
        Self {
            status: CiStatus::running(),
            build: None,
            at: None,
            floor,
        }
    }

    /// The CI server names the build of the current run. Nothing changes when that build, or a newer one, has spoken.
    ///
    /// A number at or below the floor means that the job was made anew and counts from the beginning: the floor follows.
    #[must_use]
    pub fn build_known(&self, build: BuildNumber) -> Self {
        if self
            .build
            .is_some_and(|known| known > self.floor && known >= build)
        {
            return self.clone();
        }
        Self {
            status: CiStatus::running(),
            build: Some(build),
            at: None,
            floor: self.floor.min(build - 1),
        }
    }

    /// The run was taken out of the queue. Nothing changes when a build of it has spoken.
    #[must_use]
    pub fn run_aborted(&self) -> Self {
        if self.build.is_some() {
            return self.clone();
        }
        Self {
            status: CiStatus::aborted(),
            ..self.clone()
        }
    }
}

impl Default for JobState {
    fn default() -> Self {
        Self::new()
    }
}

fn late(ours: &Rank, theirs: &Rank) -> Late {
    if theirs.0 < ours.0 {
        Late::OlderBuild
    } else if ours.1 && !theirs.1 {
        Late::AfterResult
    } else {
        Late::OlderMessage
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn message(build: BuildNumber, status: &str, second: i64) -> Message {
        Message {
            build,
            status: status.parse().unwrap(),
            at: Timestamp::from_second(second).unwrap(),
        }
    }

    fn messages() -> impl Strategy<Value = Vec<Message>> {
        let words = prop::sample::select(vec![
            "SUCCESS", "success", "FAILURE", "RUNNING", "running", "ABORTED", "UNSTABLE",
        ]);
        prop::collection::vec(
            (1..4_i64, words, 0..4_i64).prop_map(|(build, word, at)| message(build, word, at)),
            0..12,
        )
    }

    fn after<'m>(start: &JobState, messages: impl IntoIterator<Item = &'m Message>) -> JobState {
        let mut state = start.clone();
        for message in messages {
            if let Verdict::Applied(next) = state.told(message) {
                state = next;
            }
        }
        state
    }

    fn same(one: &JobState, other: &JobState) -> bool {
        let facts = |state: &JobState| {
            (
                state.status.as_str().to_ascii_lowercase(),
                state.build,
                state.at,
                state.floor,
            )
        };
        facts(one) == facts(other)
    }

    proptest! {
        /// Whatever order messages come in, and however often each, the state is the same in the end.
        #[test]
        fn any_order_of_the_same_messages_ends_in_the_same_state(
            messages in messages(),
            order in prop::collection::vec(any::<prop::sample::Index>(), 24),
            floor in 0..3_i64,
        ) {
            let start = JobState { floor, ..JobState::new() };
            let in_order = after(&start, &messages);
            // A shuffle with repeats, and then everything once more so that nothing is missing.
            let mut shuffled: Vec<&Message> = Vec::new();
            if !messages.is_empty() {
                shuffled.extend(order.iter().map(|index| &messages[index.index(messages.len())]));
            }
            shuffled.extend(messages.iter().rev());
            prop_assert!(same(&in_order, &after(&start, shuffled)));
        }

        /// Repeats of everything change nothing.
        #[test]
        fn repeats_change_nothing(messages in messages()) {
            let once = after(&JobState::new(), &messages);
            for message in &messages {
                prop_assert!(!matches!(once.told(message), Verdict::Applied(_)), "{message:?} on {once:?}");
            }
        }

        /// Once a build has a result, nothing but a result of it or a newer build changes the status.
        #[test]
        fn a_result_stays_until_another_result_or_a_newer_build(messages in messages(), next in messages()) {
            let state = after(&JobState::new(), &messages);
            prop_assume!(state.deployment_status().is_final());
            for message in &next {
                if let Verdict::Applied(changed) = state.told(message) {
                    prop_assert!(changed.build > state.build || changed.deployment_status().is_final());
                }
            }
        }

        /// After a run began, builds known before never speak for it, and the state is that of a run until a newer one does.
        #[test]
        fn builds_of_earlier_runs_never_change_a_new_run(messages in messages(), late in messages()) {
            let run = after(&JobState::new(), &messages);
            let run = run.run_started(run.newest());
            let old = late.iter().filter(|message| message.build <= run.floor);
            let state = after(&run, old);
            prop_assert_eq!(state.deployment_status(), DeploymentStatus::Running);
            prop_assert_eq!(state, run);
        }

        /// The build that the queue names never undoes what that build, or a newer one, has said already.
        #[test]
        fn the_number_of_a_build_may_come_after_its_messages(messages in messages(), number in 1..4_i64) {
            let told = after(&JobState::new().run_started(0), &messages);
            let known = told.build_known(number);
            if told.build.is_some_and(|build| build >= number) {
                prop_assert_eq!(&known, &told);
            }
            // The other way round ends in the same status, as long as that build spoke at all.
            let first = after(&JobState::new().run_started(0).build_known(number), &messages);
            if told.build.is_some_and(|build| build >= number) {
                prop_assert!(same(&first, &told), "{first:?} {told:?}");
            }
        }
    }

    #[test]
    fn a_late_running_never_overwrites_a_result() {
        let done = after(&JobState::new(), [&message(5, "SUCCESS", 10)]);
        assert_eq!(
            done.told(&message(5, "RUNNING", 99)),
            Verdict::Late(Late::AfterResult)
        );
    }

    #[test]
    fn the_late_failure_of_an_older_build_never_overwrites_a_newer_one() {
        let newer = after(&JobState::new(), [&message(6, "SUCCESS", 10)]);
        assert_eq!(
            newer.told(&message(5, "FAILURE", 99)),
            Verdict::Late(Late::OlderBuild)
        );
    }

    #[test]
    fn a_newer_build_takes_over_even_from_a_result() {
        let done = after(&JobState::new(), [&message(5, "FAILURE", 10)]);
        let Verdict::Applied(next) = done.told(&message(6, "RUNNING", 5)) else {
            panic!("a newer build is news");
        };
        assert_eq!(next.deployment_status(), DeploymentStatus::Running);
    }

    #[test]
    fn a_job_that_was_made_anew_counts_from_the_beginning() {
        let old = after(&JobState::new(), [&message(40, "SUCCESS", 10)]);
        let run = old.run_started(old.newest());
        assert_eq!(
            run.told(&message(1, "SUCCESS", 20)),
            Verdict::Late(Late::EarlierRun)
        );
        let known = run.build_known(1);
        assert!(matches!(
            known.told(&message(1, "SUCCESS", 20)),
            Verdict::Applied(_)
        ));
    }

    #[test]
    fn a_build_that_speaks_before_its_run_is_known_to_be_queued_is_not_lost() {
        let old = after(&JobState::new(), [&message(4, "FAILURE", 10)]);
        let floor = old.newest();
        let told = after(&old, [&message(5, "SUCCESS", 20)]);
        let run = told.run_started(floor);
        assert_eq!(run.deployment_status(), DeploymentStatus::Completed);
        assert_eq!(
            run.told(&message(4, "SUCCESS", 30)),
            Verdict::Late(Late::EarlierRun)
        );
    }

    #[test]
    fn a_run_that_left_the_queue_unbuilt_is_pending() {
        let run = JobState::new().run_started(0);
        assert_eq!(
            run.run_aborted().deployment_status(),
            DeploymentStatus::Pending
        );
        let spoke = after(&run, [&message(1, "SUCCESS", 1)]);
        assert_eq!(spoke.run_aborted(), spoke);
    }
}
