//! Accepting connections: everybody gets in, never more stay than a listener may have, and never in a spin where
//! the system has no room for one more.

mod fair;
mod places;
mod source;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use tokio::net::{TcpListener, TcpStream};

pub use fair::{Fair, Share};
pub use places::{Busy, Place, Places, Visit};
pub use source::Source;

/// The pause after a failed accept doubles from here to [`PAUSE_MAX`].
const PAUSE: Duration = Duration::from_millis(10);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// What became of those that wanted too much at one port. Clones share the numbers.
#[derive(Debug, Clone, Default)]
pub struct Counts {
    /// Connections closed to make room for another one.
    pub evicted: Counter,
    /// Connections closed at once: their address held more than any other, and all of it was busy.
    pub refused: Counter,
    /// Requests refused because their address had made too many.
    pub limited: Counter,
}

/// A listener with a bound, kept by [`Places`].
#[derive(Debug)]
pub struct Acceptor {
    listener: TcpListener,
    places: Places,
    pause: Duration,
}

/// A connection that was accepted.
#[derive(Debug)]
pub struct Accepted {
    /// The connection, which answers without delay.
    pub stream: TcpStream,
    /// Who has dialled.
    pub remote: SocketAddr,
    /// Its place among those that may be open; where it is lost, the connection has to close.
    pub place: Place,
}

impl Acceptor {
    /// Accepts from `listener`, so that at most `most` connections are open at the same time, a quarter of them of one
    /// address: that bounds the memory which it may use.
    pub fn new(listener: TcpListener, most: usize, counts: Counts) -> Acceptor {
        Acceptor { listener, places: Places::new((most, most.div_ceil(4)), counts), pause: PAUSE }
    }

    /// The next connection that gets a place. Waits after an error of the system. Dropping this future loses no
    /// connection.
    pub async fn accept(&mut self) -> Accepted {
        loop {
            match self.listener.accept().await {
                Ok((stream, remote)) => {
                    self.pause = PAUSE;
                    let Some(place) = self.places.take(remote.ip()) else { continue };
                    // Only a matter of latency: a socket that refuses it works as well.
                    let _ = stream.set_nodelay(true);
                    return Accepted { stream, remote, place };
                }
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, pause = ?self.pause, "cannot accept connections, trying again after a pause");
                    tokio::time::sleep(self.pause).await;
                    self.pause = (self.pause * 2).min(PAUSE_MAX);
                }
            }
        }
    }
}

/// Errors that belong to the connection being accepted and say nothing about the next one.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}
