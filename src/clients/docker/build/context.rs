//! The context on its way into the request.

use std::io;
use std::pin::pin;

use bytes::Bytes;
use futures::{Stream, StreamExt};
use reqwest::Body;
use tokio::sync::mpsc;

/// Chunks that wait for the engine.
const WAITING: usize = 2;

/// A body, and the future that feeds it from a context.
///
/// The context stays with the caller: it is dropped with the future, not some time later with the connection. A future
/// that is dropped early, or that ends with an error of the context, breaks the body off, so that half a context never
/// looks like a whole one. A body that nobody reads any more ends the future without an error.
pub(super) fn pipe(
    context: impl Stream<Item = io::Result<Bytes>>,
) -> (Body, impl Future<Output = io::Result<()>>) {
    // `None` says that the context is whole.
    let (sender, receiver) = mpsc::channel::<Option<Bytes>>(WAITING);
    let body = futures::stream::unfold(Some(receiver), |receiver| async {
        let mut receiver = receiver?;
        match receiver.recv().await {
            Some(Some(chunk)) => Some((Ok(chunk), Some(receiver))),
            Some(None) => None,
            None => Some((Err(io::Error::other("the context broke off")), None)),
        }
    });
    let pump = async move {
        let mut context = pin!(context);
        while let Some(chunk) = context.next().await {
            if sender.send(Some(chunk?)).await.is_err() {
                return Ok(());
            }
        }
        // Whoever does not listen any more does not need to know.
        let _ = sender.send(None).await;
        Ok(())
    };
    (Body::wrap_stream(body), pump)
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    fn chunks(
        pieces: Vec<io::Result<&'static str>>,
    ) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
        futures::stream::iter(pieces).map(|piece| piece.map(Bytes::from))
    }

    #[tokio::test]
    async fn a_whole_context_arrives_whole() {
        let (body, pump) = pipe(chunks(vec![Ok("a"), Ok("b"), Ok("c"), Ok("d")]));
        let (read, pumped) = tokio::join!(body.collect(), pump);
        assert_eq!(read.unwrap().to_bytes(), "abcd");
        pumped.unwrap();
    }

    #[tokio::test]
    async fn half_a_context_never_looks_whole() {
        let gone = || Err(io::Error::new(io::ErrorKind::NotFound, "gone"));
        let (body, pump) = pipe(chunks(vec![Ok("a"), gone(), Ok("b")]));
        let (read, pumped) = tokio::join!(body.collect(), pump);
        assert!(read.is_err());
        assert_eq!(pumped.unwrap_err().kind(), io::ErrorKind::NotFound);
        let (body, pump) = pipe(chunks(vec![Ok("a")]));
        drop(pump);
        assert!(body.collect().await.is_err());
    }

    #[tokio::test]
    async fn a_body_that_nobody_reads_ends_the_pump() {
        let (body, pump) = pipe(chunks((0..100).map(|_| Ok("x")).collect()));
        drop(body);
        pump.await.unwrap();
    }
}
