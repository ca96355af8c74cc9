//! A real `nats-server` with JetStream and an NKey user.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use async_nats::jetstream::consumer::{AckPolicy, pull};
use async_nats::jetstream::stream::{Config, RetentionPolicy, StorageType, Stream};
use async_nats::jetstream::{self, Context};
use cs::events::{DEFAULT_FLUSH_TIMEOUT, NatsConfig};
use cs::secret::Secret;
use futures::TryStreamExt;
use nkeys::KeyPair;
use tempfile::TempDir;

use super::ports::free_port;

/// How long a server may take to start or to answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// A server of our own. Dies with this value; its store lives as long.
pub(crate) struct NatsServer {
    port: u16,
    user: KeyPair,
    home: TempDir,
    child: Option<Child>,
}

/// One message of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) subject: String,
    pub(crate) id: String,
    pub(crate) payload: String,
}

impl NatsServer {
    /// Prepares a server and its port without starting it.
    pub(crate) fn stopped() -> Self {
        Self {
            port: free_port(),
            user: KeyPair::new_user(),
            home: tempfile::tempdir().expect("a temporary directory"),
            child: None,
        }
    }

    /// Starts a server and waits until it answers.
    pub(crate) async fn start() -> Self {
        let mut server = Self::stopped();
        server.up().await;
        server
    }

    /// Starts the server, again on the same port with the same store, and waits until it answers.
    pub(crate) async fn up(&mut self) {
        let config = self.home.path().join("server.conf");
        std::fs::write(&config, self.config()).expect("the configuration can be written");
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.down();
            let log = self.home.path().join("server.log");
            let log = File::create(log).expect("the log can be written");
            let child = Command::new("nats-server")
                .arg("-c")
                .arg(&config)
                .stdout(Stdio::null())
                .stderr(log)
                .spawn()
                .expect("nats-server is on PATH");
            self.child = Some(child);
            if self.answers(deadline).await {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "nats-server does not start: {}",
                std::fs::read_to_string(self.home.path().join("server.log")).unwrap_or_default()
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Waits until JetStream answers. False: the process ended, e.g. because the port was taken meanwhile.
    async fn answers(&mut self, deadline: Instant) -> bool {
        while Instant::now() < deadline {
            let child = self.child.as_mut().expect("started just before");
            if child.try_wait().expect("a child of ours").is_some() {
                return false;
            }
            // A plain request, because servers of different age answer it with different fields.
            if let Ok(context) = self.try_connect().await
                && let client = context.client()
                && client.request("$JS.API.INFO", "".into()).await.is_ok()
            {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        false
    }

    fn config(&self) -> String {
        let store = self.home.path().join("store");
        format!(
            "listen: 127.0.0.1:{}\njetstream {{ store_dir: {store:?} }}\n\
             authorization {{ users: [ {{ nkey: {} }} ] }}\n",
            self.port,
            self.user.public_key()
        )
    }

    /// Kills the server at once.
    pub(crate) fn down(&mut self) {
        if let Some(mut child) = self.child.take() {
            // Both fail only if it is gone already.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Freezes the server: connections stay open and nothing answers.
    pub(crate) fn pause(&self) {
        self.signal("-STOP");
    }

    /// Ends a pause.
    pub(crate) fn resume(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.as_ref().expect("the server runs").id();
        let sent = Command::new("kill")
            .arg(signal)
            .arg(pid.to_string())
            .status();
        assert!(sent.expect("kill is on PATH").success());
    }

    /// The address without a scheme.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The seed of the user that the server knows.
    pub(crate) fn seed(&self) -> String {
        self.user.seed().expect("a fresh pair has a seed")
    }

    /// How the product reaches this server.
    pub(crate) fn client_config(&self) -> NatsConfig {
        NatsConfig {
            servers: Secret::new(self.address()),
            seed: Some(Secret::new(self.seed())),
            flush_timeout: DEFAULT_FLUSH_TIMEOUT,
        }
    }

    /// A bare client, to arrange streams and to look at them.
    pub(crate) async fn context(&self) -> Context {
        self.try_connect().await.expect("the server answers")
    }

    async fn try_connect(&self) -> Result<Context, async_nats::ConnectError> {
        let options = async_nats::ConnectOptions::with_nkey(self.seed())
            .connection_timeout(Duration::from_secs(2));
        options.connect(self.address()).await.map(jetstream::new)
    }

    /// Creates the platform's stream: `<prefix>_cloudstation` for `<prefix>.>`, work queue, file.
    pub(crate) async fn create_stream(&self, prefix: &str) -> Stream {
        let config = Config {
            name: format!("{prefix}_cloudstation"),
            subjects: vec![format!("{prefix}.>")],
            retention: RetentionPolicy::WorkQueue,
            storage: StorageType::File,
            max_age: Duration::from_secs(7 * 24 * 60 * 60),
            num_replicas: 1,
            ..Config::default()
        };
        let context = self.context().await;
        context.create_stream(config).await.expect("a fresh stream")
    }

    /// Removes the platform's stream, and with it what it knows of message ids.
    pub(crate) async fn delete_stream(&self, prefix: &str) {
        let context = self.context().await;
        let deleted = context.delete_stream(format!("{prefix}_cloudstation"));
        deleted.await.expect("the stream exists");
    }

    /// Returns everything in the stream, in order. What is read stays in it.
    pub(crate) async fn stored(&self, prefix: &str) -> Vec<Stored> {
        self.messages(prefix).await.iter().map(stored).collect()
    }

    /// The header `name` of every message, by its id; empty where there is none.
    pub(crate) async fn headers(&self, prefix: &str, name: &str) -> Vec<(String, String)> {
        let header = |message: &jetstream::Message| {
            let found = message.headers.as_ref().and_then(|all| all.get(name));
            let value = found.map(ToString::to_string).unwrap_or_default();
            (stored(message).id, value)
        };
        self.messages(prefix).await.iter().map(header).collect()
    }

    async fn messages(&self, prefix: &str) -> Vec<jetstream::Message> {
        let context = self.context().await;
        let name = format!("{prefix}_cloudstation");
        let mut stream = context.get_stream(&name).await.expect("the stream exists");
        let count = stream
            .info()
            .await
            .expect("the server answers")
            .state
            .messages;
        let config = pull::Config {
            ack_policy: AckPolicy::Explicit,
            // Nothing is acknowledged, so all of it is pending at once.
            max_ack_pending: 1_000_000,
            inactive_threshold: Duration::from_secs(30),
            ..pull::Config::default()
        };
        let consumer = stream.create_consumer(config).await.expect("a consumer");
        let batch = consumer
            .fetch()
            .max_messages(usize::try_from(count).expect("a few"))
            .messages();
        let messages: Vec<_> = match count {
            0 => Vec::new(),
            _ => batch
                .await
                .expect("the server answers")
                .try_collect()
                .await
                .expect("every message arrives"),
        };
        let consumer = consumer.cached_info().name.clone();
        stream
            .delete_consumer(&consumer)
            .await
            .expect("a consumer of ours");
        messages
    }

    /// Everything that the server and its clients wrote to disk for this server.
    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }
}

fn stored(message: &jetstream::Message) -> Stored {
    let headers = message.headers.clone().unwrap_or_default();
    Stored {
        subject: message.subject.to_string(),
        id: headers
            .get("Nats-Msg-Id")
            .map(ToString::to_string)
            .unwrap_or_default(),
        payload: String::from_utf8(message.payload.to_vec()).expect("payloads are text"),
    }
}

impl Drop for NatsServer {
    fn drop(&mut self) {
        self.down();
    }
}
