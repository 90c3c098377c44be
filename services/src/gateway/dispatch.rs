//! From a request to its answer: one warp filter takes it apart, and everything else is decided here, since
//! warp's own rejections cannot tell a wrong method from an unknown path once two filters share a prefix.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Buf;
use futures::{FutureExt, Stream, StreamExt};
use http::{HeaderMap, HeaderValue, Method};
use tokio::time::Instant;
use warp::reply::Response;
use warp::{Filter, Rejection};

use super::problem::{Kind, Problem};
use super::request::{Query, Request};
use super::routes::Route;
use super::{Gateway, catalog, content, files, health, node, page, shared_file, upload};

const REQUEST_ID: &str = "x-request-id";

/// Everything that the gateway serves.
pub fn filter(
    gateway: Arc<Gateway>,
) -> impl Filter<Extract = (Response,), Error = Infallible> + Clone + Send + Sync + 'static {
    let query = warp::query::raw().or(warp::any().map(String::new)).unify();
    let parts = warp::method().and(warp::path::full()).and(query).and(warp::header::headers_cloned()).map(
        |method, path: warp::path::FullPath, query, headers| Request {
            method,
            path: path.as_str().to_owned(),
            query,
            headers,
        },
    );
    parts
        .and(warp::ext::optional::<SocketAddr>())
        .and(warp::body::stream())
        .then(move |request: Request, remote: Option<SocketAddr>, body| {
            let gateway = gateway.clone();
            async move { answer(&gateway, request, remote, body).await }
        })
        .recover(async |rejection: Rejection| {
            tracing::error!(?rejection, "a request was rejected before it reached the routes");
            Ok(Problem::new(Kind::Internal, "The request could not be taken apart.").into_response("/"))
        })
        .unify()
}

/// Answers whatever happens: in time, or with the problem that keeps it from that.
async fn answer<B, D, E>(gateway: &Gateway, request: Request, remote: Option<SocketAddr>, body: B) -> Response
where
    B: Stream<Item = Result<D, E>> + Send + 'static,
    D: Buf,
{
    let started = Instant::now();
    let _in_flight = gateway.metrics.in_flight();
    let id = request_id(&request.headers);
    let (path, method) = (request.path.clone(), request.method.clone());
    let mut pattern = "other";
    // A file on its way up may take as long as it moves: each of its waits has a deadline of its own.
    let within = (method != Method::PUT).then_some(gateway.limits.request_timeout);
    let outcome = settle(within, dispatch(gateway, request, body, &mut pattern)).await;
    let mut response = outcome.unwrap_or_else(|problem| {
        tracing::debug!(problem = problem.detail(), id, "request failed");
        problem.into_response(&path)
    });
    let (status, took) = (response.status(), started.elapsed());
    tracing::debug!(%method, path, status = status.as_u16(), ?took, ?remote, id, "request");
    gateway.metrics.request(pattern, status, took);
    if let Ok(id) = HeaderValue::try_from(id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

/// What `work` comes to, if it does so in time and without a panic.
async fn settle<T>(
    within: Option<Duration>,
    work: impl Future<Output = Result<T, Problem>>,
) -> Result<T, Problem> {
    let work = AssertUnwindSafe(work).catch_unwind();
    let outcome = match within {
        Some(within) => tokio::time::timeout(within, work).await,
        None => Ok(work.await),
    };
    match outcome {
        Ok(Ok(outcome)) => outcome,
        // The panic itself has been reported where it happened.
        Ok(Err(_)) => Err(Problem::new(
            Kind::Internal,
            "A defect of this program. Its log has more; please report it with the request that led here.",
        )),
        Err(_) => Err(Problem::new(Kind::Timeout, "The request took too long; ask again.")),
    }
}

async fn dispatch<B, D, E>(
    gateway: &Gateway,
    request: Request,
    body: B,
    pattern: &mut &'static str,
) -> Result<Response, Problem>
where
    B: Stream<Item = Result<D, E>> + Send + 'static,
    D: Buf,
{
    let limits = &gateway.limits;
    let uri = request.path.len() + request.query.len() + usize::from(!request.query.is_empty());
    if uri > limits.max_uri {
        let detail = format!("The URI has {uri} bytes; at most {} are read.", limits.max_uri);
        return Err(Problem::new(Kind::UriTooLong, detail));
    }
    let headers: usize =
        request.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    if headers > limits.max_header_bytes {
        let detail =
            format!("The headers have {headers} bytes; at most {} are read.", limits.max_header_bytes);
        return Err(Problem::new(Kind::HeadersTooLarge, detail));
    }
    let route = Route::of(&request.segments()?)?;
    *pattern = route.pattern();
    route.check_method(&request.method)?;
    let query = Query::parse(&request.query)?;
    if let Some(known) = route.query_keys() {
        query.only(known)?;
    }
    let route = match route {
        Route::Shared(path) if request.method == Method::PUT => {
            return upload::put(gateway, &request, path, body).await;
        }
        route => route,
    };
    discard(body, &request.headers, limits.max_body).await?;
    match route {
        Route::Page => page::get(gateway).await,
        Route::Livez => health::livez(),
        Route::Readyz => health::readyz(gateway).await,
        Route::Metrics => health::metrics(gateway).await,
        Route::Version => health::version(),
        Route::Node => node::get(gateway).await,
        Route::Ring => node::ring(gateway).await,
        Route::Catalog => catalog::get(gateway, &query).await,
        Route::Files => files::list(gateway, &query).await,
        Route::File(name) => files::get(gateway, name).await,
        Route::Content(name) => content::get(gateway, &request, &query, name).await,
        Route::Shared(path) => shared_file::get(gateway, &request, path).await,
    }
}

/// No resource but a file to be stored takes a body: a small one is read and dropped, so that the connection can
/// go on.
async fn discard<B, D, E>(body: B, headers: &HeaderMap, most: u64) -> Result<(), Problem>
where
    B: Stream<Item = Result<D, E>>,
    D: Buf,
{
    let too_large = || Problem::new(Kind::BodyTooLarge, format!("A body has at most {most} bytes here."));
    let stated =
        headers.get(http::header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if stated.is_some_and(|length: u64| length > most) {
        return Err(too_large());
    }
    let mut body = pin!(body);
    let mut read = 0;
    while let Some(chunk) = body.next().await {
        let Ok(chunk) = chunk else {
            return Err(Problem::new(Kind::BadRequest, "The body of this request ended before its end."));
        };
        read += chunk.remaining() as u64;
        if read > most {
            return Err(too_large());
        }
    }
    Ok(())
}

/// The caller's own, where it has a usable one, or a new one.
fn request_id(headers: &HeaderMap) -> String {
    let usable = |id: &&str| (1..=128).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic());
    let given = headers.get(REQUEST_ID).and_then(|id| id.to_str().ok()).filter(usable);
    given.map_or_else(|| format!("{:016x}", rand::random::<u64>()), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_or_a_long_wait_becomes_a_problem() {
        let within = Some(Duration::from_millis(20));
        let panicked = settle::<()>(within, async { panic!("as this test wants it") }).await;
        assert_eq!(panicked.unwrap_err().kind(), Kind::Internal);
        let late = settle::<()>(within, std::future::pending()).await;
        assert_eq!(late.unwrap_err().kind(), Kind::Timeout);
        assert_eq!(settle(within, async { Ok(1) }).await.unwrap(), 1);
    }
}
