//! Small Dockerfiles, and any text.

use proptest::prelude::*;

use super::*;

fn needs_git(text: &str) -> bool {
    Dockerfile::parse(text).needs_git
}

fn features(text: &str) -> Vec<(usize, String)> {
    let found = Dockerfile::parse(text).buildkit;
    found.into_iter().map(|it| (it.line, it.what)).collect()
}

#[test]
fn stages_are_read_with_platform_and_name() {
    let dockerfile = Dockerfile::parse(
        "ARG VERSION=1\nfrom --platform=$BUILDPLATFORM golang:${VERSION} as Build\nFROM scratch\nFROM build\nFROM alpine",
    );
    assert_eq!(
        dockerfile.stages[0],
        Stage {
            base: "golang:${VERSION}".to_owned(),
            platform: Some("$BUILDPLATFORM".to_owned()),
            name: Some("Build".to_owned()),
        }
    );
    assert_eq!(dockerfile.stages.len(), 4);
    assert_eq!(dockerfile.base_images(), ["golang:${VERSION}", "alpine"]);
    assert_eq!(dockerfile.args, [("VERSION".to_owned(), 1)].into());
}

#[test]
fn the_last_stage_says_which_ports_are_exposed() {
    let exposed = |text: &str| Dockerfile::parse(text).exposed;
    assert_eq!(
        exposed(
            "FROM a\nEXPOSE 1\nFROM b\nEXPOSE 8080 9090/udp 70000 $PORT 81-83\nexpose 8080/TCP 443"
        ),
        [8080, 443]
    );
    assert!(exposed("FROM a").is_empty());
}

#[test]
fn a_dockerfile_needs_git_when_it_copies_or_mounts_it() {
    for text in [
        "COPY .git /src/.git",
        "copy ./.git/ /src",
        "COPY a .git/HEAD /src/",
        "ADD [\".git\", \"/src\"]",
        "COPY --chown=1:1 .git* /src/",
        "COPY a \\\n  # why\n\n  .git /src/",
        "RUN --mount=type=bind,source=.git,target=.git git describe",
        "RUN --mount=target=/g,src=/.git true",
        "RUN --mount=type=cache,target=/c --mount=type=bind,source=\".git\",target=/g true",
        "# escape=`\nCOPY a `\n .git /src/",
        "COPY vendor/lib/.git /src/",
        "\u{feff}COPY .git /x\r\n",
    ] {
        assert!(needs_git(text), "{text}");
    }
}

#[test]
fn a_dockerfile_that_copies_everything_does_not_need_git() {
    for text in [
        "COPY . .",
        "COPY * /src/",
        "COPY .gitignore .gitmodules /src/",
        "COPY a .git",
        "COPY --from=build /src/.git /src/.git",
        "RUN --mount=type=bind,from=build,source=.git,target=/g true",
        "RUN --mount=type=cache,source=.git,target=/g true",
        "RUN ls .git",
        "# COPY .git /src",
        "ADD https://git.example/x/.git/HEAD /x",
        "ONBUILD COPY .git /src",
        "RUN <<EOF\nCOPY .git /src\nEOF",
        "RUN cat <<-'A B' 3<<C\nx\n\t\tA B\nCOPY .git /src\nC",
        "COPY <<.git /x\nCOPY .git /y\n.git",
        "",
    ] {
        assert!(!needs_git(text), "{text}");
    }
}

#[test]
fn what_follows_a_here_document_is_read_again() {
    for text in [
        "RUN <<EOF\nx\nEOF\nCOPY .git /src",
        "RUN cat <<A <<B\nA\nx\nB\nCOPY .git /src",
        "RUN [\"sh\", \"<<EOF\"]\nCOPY .git /src",
        "RUN echo $((1 <<< 2)) <<<word\nCOPY .git /src",
        "RUN echo \"<<EOF\"\nCOPY .git /src",
        "LABEL a=<<EOF\nCOPY .git /src",
        "ONBUILD RUN <<EOF\nx\nEOF\nCOPY .git /src",
    ] {
        assert!(needs_git(text), "{text}");
    }
}

#[test]
fn secrets_are_known_by_id_source_or_target() {
    let dockerfile = Dockerfile::parse(
        "RUN --mount=type=secret,id=A --mount=Type=SECRET,source=B,target=/x true\n\
         RUN --mount=type=secret,target=/run/secrets/C --mount=type=cache,id=D,target=/d true",
    );
    let ids: Vec<_> = dockerfile.secret_ids.iter().map(String::as_str).collect();
    assert_eq!(ids, ["A", "B", "C"]);
}

#[test]
fn a_secret_that_is_declared_as_an_argument_is_warned_of_unless_it_is_mounted_too() {
    let dockerfile = Dockerfile::parse(
        "FROM x\nARG TOKEN KEY=1\nARG MOUNTED\nRUN --mount=type=secret,id=MOUNTED true",
    );
    let warnings = dockerfile.secrets_declared_as_args(["KEY", "MOUNTED", "OTHER", "TOKEN"]);
    assert_eq!(warnings.len(), 2);
    assert_eq!(
        warnings[1],
        "line 2 declares the secret `TOKEN` as a build argument, which it no longer is: it would stay in the image's \
         history; write `RUN --mount=type=secret,id=TOKEN …` and read /run/secrets/TOKEN"
    );
}

#[test]
fn what_only_buildkit_can_do_is_named_with_its_line() {
    let text = "FROM x\nRUN a \\\n && b\nrun --mount=type=cache,target=/c --network=none true\nCOPY --link --chown=1 a b\n\
                COPY <<EOF /a\nRUN --mount=x\nEOF\nADD --checksum=sha256:1 a b";
    assert_eq!(
        features(text),
        [
            (4, "RUN --mount".to_owned()),
            (4, "RUN --network".to_owned()),
            (5, "COPY --link".to_owned()),
            (6, "COPY with a here-document".to_owned()),
            (9, "ADD --checksum".to_owned()),
        ]
    );
    assert_eq!(
        features(
            "FROM --platform=x y\nCOPY --from=a --chown=1 b c\nHEALTHCHECK --interval=5s CMD x\nRUN x --mount=y"
        ),
        []
    );
}

#[test]
fn a_doubled_escape_character_continues_nothing() {
    assert!(needs_git("RUN echo \\\\\nCOPY .git /x"));
    assert!(!needs_git("RUN echo \\\nCOPY .git /x"));
    assert!(!needs_git("RUN echo \\  \nCOPY .git /x"));
    assert!(needs_git("# escape=`\nRUN echo \\\nCOPY .git /x"));
    assert!(
        !needs_git("# a comment ends the directives\n# escape=`\nRUN echo \\\nCOPY .git /x"),
        "a directive after a comment is a comment"
    );
}

proptest! {
    #[test]
    fn any_text_is_read(text in any::<String>()) {
        let _ = Dockerfile::parse(&text);
    }

    #[test]
    fn any_jumble_of_its_words_is_read(
        words in prop::collection::vec(
            prop::sample::select(vec![
                "FROM", "RUN", "COPY", "ADD", "ARG", "ONBUILD", "#", "escape", "=", "`", "\\", "\n", "\r\n", " ", "\t", "<<", "<<-",
                "EOF", "'", "\"", "[", "]", "--mount=", "type=secret", ",", "id=", "--", ".git", "ü", "$", "\u{feff}",
            ]),
            0..40,
        ),
    ) {
        let _ = Dockerfile::parse(&words.concat());
    }

    /// Comments and empty lines change nothing but line numbers.
    #[test]
    fn comments_between_instructions_change_nothing(lines in prop::collection::vec(
        prop::sample::select(vec!["FROM a AS b", "COPY .git /x", "ARG A=1", "RUN --mount=type=secret,id=x true", "RUN a \\\n b"]),
        1..8,
    )) {
        let plain = Dockerfile::parse(&lines.join("\n"));
        let commented = Dockerfile::parse(&lines.join("\n  # comment \\\n\n"));
        prop_assert_eq!(plain.stages, commented.stages);
        prop_assert_eq!(plain.needs_git, commented.needs_git);
        prop_assert_eq!(plain.secret_ids, commented.secret_ids);
        prop_assert!(plain.args.keys().eq(commented.args.keys()));
    }
}
