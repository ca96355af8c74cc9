//! Calls of an engine without a client: they must not depend on the code under test.

use std::io::{Cursor, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;

/// An answer of the engine.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(super) head: String,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl std::fmt::Debug for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.status, self.text())
    }
}

/// A connection to an engine.
pub(super) enum Wire {
    Unix(UnixStream),
    Tcp(TcpStream),
}

impl Wire {
    pub(super) fn open(host: &str) -> std::io::Result<Self> {
        match host.split_once("://") {
            Some(("unix", path)) => UnixStream::connect(path).map(Self::Unix),
            Some(("tcp", address)) => TcpStream::connect(address).map(Self::Tcp),
            _ => panic!("tests reach engines through unix:// and tcp:// only"),
        }
    }

    pub(super) fn again(&self) -> std::io::Result<Self> {
        match self {
            Self::Unix(stream) => stream.try_clone().map(Self::Unix),
            Self::Tcp(stream) => stream.try_clone().map(Self::Tcp),
        }
    }

    pub(super) fn close(&self, how: Shutdown) {
        let _ = match self {
            Self::Unix(stream) => stream.shutdown(how),
            Self::Tcp(stream) => stream.shutdown(how),
        };
    }
}

impl Read for Wire {
    fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Self::Unix(stream) => stream.read(bytes),
            Self::Tcp(stream) => stream.read(bytes),
        }
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Self::Unix(stream) => stream.write(bytes),
            Self::Tcp(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

pub(super) fn call(host: &str, method: &str, path: &str, body: &[u8]) -> std::io::Result<Reply> {
    let mut wire = Wire::open(host)?;
    let length = body.len();
    let kind = match body.first() {
        Some(b'{') => "application/json",
        _ => "application/x-tar",
    };
    // An answer in HTTP/1.0 is never cut into chunks.
    write!(
        wire,
        "{method} {path} HTTP/1.0\r\nHost: docker\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n"
    )?;
    std::io::copy(&mut Cursor::new(body), &mut wire)?;
    let mut bytes = Vec::new();
    wire.read_to_end(&mut bytes)?;
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
    let end = end.ok_or(std::io::ErrorKind::UnexpectedEof)?;
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    Ok(Reply {
        status: status.ok_or(std::io::ErrorKind::InvalidData)?,
        head,
        body: bytes.split_off(end + 4),
    })
}
