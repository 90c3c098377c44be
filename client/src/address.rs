//! Addresses of gRPC services, as people and peers write them, and channels to them.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use tonic::transport::{Channel, Endpoint};
use url::Url;

use crate::error::{ClientError, root_cause};

/// Where a peer's chord service listens unless it was told otherwise.
pub const CHORD_PORT: u16 = 7300;

/// How often an open connection without traffic is asked whether it still lives.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// The address of a service: `http://host:port`, parsed from that, or from `host:port` or `host` alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    host: String,
    port: u16,
}

impl Address {
    /// Host name or IP address, the latter in brackets where it is one of IPv6.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// TCP port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// As in a URL: `host:port`.
    pub fn authority(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// The same host at another port.
    pub fn at_port(&self, port: u16) -> Self {
        Self { host: self.host.clone(), port }
    }

    /// A connection to this address, made within `timeout` or failed.
    ///
    /// # Errors
    /// [`ClientError::Unreachable`], with the reason.
    pub async fn connect(&self, timeout: Duration) -> Result<Channel, ClientError> {
        let unreachable = |reason: String| ClientError::Unreachable { address: self.to_string(), reason };
        let endpoint = Endpoint::from_shared(self.to_string())
            .map_err(|error| ClientError::Usage(format!("{self} is not an address: {error}")))?
            .connect_timeout(timeout)
            .tcp_nodelay(true)
            .http2_adaptive_window(true)
            .http2_keep_alive_interval(KEEP_ALIVE)
            .keep_alive_timeout(timeout);
        // The endpoint's own bound does not cover the look-up of the host name.
        match tokio::time::timeout(timeout, endpoint.connect()).await {
            Ok(Ok(channel)) => Ok(channel),
            Ok(Err(error)) => Err(unreachable(root_cause(&error))),
            Err(_) => {
                Err(unreachable(format!("no connection within {}", humantime::format_duration(timeout))))
            }
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}:{}", self.host, self.port)
    }
}

impl FromStr for Address {
    type Err = ClientError;

    fn from_str(text: &str) -> Result<Self, ClientError> {
        let wrong = |why: &str| {
            ClientError::Usage(format!("{text:?} is not a peer's address: {why}; write http://HOST:PORT"))
        };
        let full = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        let url = Url::parse(&full).map_err(|error| wrong(&error.to_string()))?;
        if url.scheme() != "http" {
            return Err(wrong("only http is spoken"));
        }
        if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
            return Err(wrong("there is something behind the port"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong("it names a user"));
        }
        let host = url.host_str().ok_or_else(|| wrong("it has no host"))?.to_owned();
        // A URL drops its scheme's own port, which then was meant.
        let plain = full.trim_end_matches('/').ends_with(":80");
        let port = url.port().unwrap_or(if plain { 80 } else { CHORD_PORT });
        if port == 0 {
            return Err(wrong("nothing listens at port 0"));
        }
        Ok(Self { host, port })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_people_write_them() {
        for (text, shown) in [
            ("http://10.0.0.4:7300", "http://10.0.0.4:7300"),
            ("http://10.0.0.4:7300/", "http://10.0.0.4:7300"),
            ("localhost:7310", "http://localhost:7310"),
            ("peer", "http://peer:7300"),
            ("peer:80", "http://peer:80"),
            ("[::1]:7300", "http://[::1]:7300"),
        ] {
            assert_eq!(text.parse::<Address>().expect(text).to_string(), shown);
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in
            ["", "http://", "https://h:1", "h:70000", "h:0", "http://h:1/api", "http://u@h:1", "h:1?a"]
        {
            assert!(matches!(text.parse::<Address>(), Err(ClientError::Usage(_))), "{text:?} was taken");
        }
    }
}
