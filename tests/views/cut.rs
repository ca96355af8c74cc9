//! A way to Nomad on which answers that go on for long break, each time a little later: what was sent once more than a
//! connection carries would never arrive.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Breaks the connection of every followed log after some bytes of the answer, twice as many each time; everything else
/// passes.
pub(super) struct Cut {
    address: SocketAddr,
    cuts: Arc<AtomicUsize>,
}

impl Cut {
    /// In front of `nomad`. Its threads end with the test binary.
    pub(super) fn start(nomad: SocketAddr, bytes: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("the loopback has free ports");
        let address = listener.local_addr().expect("it is bound");
        let cuts = Arc::<AtomicUsize>::default();
        let counter = Arc::clone(&cuts);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let counter = Arc::clone(&counter);
                std::thread::spawn(move || carry(&client, nomad, bytes, &counter));
            }
        });
        Self { address, cuts }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How often a connection was broken.
    pub(super) fn cuts(&self) -> usize {
        self.cuts.load(Ordering::Relaxed)
    }
}

fn carry(client: &TcpStream, nomad: SocketAddr, bytes: usize, cuts: &AtomicUsize) {
    let Ok(server) = TcpStream::connect(nomad) else {
        return;
    };
    let follows = Arc::<AtomicUsize>::default();
    let (Ok(mut from), Ok(mut to)) = (client.try_clone(), server.try_clone()) else {
        return;
    };
    let seen = Arc::clone(&follows);
    // Requests are small: each arrives in one piece.
    std::thread::spawn(move || {
        let mut part = [0; 16 * 1024];
        while let Ok(length @ 1..) = from.read(&mut part) {
            let is_follow = String::from_utf8_lossy(&part[..length]).contains("follow=true");
            seen.store(usize::from(is_follow), Ordering::SeqCst);
            if to.write_all(&part[..length]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
    });
    let (mut from, mut to) = (&server, client);
    let (mut part, mut carried) = ([0; 64], 0);
    while let Ok(length @ 1..) = from.read(&mut part) {
        if to.write_all(&part[..length]).is_err() {
            break;
        }
        if follows.load(Ordering::SeqCst) == 1 {
            carried += length;
            if carried >= bytes << cuts.load(Ordering::Relaxed).min(16) {
                cuts.fetch_add(1, Ordering::Relaxed);
                break;
            }
        }
    }
    let _ = client.shutdown(Shutdown::Both);
    let _ = server.shutdown(Shutdown::Both);
}
