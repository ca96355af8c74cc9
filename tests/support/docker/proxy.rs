//! A proxy in front of an engine, for what an engine does not do by itself.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use cs::clients::docker::Engine;

use super::client_of;
use super::wire::{Wire, call};

/// The engine behind a port of the loopback. Cuts its connections when dropped.
pub(crate) struct EngineProxy {
    host: String,
    shared: Arc<Shared>,
}

struct Shared {
    engine: String,
    /// What the engine is shown to prefer.
    builder: Option<&'static str>,
    is_cut: AtomicBool,
    wires: Mutex<Vec<Wire>>,
}

impl EngineProxy {
    pub(super) fn start(engine: &str, builder: Option<&'static str>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("the loopback has free ports");
        let address = listener.local_addr().expect("it is bound");
        let shared = Arc::new(Shared {
            engine: engine.to_owned(),
            builder,
            is_cut: AtomicBool::new(false),
            wires: Mutex::default(),
        });
        let own = Arc::clone(&shared);
        std::thread::spawn(move || {
            for wire in listener.incoming().map_while(Result::ok) {
                if own.is_cut.load(Ordering::SeqCst) {
                    break;
                }
                let own = Arc::clone(&own);
                // A connection that fails is the client's to notice.
                std::thread::spawn(move || own.serve(Wire::Tcp(wire)).ok());
            }
        });
        Self {
            host: format!("tcp://{address}"),
            shared,
        }
    }

    /// The value of `DOCKER_HOST`.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// A client of it.
    pub(crate) fn client(&self) -> Engine {
        client_of(&self.host)
    }

    /// Cuts every connection and takes no more, as an engine that is killed.
    pub(crate) fn cut(&self) {
        self.shared.is_cut.store(true, Ordering::SeqCst);
        for wire in self.shared.wires.lock().unwrap().drain(..) {
            wire.close(Shutdown::Both);
        }
        // Wakes the listener, which then closes.
        let _ = Wire::open(&self.host);
    }
}

impl Drop for EngineProxy {
    fn drop(&mut self) {
        self.cut();
    }
}

impl Shared {
    fn serve(&self, mut client: Wire) -> std::io::Result<()> {
        let mut first = vec![0; 16 * 1024];
        let length = client.read(&mut first)?;
        first.truncate(length);
        if let Some(builder) = self.builder
            && first.starts_with(b"GET /_ping")
        {
            return self.ping(client, builder);
        }
        let mut engine = Wire::open(&self.engine)?;
        engine.write_all(&first)?;
        let (mut from, mut to) = (client.again()?, engine.again()?);
        {
            let mut wires = self.wires.lock().unwrap();
            wires.push(client.again()?);
            wires.push(engine.again()?);
        }
        if self.is_cut.load(Ordering::SeqCst) {
            client.close(Shutdown::Both);
        }
        std::thread::spawn(move || {
            let _ = std::io::copy(&mut from, &mut to);
            to.close(Shutdown::Write);
        });
        let _ = std::io::copy(&mut engine, &mut client);
        client.close(Shutdown::Both);
        engine.close(Shutdown::Both);
        Ok(())
    }

    /// The engine's own answer, with another preference.
    fn ping(&self, mut client: Wire, builder: &str) -> std::io::Result<()> {
        let reply = call(&self.engine, "GET", "/_ping", b"")?;
        let lines = reply.head.lines().skip(1);
        let kept = lines.filter(|line| {
            let name = line.split(':').next().unwrap_or_default();
            !["builder-version", "connection"].contains(&name.to_ascii_lowercase().as_str())
        });
        let kept: String = kept.map(|line| format!("{line}\r\n")).collect();
        write!(
            client,
            "HTTP/1.1 200 OK\r\n{kept}Builder-Version: {builder}\r\nConnection: close\r\n\r\n{}",
            reply.text()
        )
    }
}
