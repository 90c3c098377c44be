//! What goes on for long is shared: one address gets three quarters of the event streams, and a quarter of the downloads,
//! each of which keeps up to 700 KiB while its reader stands still.

use std::sync::Arc;

use warp::reply::Response;

use super::Limits;
use super::problem::{Kind, Problem};
use super::routes::Route;
use crate::accept::{Fair, Share, Source};

/// When it makes sense to ask again for what an address has too many of, in seconds.
const RETRY: u32 = 10;

/// What one address may hold at the same time.
#[derive(Debug)]
pub struct Shares {
    downloads: Fair,
    event_streams: Fair,
}

impl Shares {
    /// As the limits say.
    pub fn new(limits: &Limits) -> Shares {
        Shares {
            downloads: Fair::new(limits.max_downloads.div_ceil(4)),
            event_streams: Fair::part_of(limits.max_event_streams),
        }
    }

    /// The share that an answer to `source` takes, if it is one that may go on for long.
    ///
    /// # Errors
    /// The address has too many such answers open.
    pub fn of(&self, route: &Route, source: Option<Source>) -> Result<Option<Share>, Problem> {
        let Some(source) = source else { return Ok(None) };
        let (fair, what) = match route {
            Route::Content(_) | Route::Shared(_) => (&self.downloads, "downloads"),
            Route::SearchEvents | Route::Events => (&self.event_streams, "event streams"),
            _ => return Ok(None),
        };
        let many = || {
            let detail = format!("Your address has too many {what} open; end one, or ask again later.");
            Problem::new(Kind::TooManyRequests, detail).retry_after(RETRY)
        };
        fair.try_take(source).map(Some).ok_or_else(many)
    }
}

/// `response`, which takes `share` along.
pub fn keep(mut response: Response, share: Option<Share>) -> Response {
    if let Some(share) = share {
        response.extensions_mut().insert(Arc::new(share));
    }
    response
}

/// The share that a response has taken along, to be held until its body has ended.
pub fn taken(response: &mut Response) -> Option<Arc<Share>> {
    response.extensions_mut().remove()
}
