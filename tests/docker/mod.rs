//! The client of the Docker engine, against a real one.

mod builds;
mod cache;
mod classic;
mod context;
mod failures;
mod push;
mod reach;
mod secrets;
mod stop;
mod tls;

use std::io;

use bytes::Bytes;
use cs::artifact::output::Output;
use cs::artifact::registry::Credentials;
use cs::clients::chain;
use cs::clients::docker::{BuildFailure, Built, Engine, EngineError, ImageBuild};
use cs::events::LogStream;
use cs::secret::Secret;
use futures::Stream;
use tokio_util::sync::CancellationToken;

/// A build of a Dockerfile.
fn named(tag: &str) -> ImageBuild {
    ImageBuild {
        tags: vec![tag.to_owned()],
        dockerfile: "Dockerfile".to_owned(),
        ..ImageBuild::default()
    }
}

/// A context of files, in pieces.
fn context(files: &[(&str, &str)]) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    let mut archive = tar::Builder::new(Vec::new());
    for (path, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        let data = content.as_bytes();
        archive.append_data(&mut header, path, data).unwrap();
    }
    let bytes = archive.into_inner().unwrap();
    let pieces: Vec<_> = bytes.chunks(1000).map(Bytes::copy_from_slice).collect();
    futures::stream::iter(pieces.into_iter().map(Ok))
}

/// A build that has ended.
struct Ended {
    result: Result<Built, EngineError>,
    stdout: String,
    stderr: String,
}

impl Ended {
    #[track_caller]
    fn built(&self) -> &Built {
        match &self.result {
            Ok(built) => built,
            Err(error) => panic!("{}\n{}", chain(error), self.said()),
        }
    }

    #[track_caller]
    fn failure(&self) -> &BuildFailure {
        match &self.result {
            Err(EngineError::Build(failure)) => failure,
            other => panic!("{other:?}\n{}", self.said()),
        }
    }

    fn said(&self) -> String {
        format!("--- stdout\n{}\n--- stderr\n{}", self.stdout, self.stderr)
    }

    /// Everything that anybody could see of it.
    fn shown(&self) -> String {
        let result = match &self.result {
            Ok(built) => format!("{built:?}"),
            Err(error) => format!("{} {error:?}", chain(error)),
        };
        format!("{result}\n{}", self.said())
    }
}

/// Builds a Dockerfile.
async fn build(engine: &Engine, build: &ImageBuild, dockerfile: &str) -> Ended {
    build_files(engine, build, &[("Dockerfile", dockerfile)]).await
}

/// Builds a context of files.
async fn build_files(engine: &Engine, build: &ImageBuild, files: &[(&str, &str)]) -> Ended {
    let stop = CancellationToken::new();
    build_stream(engine, build, context(files), &stop).await
}

/// Builds, and listens to the end.
async fn build_stream(
    engine: &Engine,
    build: &ImageBuild,
    context: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
    stop: &CancellationToken,
) -> Ended {
    let (output, mut heard) = Output::channel();
    let built = async {
        let result = engine.build(build, context, &output, stop).await;
        drop(output);
        result
    };
    let listen = async {
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        while let Some(chunk) = heard.recv().await {
            match chunk.stream {
                LogStream::Stdout => stdout.extend_from_slice(&chunk.bytes),
                LogStream::Stderr => stderr.extend_from_slice(&chunk.bytes),
            }
        }
        (stdout, stderr)
    };
    let (result, (stdout, stderr)) = tokio::join!(built, listen);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("what tests say is text");
    Ended {
        result,
        stdout: text(stdout),
        stderr: text(stderr),
    }
}

fn credentials(password: &str) -> Credentials {
    Credentials {
        username: crate::support::registry::USER.to_owned(),
        password: Secret::new(password),
    }
}
