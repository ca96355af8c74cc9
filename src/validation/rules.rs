//! What every code of a finding means and how to get rid of it: for `docs/errors.md`, `cs explain` and the rules of SARIF.
//!
//! A code is a promise: people silence, count and search for it. It keeps its meaning; a new meaning gets a new code.

/// What a code means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Stable name, e.g. `unknown-field`.
    pub code: &'static str,
    /// What is wrong, in one sentence.
    pub title: &'static str,
    /// What to do about it, in one sentence.
    pub fix: &'static str,
}

/// The rule of a code; `None` for a code that this build does not give.
#[must_use]
pub fn rule(code: &str) -> Option<&'static Rule> {
    groups()
        .flat_map(|(_, rules)| rules)
        .find(|rule| rule.code == code)
}

/// Every rule, in groups with a title.
pub fn groups() -> impl Iterator<Item = (&'static str, &'static [Rule])> {
    GROUPS.into_iter()
}

/// Codes of findings about sources that could not be read at all: nothing is known of what they describe.
const UNREADABLE: [&str; 12] = [
    "unreadable",
    "not-found",
    "no-match",
    "bad-glob",
    "not-a-file",
    "not-utf8",
    "too-large",
    "too-many-files",
    "too-deep",
    "link-loop",
    "link-outside",
    "link-broken",
];

/// Whether a finding says that something could not be read, in contrast to something that was read and is wrong.
#[must_use]
pub fn is_unreadable(code: &str) -> bool {
    UNREADABLE.contains(&code)
}

const fn rule_of(code: &'static str, title: &'static str, fix: &'static str) -> Rule {
    Rule { code, title, fix }
}

const GROUPS: [(&str, &[Rule]); 11] = [
    ("Files", &FILES),
    ("Overlays", &OVERLAYS),
    ("Fields", &FIELDS),
    ("Names and places", &NAMES),
    ("Process and resources", &PROCESS),
    ("Ports and services", &NETWORK),
    ("Environment, secrets, files, volumes", &STORAGE),
    ("Rollout and start", &ROLLOUT),
    ("The set", &SET),
    ("Native jobs and the cluster", &NATIVE),
    ("Advice and policies", &ADVICE),
];

const FILES: [Rule; 21] = [
    rule_of(
        "unreadable",
        "The file, folder or standard input cannot be read.",
        "Correct the path, or make it readable.",
    ),
    rule_of(
        "too-large",
        "The file has more than 4 MiB.",
        "Split it into several files.",
    ),
    rule_of(
        "not-utf8",
        "The file is no UTF-8 text.",
        "Save it as UTF-8, or leave it out of what is checked.",
    ),
    rule_of(
        "empty-file",
        "A file of a folder is empty, which may be what a full disk left of it.",
        "Remove it if its jobs are meant to go, else restore it.",
    ),
    rule_of(
        "yaml-syntax",
        "The file is not YAML.",
        "Look at the indentation and the quotes at the place that is named; tabs do not indent.",
    ),
    rule_of(
        "too-complex",
        "The file has more nesting, nodes or aliases than a spec may have.",
        "Write it without nested aliases, or split it.",
    ),
    rule_of(
        "second-document",
        "A file of one document has a second one.",
        "Put the second document into a file of its own.",
    ),
    rule_of(
        "not-found",
        "There is no such file or folder.",
        "Correct the path; check upper and lower case too.",
    ),
    rule_of(
        "no-match",
        "A pattern matches nothing.",
        "Correct it; quote it so that the shell leaves it alone.",
    ),
    rule_of(
        "bad-glob",
        "A pattern among the paths is none.",
        "Correct its brackets.",
    ),
    rule_of(
        "bad-pattern",
        "A line of `.csignore` is no pattern.",
        "Correct or remove the line.",
    ),
    rule_of(
        "not-a-file",
        "A folder or a device stands where a file is needed.",
        "Name a regular file.",
    ),
    rule_of(
        "too-many-files",
        "There are more files than are read at once.",
        "Name fewer folders, or leave some out with `.csignore`.",
    ),
    rule_of(
        "too-deep",
        "Folders are nested deeper than they are followed.",
        "Name a folder further down.",
    ),
    rule_of(
        "link-loop",
        "A link leads to a folder that it stands in itself.",
        "Remove the link.",
    ),
    rule_of(
        "link-outside",
        "A link leads out of the folder.",
        "Put the file itself into the folder.",
    ),
    rule_of(
        "link-broken",
        "A link leads to nothing.",
        "Repair or remove the link.",
    ),
    rule_of(
        "tab-indentation",
        "A line is indented with tabs, which YAML does not allow.",
        "Put spaces in their place.",
    ),
    rule_of(
        "yaml-tag",
        "A value has a YAML tag, which has no meaning in a spec.",
        "Remove the tag; quote values that begin with `!`.",
    ),
    rule_of(
        "no-documents",
        "A file that was named holds no document.",
        "Put one into it, or do not name it.",
    ),
    rule_of(
        "json-syntax",
        "A text that should be JSON is not.",
        "Look at the place that is named.",
    ),
];

const FIELDS: [Rule; 9] = [
    rule_of(
        "duplicate-key",
        "A key stands in a mapping twice.",
        "Remove one of the two.",
    ),
    rule_of(
        "unknown-kind",
        "The `kind` is none that this build reads.",
        "Use `Workload` or `NomadJob`.",
    ),
    rule_of(
        "unknown-api-version",
        "The `apiVersion` is none that this build reads.",
        "Use `cloudstation.io/v1`.",
    ),
    rule_of(
        "unknown-field",
        "The kind has no field of that name at this place.",
        "Correct its spelling or its indentation, or remove it.",
    ),
    rule_of(
        "missing-field",
        "A field that every document must have is missing.",
        "Add it.",
    ),
    rule_of(
        "unknown-value",
        "The value is none of the words that the field takes.",
        "Use one of the words that the finding lists.",
    ),
    rule_of(
        "wrong-type",
        "The value is of another type than the field takes.",
        "Quote texts that look like numbers or booleans, and do not quote numbers.",
    ),
    rule_of(
        "wrong-value",
        "The value is of the right type, but not one that the field takes.",
        "Write it as the finding says, e.g. a duration as `30s`.",
    ),
    rule_of(
        "ambiguous-value",
        "A word such as `on` or `no` is text here, and a boolean for other readers of YAML.",
        "Put the value in quotes, or write `true` or `false`.",
    ),
];

const NAMES: [Rule; 11] = [
    rule_of(
        "name",
        "The name cannot be a Nomad job id.",
        "Use letters, digits and hyphens.",
    ),
    rule_of(
        "namespace",
        "The namespace is none that Nomad takes.",
        "Use 1 to 128 letters, digits and hyphens.",
    ),
    rule_of(
        "nul",
        "A text holds a NUL character, at which the process would cut it.",
        "Remove it.",
    ),
    rule_of(
        "task-name",
        "The task would get a name that Nomad refuses.",
        "Set `spec.container.taskName`.",
    ),
    rule_of(
        "deployment-id",
        "The platform's deployment id cannot be used in subjects and names.",
        "Take it as the platform gives it.",
    ),
    rule_of(
        "replicas",
        "A `system` workload has a count.",
        "Leave `spec.replicas` out.",
    ),
    rule_of(
        "region",
        "The region is not one word.",
        "Use the name that Nomad's servers have.",
    ),
    rule_of(
        "datacenter",
        "A datacenter is empty or has control characters.",
        "Use the name that Nomad's clients have, or `*`.",
    ),
    rule_of(
        "node-pool",
        "The node pool is none that Nomad takes.",
        "Use 1 to 128 letters, digits, hyphens and underscores.",
    ),
    rule_of(
        "node-class",
        "A node class is empty or has control characters.",
        "Use the class that the nodes carry.",
    ),
    rule_of(
        "gpu-model",
        "The model of the graphics processor is empty or has control characters.",
        "Use the class that nodes with it carry.",
    ),
];

const PROCESS: [Rule; 10] = [
    rule_of(
        "source-count",
        "The source is none or more than one of `image`, `git` and `archive`.",
        "Keep exactly one.",
    ),
    rule_of(
        "source-not-built",
        "No image has been built from the source.",
        "Build it first, or name an image.",
    ),
    rule_of(
        "image",
        "The image is empty or has white space.",
        "Write it as `registry/name:tag`.",
    ),
    rule_of(
        "builder",
        "There is no such builder.",
        "Use `csdocker`, `nixpacks`, `railpack` or `noop`, or leave it out.",
    ),
    rule_of(
        "pull-timeout",
        "The longest pull is zero.",
        "Give it a duration such as `30m`.",
    ),
    rule_of(
        "user",
        "The user is empty or has control characters.",
        "Write a name or a number.",
    ),
    rule_of(
        "args-and-start-command",
        "`args` stand beside `startCommand` or `exports`.",
        "Keep one of them.",
    ),
    rule_of("cpu", "Less than 1 MHz is asked for.", "Raise it."),
    rule_of("memory", "Less than 10 MB are asked for.", "Raise it."),
    rule_of(
        "memory-max",
        "`memoryMax` is less than `memory`.",
        "Raise it to `memory` or more, or leave it out.",
    ),
];

const NETWORK: [Rule; 8] = [
    rule_of(
        "port",
        "Port 0 is asked for.",
        "Write the port that the process listens at.",
    ),
    rule_of(
        "port-twice",
        "A port is listed twice.",
        "Remove one of the two.",
    ),
    rule_of(
        "domain",
        "A domain is no DNS name.",
        "Use labels of letters, digits and hyphens with dots between them.",
    ),
    rule_of(
        "check-type",
        "The check is of a type that the provider of the service cannot do.",
        "Use `tcp`, or `spec.service.provider: consul`.",
    ),
    rule_of(
        "check-port",
        "The check asks a port that is none of the workload's.",
        "Name one of `spec.ports`, or leave it out.",
    ),
    rule_of(
        "check-path",
        "The path of a check is none.",
        "Write a path such as `/healthz`, without scheme and host.",
    ),
    rule_of(
        "check-duration",
        "An interval or timeout of a check is shorter than 1s.",
        "Use 1s or more.",
    ),
    rule_of(
        "service-name",
        "A service would get a name that Nomad refuses.",
        "Use letters, digits and hyphens, at most 63 with the port; set `spec.service.name`.",
    ),
];

const STORAGE: [Rule; 21] = [
    rule_of(
        "variable-name",
        "An environment variable has a name that does not reach the process.",
        "Use letters, digits and `_`, with a letter first.",
    ),
    rule_of(
        "reference",
        "A reference to a secret names no place, several, or none that can be read.",
        "Use exactly one of `fromEnv`, `fromFile`, `fromVault`, `fromVariable`; the last two as `path#key`.",
    ),
    rule_of(
        "secret-missing",
        "What a reference stands for is not there where `cs` runs.",
        "Set the variable, or make the file readable.",
    ),
    rule_of(
        "vault-needed",
        "Something is read from Vault, but the workload has no access to it.",
        "Add `spec.secrets.vault`.",
    ),
    rule_of(
        "vault-policy",
        "A Vault policy is empty or has control characters.",
        "Write its name.",
    ),
    rule_of(
        "vault-role",
        "The Vault role is empty or has control characters.",
        "Write its name, or leave it out.",
    ),
    rule_of(
        "vault-path",
        "A path in Vault is empty or has control characters.",
        "Write it as `/kv/data/…`.",
    ),
    rule_of(
        "secret-key",
        "A key of a secret cannot be bound in a template.",
        "Use letters, digits and `_`.",
    ),
    rule_of(
        "pattern",
        "A connection string has line breaks or other control characters.",
        "Write it on one line.",
    ),
    rule_of(
        "common-name",
        "The common name of a certificate is empty or has control characters.",
        "Write a host name.",
    ),
    rule_of(
        "certificate-ttl",
        "The validity of a certificate is empty or has control characters.",
        "Write it as Vault reads it, e.g. `24h`.",
    ),
    rule_of(
        "certificate-path",
        "A certificate or key would be written outside of the task's directory.",
        "Use a relative path without `..`.",
    ),
    rule_of(
        "file-path",
        "A file would be placed outside of the task's directory, or where none can be mounted.",
        "Use a path without `..` and `:`.",
    ),
    rule_of(
        "file-content",
        "A file has both `content` and `contentBase64`.",
        "Keep one of them.",
    ),
    rule_of(
        "base64",
        "The content of a file is not base64.",
        "Encode it again, or write it as `content`.",
    ),
    rule_of(
        "file-twice",
        "Two files would be written to one path.",
        "Give one of them another path.",
    ),
    rule_of(
        "volume-type",
        "A `system` or `sysbatch` workload has a volume for each allocation.",
        "Use `service` or `batch`, or no volume.",
    ),
    rule_of(
        "volume-id",
        "The id of a volume is empty or has white space.",
        "Use the id that the volume was registered with.",
    ),
    rule_of(
        "volume-twice",
        "A volume is listed twice.",
        "List it once, with all its mounts.",
    ),
    rule_of(
        "mount",
        "A mount point is relative, the root directory, or leads out of the container.",
        "Use an absolute path without `..`.",
    ),
    rule_of(
        "mount-twice",
        "Two volumes are mounted at one path.",
        "Give one of them another path.",
    ),
];

const ROLLOUT: [Rule; 12] = [
    rule_of(
        "rollout-type",
        "Only a `service` is rolled out step by step.",
        "Remove `spec.rollout`, or set `spec.type: service`.",
    ),
    rule_of(
        "canary-with-volume",
        "A canary would claim a volume that the running allocation still holds.",
        "Set `spec.rollout.canary: 0`, or leave it out.",
    ),
    rule_of(
        "promote-without-canary",
        "Canaries are to be promoted, but there are none.",
        "Remove `autoPromote`, or ask for a canary.",
    ),
    rule_of(
        "max-parallel",
        "No allocation may be replaced at a time, which Nomad takes for all at once.",
        "Use 1 or more.",
    ),
    rule_of(
        "deadlines",
        "`minHealthyTime`, `healthyDeadline` and `progressDeadline` do not grow.",
        "Make each longer than the one before.",
    ),
    rule_of(
        "restart-interval",
        "The restarts do not fit into their interval.",
        "Raise `spec.restart.interval`.",
    ),
    rule_of(
        "restart-mode",
        "`delay` has no restart to delay.",
        "Use `fail`, or raise `attempts`.",
    ),
    rule_of(
        "cron",
        "The cron expression is none that Nomad reads.",
        "Write minute, hour, day of month, month, day of week.",
    ),
    rule_of(
        "time-zone",
        "The time zone is no IANA name.",
        "Use one such as `Europe/Paris`.",
    ),
    rule_of(
        "schedule-type",
        "Only `batch` and `sysbatch` start by the clock.",
        "Set `spec.type: batch`.",
    ),
    rule_of(
        "parameterized-type",
        "Only `batch` and `sysbatch` start on request.",
        "Set `spec.type: batch`.",
    ),
    rule_of(
        "meta-key",
        "A meta key is empty, has control characters, or is both required and optional.",
        "Correct it, or list it once.",
    ),
];

const OVERLAYS: [Rule; 10] = [
    rule_of(
        "no-base",
        "An overlay has nothing to lie upon.",
        "Name its bases in `spec.bases`.",
    ),
    rule_of(
        "base-not-found",
        "A base of an overlay is not there.",
        "Correct the path, which is relative to the folder of the overlay.",
    ),
    rule_of(
        "base-outside",
        "A base of an overlay is outside of the sources.",
        "Name a folder of the same Git work tree.",
    ),
    rule_of(
        "overlay-alone",
        "The file of an overlay was named instead of its folder.",
        "Name the folder.",
    ),
    rule_of(
        "overlay-cycle",
        "Overlays lie upon each other.",
        "Take one of the bases out.",
    ),
    rule_of(
        "overlay-too-deep",
        "More overlays lie on top of each other than are followed.",
        "Put some of them together.",
    ),
    rule_of(
        "several-overlays",
        "A folder has more than one overlay.",
        "Keep one.",
    ),
    rule_of(
        "patch-without-target",
        "A patch changes or removes what no base has.",
        "Correct its names, or make it a whole document.",
    ),
    rule_of(
        "patch-ambiguous",
        "A patch fits several resources.",
        "Name the namespace of the one that is meant.",
    ),
    rule_of(
        "patch-directive",
        "A word that removes entries stands where there is nothing to remove.",
        "Use it in entries of the lists that the finding names.",
    ),
];

const SET: [Rule; 14] = [
    rule_of(
        "duplicate-id",
        "Two resources describe one job.",
        "Remove one of them, or give it another name or namespace.",
    ),
    rule_of(
        "depends-on-itself",
        "A resource waits for itself.",
        "Remove the dependency.",
    ),
    rule_of(
        "dependency-cycle",
        "Resources wait for each other, so none can be first.",
        "Remove one of the dependencies on the path.",
    ),
    rule_of(
        "dependency-unknown",
        "A dependency is not in the set.",
        "Correct its name; when it lives elsewhere, `cs apply` looks for it on the cluster.",
    ),
    rule_of(
        "dependency-kind",
        "A dependency is of another kind than the one that is named.",
        "Correct its `kind`, or leave it out.",
    ),
    rule_of(
        "dependency-hook",
        "A dependency is a hook that runs only after a failure.",
        "Wait for something else.",
    ),
    rule_of(
        "dependency-never",
        "A dependency can never be what is waited for.",
        "Use another `until`, or another `service`.",
    ),
    rule_of(
        "depends-on-service",
        "A service of a dependency is named, but nobody looks at it.",
        "Add `until: passing`, or leave `service` out.",
    ),
    rule_of(
        "hook-type",
        "A hook is not a job that ends.",
        "Set its type to `batch` or `sysbatch`.",
    ),
    rule_of(
        "hook-start",
        "A hook starts by the clock or on request.",
        "Remove the hook, or its `schedule` or `parameterized`.",
    ),
    rule_of(
        "hook-serves",
        "A hook serves what is not in the set, or another hook.",
        "Correct the names in its `for`.",
    ),
    rule_of(
        "link-port",
        "A link or connection names a service of the set with a port that it does not have.",
        "Use one of its ports.",
    ),
    rule_of(
        "ignore-field",
        "A place that is left to others is none.",
        "Write a JSON pointer such as `/TaskGroups/web/Count`.",
    ),
    rule_of(
        "deprecated-field",
        "A field will go away.",
        "Use what replaces it.",
    ),
];

const NATIVE: [Rule; 29] = [
    rule_of(
        "hcl-syntax",
        "The specification is not HCL.",
        "Look at the place that is named.",
    ),
    rule_of(
        "job-name",
        "The specification describes no job, several, or one of another name.",
        "Make `metadata.name` and the job's name the same.",
    ),
    rule_of(
        "too-many",
        "A job has more findings than are shown.",
        "Correct those that are shown, then look again.",
    ),
    rule_of(
        "nomad-parse",
        "Nomad's parser refuses the specification or the value of a variable.",
        "Do what its sentence says at the place that is named.",
    ),
    rule_of(
        "nomad-refused",
        "Nomad refuses the job.",
        "Do what its sentence says.",
    ),
    rule_of(
        "nomad-warning",
        "Nomad takes the job, but warns.",
        "Do what its sentence says.",
    ),
    rule_of(
        "native-source",
        "A native job has none or more than one of `hcl`, `path` and `job`, or its text is not there.",
        "Keep exactly one.",
    ),
    rule_of(
        "file-not-found",
        "A file that a document names is not there.",
        "Correct the path, which is relative to the file that it stands in.",
    ),
    rule_of(
        "file-outside",
        "A file that a document names is outside of the sources.",
        "Put it into the same Git work tree.",
    ),
    rule_of(
        "hcl-block",
        "A job specification has a block that does not belong there.",
        "Remove it; values of variables belong into a file of their own.",
    ),
    rule_of(
        "hcl-file-function",
        "A specification reads a file by itself, which Nomad refuses.",
        "Hand the text over as a variable.",
    ),
    rule_of(
        "hcl-unstable-function",
        "A function gives another value each time, so the job would never be the same.",
        "Use a variable, or `uuidv5` of something that stays.",
    ),
    rule_of(
        "job-block",
        "A specification has no `job` block, or one that cannot be read.",
        "Write exactly one, with a label.",
    ),
    rule_of(
        "job-namespace",
        "The specification names another namespace than the document.",
        "Leave one of the two out.",
    ),
    rule_of(
        "job-not-literal",
        "The name or namespace of a job takes an evaluation to know.",
        "Write it as plain text, or describe the job by a `NomadJob` document.",
    ),
    rule_of(
        "no-job",
        "A file of native jobs describes none.",
        "Describe a job in it, or leave it out with `.csignore`.",
    ),
    rule_of(
        "several-jobs",
        "A file of native jobs describes more than one.",
        "Put each job into a file of its own.",
    ),
    rule_of(
        "json-job",
        "A JSON job is no object, or has parts that a job cannot have.",
        "Write it as `nomad job inspect` prints it.",
    ),
    rule_of(
        "json-child",
        "A JSON job is a run that another job started.",
        "Describe the job that starts it.",
    ),
    rule_of(
        "json-duration",
        "A duration of a JSON job is not in nanoseconds.",
        "Write 1000000000 for a second.",
    ),
    rule_of(
        "json-unknown",
        "A JSON job has a member that Nomad does not know and overlooks.",
        "Correct its spelling, or remove it.",
    ),
    rule_of(
        "json-variables",
        "A JSON job has variables, which only HCL can use.",
        "Use HCL, or leave the variables out.",
    ),
    rule_of(
        "variable-file",
        "A file of variables holds something else.",
        "Write one `name = value` a line; declare variables in the specification.",
    ),
    rule_of(
        "variable-missing",
        "A variable without a default has no value.",
        "Give it one with `variables`, a variable file or `--var`.",
    ),
    rule_of(
        "variable-syntax",
        "The value of a variable is not HCL.",
        "Put texts in quotes.",
    ),
    rule_of(
        "variable-twice",
        "A variable is declared twice.",
        "Remove one of the two.",
    ),
    rule_of(
        "variable-type",
        "The value of a variable is of another type than it is declared with.",
        "Correct the value, or the declared type.",
    ),
    rule_of(
        "variable-unknown",
        "A value is given for a variable that the specification does not declare.",
        "Correct its name, or declare it.",
    ),
    rule_of(
        "variable-value",
        "The value of a variable is not a plain value.",
        "Write it out; what is computed belongs into `locals`.",
    ),
];

const ADVICE: [Rule; 7] = [
    rule_of(
        "image-tag",
        "The image has no tag, or `latest`: nobody can tell what runs, and a rollback changes nothing.",
        "Name a version or a digest.",
    ),
    rule_of(
        "public-port-unchecked",
        "A port is public, but nothing says how its health is checked, so a default decides when traffic may come.",
        "Add a `check`, e.g. `{type: http, path: /healthz}`.",
    ),
    rule_of(
        "literal-secret",
        "A variable that is called like a secret has its value in the file.",
        "Use a reference such as `{fromVault: path#key}`.",
    ),
    rule_of(
        "policy",
        "A policy of yours is broken.",
        "Do what its message says.",
    ),
    rule_of(
        "policy-syntax",
        "A policy cannot be understood.",
        "Correct its expression.",
    ),
    rule_of(
        "policy-failed",
        "A policy could not be decided: it failed, cost too much, or gave no boolean.",
        "Ask for what may be missing first, e.g. `!has(object.spec.ports) || …`.",
    ),
    rule_of(
        "policy-skipped",
        "A policy looks at `job`, which an HCL specification only becomes on a cluster.",
        "Use `--server`, or exclude such jobs with `match: {kind: Workload}`.",
    ),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_code_is_there_once_and_in_words() {
        let mut codes = BTreeSet::new();
        for rule in groups().flat_map(|(_, rules)| rules) {
            assert!(codes.insert(rule.code), "{}", rule.code);
            assert!(
                rule.title.ends_with('.') && rule.fix.ends_with('.'),
                "{rule:?}"
            );
        }
        assert!(UNREADABLE.iter().all(|code| codes.contains(code)));
    }

    #[test]
    fn a_rule_is_found_by_its_code() {
        assert_eq!(rule("port-twice").map(|rule| rule.code), Some("port-twice"));
        assert_eq!(rule("moon"), None);
    }
}
