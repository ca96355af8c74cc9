use super::*;

/// As nixpacks 1.41 writes it for a Node application, shortened; `{vars}` are the lines of variables.
fn node(vars: &str) -> String {
    format!(
        r#"FROM registry.example/railwayapp/nixpacks:ubuntu-1745885067

ENTRYPOINT ["/bin/bash", "-l", "-c"]
WORKDIR /app/


COPY .nixpacks/a.nix .nixpacks/a.nix
RUN nix-env -if .nixpacks/a.nix && nix-collect-garbage -d


{vars}
# setup phase
# noop

# install phase
ENV NIXPACKS_PATH=/app/node_modules/.bin:$NIXPACKS_PATH
COPY . /app/.
RUN --mount=type=cache,id=k-/root/npm,target=/root/.npm npm ci

# build phase
COPY . /app/.
RUN  npm run build && \
    # a remark
    echo "done"


RUN printf '\nPATH=/app/node_modules/.bin:$PATH' >> /root/.profile


# start
COPY . /app
RUN useradd -m -s /bin/bash app
USER app

CMD ["npm run start"]

"#
    )
}

fn secrets(pairs: &[(&str, &str)]) -> BTreeMap<String, Secret> {
    let pairs = pairs.iter();
    pairs
        .map(|(name, value)| ((*name).to_owned(), Secret::new(*value)))
        .collect()
}

fn changed(dockerfile: &str, secrets: &BTreeMap<String, Secret>) -> Result<String, String> {
    let exports = Exports {
        id: "ID".to_owned(),
        script: Secret::default(),
    };
    with_secrets(dockerfile, secrets, &exports).map_err(|error| error.to_string())
}

const MOUNT: &str = "--mount=type=secret,id=ID,target=/run/secrets/cs-build-env,required=true,mode=0444 . /run/secrets/cs-build-env;";

#[test]
fn secrets_leave_the_variables_and_reach_the_commands_of_the_phases() {
    let before = node("ARG CI SECRET Z\nENV CI=$CI SECRET=$SECRET Z=$Z\n");
    let after = changed(&before, &secrets(&[("SECRET", "x"), ("OTHER", "y")])).unwrap();
    let wanted = node("ARG CI Z\nENV CI=$CI Z=$Z\n")
        .replace(
            "RUN --mount=type=cache,id=k-/root/npm,target=/root/.npm npm ci",
            &format!("RUN --mount=type=cache,id=k-/root/npm,target=/root/.npm {MOUNT} npm ci"),
        )
        .replace("RUN  npm run build", &format!("RUN {MOUNT} npm run build"));
    assert_eq!(after, wanted);
}

#[test]
fn lines_that_would_be_empty_are_left_out() {
    let before = node("ARG SECRET\nENV SECRET=$SECRET\n");
    let after = changed(&before, &secrets(&[("SECRET", "x")])).unwrap();
    assert!(
        !after.contains("ARG") && !after.contains("SECRET"),
        "{after}"
    );
    assert!(after.contains("ENV NIXPACKS_PATH="), "{after}");
    // No variables at all: nothing to take out, and the commands are found all the same.
    let after = changed(&node(""), &secrets(&[("SECRET", "x")])).unwrap();
    assert_eq!(after.matches(MOUNT).count(), 2, "{after}");
}

#[test]
fn names_that_begin_like_a_secret_stay() {
    let before = node("ARG KEY KEY_ID\nENV KEY=$KEY KEY_ID=$KEY_ID\n");
    let after = changed(&before, &secrets(&[("KEY", "x")])).unwrap();
    assert!(
        after.contains("\nARG KEY_ID\nENV KEY_ID=$KEY_ID\n"),
        "{after}"
    );
}

#[test]
fn commands_of_the_system_and_of_a_second_stage_get_nothing() {
    let before = node("").replace(
        "# start\nCOPY . /app\n",
        "# start\nFROM run\nCOPY --from=0 /etc/ssl/certs /etc/ssl/certs\nRUN true\n",
    );
    let after = changed(&before, &secrets(&[("SECRET", "x")])).unwrap();
    for line in ["\nRUN nix-env -if", "\nRUN true\n", "\nRUN useradd"] {
        assert!(after.contains(line), "{after}");
    }
}

#[test]
fn what_looks_different_is_refused_with_its_place_and_without_values() {
    let cases = [
        (
            "ARG A=canary\n",
            "line 11 of the Dockerfile that nixpacks wrote lists variables in an unusual way",
        ),
        (
            "ENV A=canary\n",
            "line 11 of the Dockerfile that nixpacks wrote lists variables in an unusual way",
        ),
        (
            "ENV A=$B\n",
            "line 11 of the Dockerfile that nixpacks wrote lists variables in an unusual way",
        ),
        (
            "ENV A $A\n",
            "line 11 of the Dockerfile that nixpacks wrote lists variables in an unusual way",
        ),
        (
            "ADD canary /\n",
            "line 11 of the Dockerfile that nixpacks wrote has an instruction that nixpacks does not write",
        ),
        (
            "FROM canary\n",
            "line 11 of the Dockerfile that nixpacks wrote begins a stage before the start section",
        ),
        (
            "# x phase\nRUN a \\\n\n  # remark\n  b\nsecond line of a command\n",
            "line 16 of the Dockerfile that nixpacks wrote has an instruction that nixpacks does not write",
        ),
        (
            "# x phase\nRUN [\"canary\", \"b\"]\n",
            "line 12 of the Dockerfile that nixpacks wrote runs a command without a shell, which cannot be given secrets",
        ),
        (
            "# x phase\nRUN cat <<EOF > f\nRUN canary\nEOF\n",
            "line 12 of the Dockerfile that nixpacks wrote has a here-document",
        ),
    ];
    for (lines, wanted) in cases {
        let error = changed(&node(lines), &secrets(&[("S", "x")])).unwrap_err();
        assert_eq!(error, wanted, "{lines}");
    }
    let error = changed("FROM scratch\nRUN true\n", &secrets(&[("S", "x")])).unwrap_err();
    assert!(error.contains("begins no phase"), "{error}");
}

#[test]
fn tests_and_shifts_are_no_here_documents_or_lists() {
    let lines =
        "# x phase\nRUN [ -f a ] && echo $((1<<2))\nRUN cat <<< word\nRUN  printf '\\nPATH=x'\n";
    let after = changed(&node(lines), &secrets(&[("S", "x")])).unwrap();
    assert!(after.contains("; [ -f a ] && echo"), "{after}");
    assert!(after.contains("; printf '\\nPATH=x'"), "{after}");
}

#[test]
fn the_exports_keep_every_value_as_it_is() {
    let values = [
        ("A", "it's \"q\" $HOME `id` \\ back\nsecond line\n\n"),
        ("B", ""),
        ("C", " ünï \t tab ' '' "),
        ("D", "-n"),
        ("E", "'\\''"),
    ];
    let exports = Exports::of(&secrets(&values));
    let script = format!(
        "{}printf '%s\\0' \"$A\" \"$B\" \"$C\" \"$D\" \"$E\"",
        exports.script.expose()
    );
    let said = std::process::Command::new("/bin/sh")
        .arg("-c")
        .arg(script)
        .output()
        .unwrap();
    assert!(said.status.success());
    let wanted: String = values
        .iter()
        .map(|(_, value)| format!("{value}\0"))
        .collect();
    assert_eq!(String::from_utf8(said.stdout).unwrap(), wanted);
}

#[test]
fn the_name_of_the_exports_changes_with_any_value_and_tells_none() {
    let id = |value: &str| Exports::of(&secrets(&[("A", value), ("B", "canary")])).id;
    assert_eq!(id("one"), id("one"));
    assert_ne!(id("one"), id("two"));
    assert!(!id("one").contains("canary"));
    assert_eq!(id("one").len(), "cs-build-env-".len() + 4);
}

#[test]
fn a_start_command_is_written_as_it_was_given() {
    let start = "sh -c \"printf '\\d\\n'\"\nexec b";
    let written = format!("CMD [\"{}\"]", start.replace('"', "\\\""));
    let after = with_start(
        &node("").replace("CMD [\"npm run start\"]", &written),
        start,
    );
    let line = after
        .lines()
        .find_map(|line| line.strip_prefix("CMD "))
        .unwrap();
    assert_eq!(serde_json::from_str::<Vec<String>>(line).unwrap(), [start]);
    assert!(
        after.starts_with("FROM ") && after.ends_with("]\n\n"),
        "{after}"
    );
    // A start command of the source's own files.
    assert_eq!(with_start(&node(""), "other"), node(""));
}
