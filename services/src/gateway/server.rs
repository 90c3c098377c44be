//! The serving loop: accepts connections, bounds their number and their phases, and hands requests to the
//! routes. `warp::serve` sets no timer on hyper, so that a half-sent request would stay open for ever.

use std::convert::Infallible;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service;

use super::connection::{Deadlines, Guarded, Turns};
use super::request::Line;
use super::{Gateway, Limits, Options, dispatch, shares};
use crate::accept::{Accepted, Acceptor};
use crate::held::Held;

/// What hyper may read of a request's head beyond the headers' own bound: the longest URI that its parser
/// takes, so that one that is too long for us still gets an answer that says so.
const URI_ROOM: usize = 64 << 10;

/// Serves the REST interface on `listener` until `cancel`, then lets open requests end within
/// [`Limits::drain`].
///
/// # Errors
/// Where the listener is not usable at all.
pub async fn serve(listener: TcpListener, options: Options, cancel: CancellationToken) -> anyhow::Result<()> {
    listener.local_addr()?;
    let limits = options.limits.clone();
    let gateway = Gateway::new(options, cancel.clone());
    let metrics = gateway.metrics.clone();
    let routes = warp::service(dispatch::filter(gateway));
    let mut acceptor = Acceptor::new(listener, limits.max_connections, limits.counts.clone());
    let graceful = GracefulShutdown::new();
    let (tasks, kill) = (TaskTracker::new(), CancellationToken::new());
    loop {
        let Accepted { stream, remote, place } = tokio::select! {
            () = cancel.cancelled() => break,
            accepted = acceptor.accept() => accepted,
        };
        let (turns, open) = (Turns::new(place.visit()), metrics.connection());
        let (limits, watcher) = (limits.clone(), graceful.watcher());
        let (routes, cancel, kill) = (routes.clone(), cancel.clone(), kill.clone());
        let serve = async move {
            // Only who says something costs more than a socket.
            let mut first = [0];
            tokio::select! {
                () = cancel.cancelled() => return,
                begun = timeout(limits.header_timeout, stream.peek(&mut first)) => {
                    if !matches!(begun, Ok(Ok(1..))) {
                        return;
                    }
                }
            }
            let io = guard(stream, &limits, turns.clone());
            let service = service_fn(move |mut request: http::Request<hyper::body::Incoming>| {
                let turn = turns.begin();
                let line = Line::of(&request);
                request.extensions_mut().insert(line);
                request.extensions_mut().insert(remote);
                let response = routes.clone().call(request);
                // On the heap: hyper has room for it on every connection, whether or not a request is open.
                Box::pin(async move {
                    let mut response = response.await?;
                    let share = shares::taken(&mut response);
                    Ok::<_, Infallible>(response.map(|body| Held::new(body, (turn, share))))
                })
            });
            let connection = Box::pin(watcher.watch(builder(&limits).serve_connection(io, service)));
            if let Err(error) = connection.await {
                tracing::debug!(%remote, %error, "connection ended early");
            }
        };
        tasks.spawn(async move {
            tokio::select! {
                () = kill.cancelled() => {}
                () = place.lost() => tracing::debug!(%remote, "connection closed to make room for another one"),
                () = serve => {}
            }
            drop((place, open));
        });
    }
    drop(acceptor);
    tasks.close();
    if timeout(limits.drain, graceful.shutdown()).await.is_err() {
        tracing::info!(connections = tasks.len(), "requests still open after the drain time, closing them");
    }
    kill.cancel();
    tasks.wait().await;
    Ok(())
}

fn builder(limits: &Limits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    let head = limits.max_header_bytes + URI_ROOM;
    builder
        .timer(TokioTimer::new())
        // The connection itself keeps this deadline, and tells a slow head from an idle connection.
        .header_read_timeout(None)
        .max_header_size(head)
        .max_buf_size(head.max(128 << 10));
    builder
}

fn guard(stream: TcpStream, limits: &Limits, turns: Turns) -> TokioIo<Guarded<TcpStream>> {
    let deadlines = Deadlines { head: limits.header_timeout, idle: limits.idle, stall: limits.stall };
    TokioIo::new(Guarded::new(stream, deadlines, turns))
}
