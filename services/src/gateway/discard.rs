//! Bodies that nobody wants.

use std::pin::pin;

use bytes::Buf;
use futures::{Stream, StreamExt};
use http::HeaderMap;
use http::header::CONTENT_LENGTH;

use super::Limits;
use super::problem::{Kind, Problem};

/// No resource but a file to be stored takes a body: a small one that arrives in time is read and dropped, so that the
/// connection can go on.
///
/// # Errors
/// [`Kind::BodyTooLarge`], [`Kind::BodyTimeout`]; [`Kind::BadRequest`] where it breaks off.
pub async fn discard<B, D, E>(body: B, headers: &HeaderMap, limits: &Limits) -> Result<(), Problem>
where
    B: Stream<Item = Result<D, E>>,
    D: Buf,
{
    let most = limits.max_body;
    let too_large = || Problem::new(Kind::BodyTooLarge, format!("A body has at most {most} bytes here."));
    let stated = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if stated.is_some_and(|length: u64| length > most) {
        return Err(too_large());
    }
    let read = async {
        let mut body = pin!(body);
        let mut read = 0;
        while let Some(chunk) = body.next().await {
            let Ok(chunk) = chunk else {
                let detail = "The body of this request ended before its end.";
                return Err(Problem::new(Kind::BadRequest, detail));
            };
            read += chunk.remaining() as u64;
            if read > most {
                return Err(too_large());
            }
        }
        Ok(())
    };
    match tokio::time::timeout(limits.body_timeout, read).await {
        Ok(outcome) => outcome,
        Err(_) => Err(Problem::new(Kind::BodyTimeout, "The body did not arrive in time.")),
    }
}
