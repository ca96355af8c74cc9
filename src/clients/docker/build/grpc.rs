//! Unary gRPC calls over HTTP/2, answered: the part of gRPC that a session needs.
//!
//! Source: gRPC, `PROTOCOL-HTTP2.md`.

use std::convert::Infallible;

use bytes::{BufMut, Bytes, BytesMut};
use http_body_util::combinators::WithTrailers;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::{Request, Response};
use prost::Message;

/// Longest request. Those of a session name an id or a host.
const REQUEST_LIMIT: usize = 64 * 1024;

/// Why a call has no answer. Source: gRPC, `statuscodes.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Code {
    InvalidArgument = 3,
    NotFound = 5,
    Unimplemented = 12,
}

/// The answer to a call, as a message or a code.
pub(super) type Answer = Result<Bytes, Code>;

type Trailers = std::future::Ready<Option<Result<HeaderMap, Infallible>>>;

/// The body of an answer.
pub(super) type AnswerBody = WithTrailers<Full<Bytes>, Trailers>;

/// Reads the one message of a request.
pub(super) async fn read<T: Message + Default>(request: Request<Incoming>) -> Result<T, Code> {
    let body = Limited::new(request.into_body(), REQUEST_LIMIT);
    let body = body.collect().await.map_err(|_| Code::InvalidArgument)?;
    parse(&body.to_bytes()).ok_or(Code::InvalidArgument)
}

/// A message behind its prefix: a byte that says whether it is compressed, and its length in four.
fn parse<T: Message + Default>(frame: &[u8]) -> Option<T> {
    let (prefix, message) = frame.split_first_chunk::<5>()?;
    let [compressed, length @ ..] = *prefix;
    let is_whole = usize::try_from(u32::from_be_bytes(length)).ok()? == message.len();
    (compressed == 0 && is_whole).then(|| T::decode(message).ok())?
}

/// A message behind its prefix.
pub(super) fn frame(message: &impl Message) -> Bytes {
    let length = message.encoded_len();
    let mut frame = BytesMut::with_capacity(5 + length);
    frame.put_u8(0);
    frame.put_u32(u32::try_from(length).expect("secrets and names are shorter than 4 GiB"));
    message
        .encode(&mut frame)
        .expect("the buffer grows as it must");
    frame.freeze()
}

/// The response of an answer: failures have no body, only a code.
pub(super) fn respond(answer: Answer) -> Response<AnswerBody> {
    let (body, code) = match answer {
        Ok(message) => (message, 0),
        Err(code) => (Bytes::new(), code as u16),
    };
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from(code));
    let trailers = std::future::ready(Some(Ok(trailers)));
    let mut response = Response::new(Full::new(body).with_trailers(trailers));
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    response
}

#[cfg(test)]
mod tests {
    use super::super::proto::GetSecretRequest;
    use super::*;

    #[test]
    fn a_message_comes_back_from_its_frame() {
        let request = GetSecretRequest {
            id: "npm".to_owned(),
        };
        let framed = frame(&request);
        assert_eq!(framed[..5], [0, 0, 0, 0, 5]);
        assert_eq!(parse::<GetSecretRequest>(&framed), Some(request));
    }

    #[test]
    fn a_frame_that_is_compressed_or_cut_is_refused() {
        for bad in [
            &b""[..],
            b"\0\0\0\0",
            b"\0\0\0\0\x05ab",
            b"\x01\0\0\0\0",
            b"\0\0\0\0\x02\x0a\x09",
        ] {
            assert_eq!(parse::<GetSecretRequest>(bad), None, "{bad:?}");
        }
    }
}
