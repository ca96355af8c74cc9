//! What Nomad makes of jobs, how they are compared, and what the loop makes of a cluster: recorded pairs, properties, and
//! scenarios that run unchanged on the simulator and on a real Nomad.

pub(crate) mod canonical;
mod golden;
mod rename;

mod lab;
mod model;
mod properties;
mod proxy;
mod specs;

mod destroying;
mod ending;
mod faults;
mod health;
mod others;
mod rollback;
mod worlds;
mod writes;

/// One test a scenario and target. A scenario that is not listed does not compile: it would be dead code.
macro_rules! scenarios {
    ($($module:ident: $($name:ident)*;)*) => {
        mod on_simulator {
            $(mod $module {
                $(#[test] fn $name() {
                    super::super::lab::simulated(stringify!($name), super::super::$module::$name);
                })*
            })*
        }

        mod on_real_nomad {
            $(mod $module {
                $(#[test] fn $name() {
                    super::super::lab::real(stringify!($name), super::super::$module::$name);
                })*
            })*
        }
    };
}

scenarios! {
    writes:
        a_second_run_makes_no_write
        a_changed_environment_or_meta_is_rolled_out
        a_count_that_somebody_changed_is_put_back
        a_specification_that_somebody_registered_is_put_back
        a_job_that_somebody_stopped_is_started_again
        a_register_between_look_and_write_is_seen_before_it_is_overwritten
        a_job_that_appears_between_look_and_write_is_not_overwritten_unseen;
    health:
        a_process_that_exits_is_unhealthy_with_its_code_and_last_lines
        a_task_that_cannot_start_is_the_drivers_fault
        a_job_that_fits_nowhere_is_unplaceable_after_the_grace
        a_job_gets_room_within_the_grace
        a_batch_job_that_completes_converges
        a_batch_job_that_fails_is_unhealthy_with_its_code
        a_batch_job_may_need_several_tries
        a_system_job_converges_where_it_runs
        a_sysbatch_job_converges_when_it_completed_everywhere
        a_periodic_parent_converges_at_once
        a_parameterized_parent_converges_at_once
        a_service_of_none_converges;
    rollback:
        a_bad_version_is_rolled_back_with_cause_and_version
        a_repeat_of_a_rolled_back_run_registers_nothing
        a_bad_first_version_has_nothing_to_go_back_to
        a_rollback_is_recognised_when_the_reply_to_the_register_was_lost
        of_two_runs_with_the_same_bad_version_neither_registers_it_again;
    others:
        a_register_of_another_specification_supersedes
        a_purge_supersedes
        a_stop_supersedes
        a_purge_supersedes_a_watch_that_wrote_nothing
        two_runs_of_one_goal_make_one_version
        two_runs_of_one_change_make_one_version;
    destroying:
        a_running_service_is_stopped_and_purged
        a_slow_task_ends_before_its_job_is_purged
        an_absent_job_is_destroyed
        a_job_that_somebody_stopped_is_purged
        a_periodic_parent_goes_with_its_running_child
        a_parameterized_parent_goes_with_its_children
        a_lost_reply_to_a_stop_makes_no_second_stop
        the_logs_of_what_failed_are_shown_before_the_purge;
    ending:
        a_deadline_names_what_was_waited_for
        a_deadline_names_the_trouble_so_far
        a_cancelled_run_leaves_the_job_alone
        a_run_that_is_cancelled_before_it_begins_writes_nothing
        a_nomad_that_is_away_until_the_deadline_is_named
        a_nomad_that_never_answers_is_named;
    faults:
        a_lost_reply_to_a_register_makes_no_second_version
        a_lost_reply_to_an_update_makes_no_second_version
        a_register_that_never_arrives_is_sent_again
        reads_that_fail_for_a_while_are_repeated
        writes_that_are_turned_away_for_a_while_are_repeated
        an_answer_cut_in_the_middle_is_no_answer
        a_server_without_a_leader_is_not_believed
        a_missing_right_fails_at_once
        a_missing_right_to_write_fails_at_once
        an_unknown_namespace_fails_with_its_name
        a_refused_job_fails_at_once_with_the_reason
        a_nomad_that_comes_back_is_gone_on_with;
}
