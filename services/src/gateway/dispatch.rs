//! From a request to its answer: one warp filter takes it apart, and everything else is decided here, since
//! warp's own rejections cannot tell a wrong method from an unknown path once two filters share a prefix.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use bytes::Buf;
use futures::{FutureExt, Stream};
use http::header::{ALLOW, EXPECT, ORIGIN};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use tokio::time::Instant;
use warp::reply::Response;
use warp::{Filter, Rejection};

use super::discard::discard;
use super::problem::{Kind, Problem};
use super::request::{Line, Query, Request};
use super::routes::{ALL_METHODS, Route};
use super::trace_context::TraceContext;
use super::{
    Gateway, assets, catalog, config, content, events, files, health, lookup, negotiate, node, openapi, page,
    plain, published, search, search_events, security, shared_file, shares, text, upload,
};
use crate::accept::Source;

const REQUEST_ID: &str = "x-request-id";

/// The methods that are known from elsewhere: a resource that lacks one says so by 405.
const METHODS: [&str; 10] =
    ["GET", "HEAD", "PUT", "OPTIONS", "POST", "DELETE", "PATCH", "TRACE", "CONNECT", "QUERY"];

/// Everything that the gateway serves.
pub fn filter(
    gateway: Arc<Gateway>,
) -> impl Filter<Extract = (Response,), Error = Infallible> + Clone + Send + Sync + 'static {
    let head = warp::ext::get::<Line>().and(warp::method()).and(warp::header::headers_cloned());
    let parts = head.map(|line: Line, method, headers| {
        let (path, query) =
            (line.target.path().to_owned(), line.target.query().unwrap_or_default().to_owned());
        Request { line, method, path, query, headers }
    });
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
    let trace = TraceContext::of(&request.headers);
    let trace_id = trace.id();
    let Request { method, path, headers, .. } = &request;
    let mut pattern = "other";
    // A file on its way up may take as long as it moves: each of its waits has a deadline of its own.
    let within = (*method != Method::PUT).then_some(gateway.limits.request_timeout);
    let source = remote.map(|remote| remote.ip().into());
    let work = async {
        gateway.rate.admit(source).await?;
        let response = dispatch(gateway, &request, source, body, &mut pattern).await?;
        text::settled(response, headers).await
    };
    let outcome = settle(within, trace.scope(work)).await;
    let mut response = match outcome {
        Ok(response) => response,
        Err(problem) => {
            tracing::debug!(problem = problem.detail(), id, "request failed");
            let plain = problem.into_response(path);
            text::settled(plain, headers).await.unwrap_or_else(|problem| problem.into_response(path))
        }
    };
    let (status, took) = (response.status(), started.elapsed());
    tracing::debug!(%method, path, status = status.as_u16(), ?took, ?remote, id, trace = trace_id, "request");
    gateway.metrics.request(pattern, status, took);
    if let Ok(id) = HeaderValue::try_from(id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    security::stamp(response.headers_mut(), gateway.origins.is_open());
    gateway.origins.stamp(headers.get(ORIGIN), response.headers_mut());
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
    request: &Request,
    source: Option<Source>,
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
    let host = gateway.hosts.check(&request.line, &request.headers)?;
    check_known(request)?;
    if request.method == Method::OPTIONS && request.path == "*" {
        discard(body, &request.headers, limits).await?;
        return Ok(options(gateway, request, ALL_METHODS));
    }
    let route = Route::of(&request.segments()?)?;
    *pattern = route.pattern();
    route.check_method(&request.method)?;
    if request.method == Method::OPTIONS {
        discard(body, &request.headers, limits).await?;
        return Ok(options(gateway, request, route.methods()));
    }
    if request.method == Method::PUT {
        gateway.origins.check_write(host.as_ref(), &request.headers)?;
    }
    negotiate::check(&route, request)?;
    let query = Query::parse(&request.query)?;
    if let Some(known) = route.query_keys(&request.method) {
        query.only(known)?;
    }
    let route = match route {
        Route::Shared(path) if request.method == Method::PUT => {
            return Box::pin(upload::put(gateway, request, path, body)).await;
        }
        route => route,
    };
    discard(body, &request.headers, limits).await?;
    let share = gateway.shares.of(&route, source)?;
    // On the heap, so that a request whose body is still to come is small.
    let response = Box::pin(async {
        match route {
            Route::Page => page::get(gateway),
            Route::Text => plain::get(gateway, &query).await,
            Route::Asset(path) => assets::get(&path),
            Route::Livez => health::livez(),
            Route::Readyz => health::readyz(gateway).await,
            Route::Metrics => health::metrics(gateway, &request.headers).await,
            Route::Version => health::version(),
            Route::OpenApi => openapi::get(),
            Route::Node => node::get(gateway, &query).await,
            Route::Ring => node::ring(gateway).await,
            Route::Lookup => lookup::get(gateway, &query).await,
            Route::Config => config::get(gateway),
            Route::Catalog => catalog::get(gateway, &query).await,
            Route::Files => files::list(gateway, &query).await,
            Route::File(name) => files::get(gateway, name).await,
            Route::Content(name) => content::get(gateway, request, &query, name).await,
            Route::Search => search::get(gateway, &query).await,
            Route::SearchEvents => search_events::get(gateway, &request.method, &query).await,
            Route::Events => events::get(gateway, &request.method, &request.headers, &query).await,
            Route::Published => published::all(gateway).await,
            Route::Receipt(name) => published::get(gateway, name).await,
            Route::Shared(path) => shared_file::get(gateway, request, &query, path).await,
        }
    });
    response.await.map(|response| shares::keep(response, share))
}

/// # Errors
/// [`Kind::NotImplemented`] for methods that nobody knows, [`Kind::ExpectationFailed`] for such expectations.
fn check_known(request: &Request) -> Result<(), Problem> {
    if !METHODS.contains(&request.method.as_str()) {
        let detail = format!("Nothing here has a method {}; there are {ALL_METHODS}.", request.method);
        return Err(Problem::new(Kind::NotImplemented, detail));
    }
    let known = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"100-continue");
    if !request.headers.get_all(EXPECT).iter().all(known) {
        let detail =
            "The only expectation that can be met here is 100-continue; send the request without Expect.";
        return Err(Problem::new(Kind::ExpectationFailed, detail));
    }
    Ok(())
}

/// 204 with these methods; for the page of another origin, too, where it may use them.
fn options(gateway: &Gateway, request: &Request, methods: &'static str) -> Response {
    let mut response = Response::default();
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(ALLOW, HeaderValue::from_static(methods));
    gateway.origins.preflight(&request.headers, methods, headers);
    response
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
