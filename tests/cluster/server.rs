//! A small HTTP server that answers by path and tells the time that it is told to tell.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// Status and body by path.
type Answer = fn(&str) -> (u16, &'static str);

/// Ends when dropped.
pub(super) struct Server {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Answers; every answer carries `date` when there is one.
    pub(super) fn start(answer: Answer, date: Option<String>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let stop = Arc::<AtomicBool>::default();
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                // A client that went away is not our business.
                let _ = stream.and_then(|stream| serve(stream, answer, date.as_deref()));
            }
        });
        Self {
            address,
            stop,
            thread: Some(thread),
        }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        // Wakes it.
        drop(TcpStream::connect(self.address));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve(mut stream: TcpStream, answer: Answer, date: Option<&str>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    // A client that begins with TLS is told off in plain text, as Go's servers do it.
    if reader.fill_buf()?.first() == Some(&0x16) {
        return stream.write_all(b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent TLS\n");
    }
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let mut line = String::new();
    while reader.read_line(&mut line)? > 2 {
        line.clear();
    }
    let path = first.split(' ').nth(1).unwrap_or_default();
    let path = path.split('?').next().unwrap_or_default();
    let (status, body) = answer(path);
    let date = date.map_or_else(String::new, |date| format!("Date: {date}\r\n"));
    write!(
        stream,
        "HTTP/1.1 {status} X\r\n{date}Connection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}
