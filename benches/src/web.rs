//! A small HTTP client whose connections stay open.

use std::net::SocketAddr;

use anyhow::ensure;
use bytes::Bytes;
use http::{Request, header};
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::Mutex;

/// One connection, one request at a time.
pub struct Connection {
    host: String,
    sender: SendRequest<Empty<Bytes>>,
}

/// So many connections to a server.
pub async fn open(server: SocketAddr, count: usize) -> anyhow::Result<Vec<Mutex<Connection>>> {
    let mut connections = Vec::with_capacity(count);
    for _ in 0..count {
        let stream = TcpStream::connect(server).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        // Ends with the server or the sender.
        tokio::spawn(connection);
        connections.push(Mutex::new(Connection { host: server.to_string(), sender }));
    }
    Ok(connections)
}

impl Connection {
    /// Gets `path`, body and all.
    ///
    /// # Errors
    /// The connection broke, or the status is not 200.
    pub async fn get(&mut self, path: &str) -> anyhow::Result<()> {
        let request = Request::get(path).header(header::HOST, &self.host).body(Empty::new())?;
        self.sender.ready().await?;
        let response = self.sender.send_request(request).await?;
        let status = response.status();
        response.into_body().collect().await?;
        ensure!(status == 200, "{path}: status {status}");
        Ok(())
    }
}
