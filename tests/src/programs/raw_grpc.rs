//! A gRPC client that sends whatever it is given: bytes that are no message, lengths that are not true.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use http_body_util::StreamBody;
use prost::Message as _;
use tonic::Code;
use tonic::transport::{Channel, Endpoint};
use tower::ServiceExt as _;

/// How an RPC ended.
#[derive(Debug, Clone)]
pub struct Ended {
    /// What the server said; where HTTP refused the request, what that means for gRPC.
    pub code: Code,
    /// The server's words.
    pub message: String,
}

/// A connection to one port.
///
/// # Panics
/// Where `url` is none.
pub fn channel(url: &str) -> Channel {
    let endpoint = Endpoint::from_shared(url.to_owned()).expect("a URL");
    endpoint.connect_timeout(super::PATIENCE).tcp_nodelay(true).connect_lazy()
}

/// `message` with the prefix that says so: not compressed, and this long.
pub fn framed(message: &[u8]) -> Bytes {
    let length = u32::try_from(message.len()).expect("a length").to_be_bytes();
    [&[0], &length[..], message].concat().into()
}

/// Calls the RPC at `path` with a body of these pieces, and waits for its end.
///
/// # Errors
/// Where no answer comes, within the time or at all.
pub async fn call(
    channel: &Channel,
    path: &str,
    pieces: impl Stream<Item = Bytes> + Send + 'static,
    within: Duration,
) -> Result<Ended, String> {
    call_with(channel, path, http::HeaderMap::new(), pieces, within).await
}

/// [`call`] with further headers.
///
/// # Errors
/// As [`call`].
pub async fn call_with(
    channel: &Channel,
    path: &str,
    headers: http::HeaderMap,
    pieces: impl Stream<Item = Bytes> + Send + 'static,
    within: Duration,
) -> Result<Ended, String> {
    let body = StreamBody::new(pieces.map(|piece| Ok::<_, Infallible>(http_body::Frame::data(piece))));
    let mut request = http::Request::new(tonic::body::Body::new(body));
    *request.method_mut() = http::Method::POST;
    *request.uri_mut() = path.parse().map_err(|error| format!("{path}: {error}"))?;
    *request.headers_mut() = headers;
    let own = request.headers_mut();
    own.insert("content-type", http::HeaderValue::from_static("application/grpc"));
    own.insert("te", http::HeaderValue::from_static("trailers"));
    let exchange = async {
        let response = channel.clone().oneshot(request).await.map_err(|error| words(&error))?;
        let (head, mut body) = response.into_parts();
        if head.status != http::StatusCode::OK {
            return Ok(Ended { code: Code::Unknown, message: format!("HTTP {}", head.status) });
        }
        let mut trailers = head.headers;
        while !trailers.contains_key("grpc-status") {
            match http_body_util::BodyExt::frame(&mut body).await {
                Some(Ok(frame)) => {
                    if let Ok(last) = frame.into_trailers() {
                        trailers = last;
                    }
                }
                Some(Err(error)) => return Err(words(&error)),
                None => return Err("the answer has no status".to_owned()),
            }
        }
        let status = tonic::Status::from_header_map(&trailers).ok_or("the status makes no sense")?;
        Ok(Ended { code: status.code(), message: status.message().to_owned() })
    };
    tokio::time::timeout(within, exchange).await.map_err(|_| format!("{path}: no end within {within:?}"))?
}

/// The RPCs of all services of a peer: (service, path).
///
/// # Panics
/// Where the descriptors are broken.
pub fn rpcs() -> Vec<(String, String)> {
    let files = prost_types::FileDescriptorSet::decode(chordial_proto::DESCRIPTORS).expect("descriptors");
    let mut rpcs = Vec::new();
    for file in &files.file {
        for service in &file.service {
            let service_name = format!("{}.{}", file.package(), service.name());
            for method in &service.method {
                rpcs.push((service_name.clone(), format!("/{service_name}/{}", method.name())));
            }
        }
    }
    rpcs
}

fn words(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_rpcs_are_known() {
        let rpcs = rpcs();
        assert!(rpcs.contains(&("chord.v1.IndexService".into(), "/chord.v1.IndexService/Find".into())));
        assert!(rpcs.iter().any(|(service, _)| service == "transfer.v1.TransferService"), "{rpcs:?}");
        assert_eq!(&framed(b"ab")[..], b"\0\0\0\0\x02ab");
    }
}
