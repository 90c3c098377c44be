//! Accepting connections: never more at a time than a listener may have, and never in a spin where the system
//! has no room for one more.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The pause after a failed accept doubles from here to [`PAUSE_MAX`].
const PAUSE: Duration = Duration::from_millis(10);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// A listener with a bound. Connections beyond it wait in the system's queue, and are accepted when others end.
#[derive(Debug)]
pub struct Acceptor {
    listener: TcpListener,
    free: Arc<Semaphore>,
    pause: Duration,
}

/// A connection that was accepted.
#[derive(Debug)]
pub struct Accepted {
    /// The connection, which answers without delay.
    pub stream: TcpStream,
    /// Who has dialled.
    pub remote: SocketAddr,
    /// Its place among those that may be open; free again when this is dropped.
    pub place: OwnedSemaphorePermit,
}

impl Acceptor {
    /// Accepts from `listener`, so that at most `most` connections are open at the same time.
    pub fn new(listener: TcpListener, most: usize) -> Acceptor {
        let most = most.min(Semaphore::MAX_PERMITS);
        Acceptor { listener, free: Arc::new(Semaphore::new(most)), pause: PAUSE }
    }

    /// The next connection. Waits while as many are open as may be, and after an error of the system.
    /// Dropping this future loses no connection.
    pub async fn accept(&mut self) -> Accepted {
        loop {
            // Nobody closes the semaphore.
            let Ok(place) = self.free.clone().acquire_owned().await else { std::future::pending().await };
            match self.listener.accept().await {
                Ok((stream, remote)) => {
                    self.pause = PAUSE;
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
