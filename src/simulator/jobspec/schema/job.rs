//! The job itself.

use super::group::{AFFINITY, CONSTRAINT, GROUP, MIGRATE, RESCHEDULE, SPREAD, UPDATE};
use super::task::{SECRET, TASK, VAULT};
use super::{Argument, Block, Kind, Nested, block};

block! { JOB,
    arguments {
        "region" => "Region" Text null, "namespace" => "Namespace" Text null, "id" => "ID" Text null, "name" => "Name" Text null,
        "type" => "Type" Text null, "priority" => "Priority" Whole null, "all_at_once" => "AllAtOnce" Flag null,
        "datacenters" => "Datacenters" Texts null, "node_pool" => "NodePool" Text null,
    }
    blocks {
        "constraint" => "Constraints" Many(&CONSTRAINT), "affinity" => "Affinities" Many(&AFFINITY),
        "group" => "TaskGroups" Many(&GROUP), "update" => "Update" One(&UPDATE),
        "multiregion" => "Multiregion" One(&MULTIREGION), "spread" => "Spreads" Many(&SPREAD),
        "periodic" => "Periodic" One(&PERIODIC), "parameterized" => "ParameterizedJob" One(&PARAMETERIZED),
        "reschedule" => "Reschedule" One(&RESCHEDULE), "migrate" => "Migrate" One(&MIGRATE),
        "meta" => "Meta" Mapping, "ui" => "UI" One(&UI), "vault" => "@vault" One(&VAULT),
        "secret" => "@secrets" Many(&SECRET), "task" => "@tasks" Many(&TASK),
    }
}
block! { UI,
    arguments {
        "description" => "Description" Text,
    }
    blocks {
        "link" => "Links" Many(&UI_LINK),
    }
}
block! { UI_LINK,
    arguments {
        "label" => "Label" Text, "url" => "URL" Text,
    }
    blocks {}
}
block! { PARAMETERIZED,
    arguments {
        "payload" => "Payload" Text, "meta_required" => "MetaRequired" Texts null,
        "meta_optional" => "MetaOptional" Texts null,
    }
    blocks {}
}
block! { PERIODIC,
    arguments {
        "enabled" => "Enabled" Flag null, "cron" => "Spec" Text null, "crons" => "Specs" Texts null,
        "prohibit_overlap" => "ProhibitOverlap" Flag null, "time_zone" => "TimeZone" Text null,
    }
    blocks {}
}
block! { MULTIREGION,
    arguments {}
    blocks {
        "strategy" => "Strategy" One(&REGION_STRATEGY), "region" => "Regions" Many(&REGION),
    }
}
block! { REGION, label "" "Name",
    arguments {
        "count" => "Count" Whole null, "datacenters" => "Datacenters" Texts null, "node_pool" => "NodePool" Text,
    }
    blocks {
        "meta" => "Meta" Labels,
    }
}
block! { REGION_STRATEGY,
    arguments {
        "max_parallel" => "MaxParallel" Whole null, "on_failure" => "OnFailure" Text null,
    }
    blocks {}
}
