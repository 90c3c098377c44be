//! What can go wrong between a client and the peers it asks.

use std::error::Error;
use std::io;
use std::time::Duration;

use tonic::{Code, Status};

use crate::text::shown;

/// Why an answer did not come. The texts are complete sentences for people, without what to do next where
/// only the caller knows that.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The peer answered that it cannot, or something here failed.
    #[error("{0}")]
    Failed(String),
    /// The peer has too much to do just now; asking again in a moment makes sense.
    #[error("{0}")]
    Busy(String),
    /// The question itself is malformed.
    #[error("{0}")]
    Usage(String),
    /// No connection, or it broke.
    #[error("nothing answers at {address} ({reason})")]
    Unreachable {
        /// The URL dialled.
        address: String,
        /// Why not, in a few words.
        reason: String,
    },
    /// Something answers there, but it is not the service asked for.
    #[error("{address} is {what}")]
    WrongService {
        /// The URL dialled.
        address: String,
        /// What it is, and where the right one is if that is known.
        what: String,
    },
    /// There is no such file or peer.
    #[error("{0}")]
    NotFound(String),
    /// A silence was longer than allowed.
    #[error("{address} did not answer within {}", humantime::format_duration(*.within))]
    TimedOut {
        /// The URL dialled.
        address: String,
        /// How long was waited.
        within: Duration,
    },
    /// The peer did answer, but others did not answer it in time: who, in its words.
    #[error("{0}")]
    Late(String),
    /// The bytes are not those that were promised.
    #[error("{0}")]
    Integrity(String),
    /// The file is no longer the one that was found, or changed while it was sent.
    #[error("{0}")]
    Changed(String),
    /// The peer does not allow it.
    #[error("{0}")]
    Denied(String),
    /// A peer says that one of its services is at an address that is not its own, which is not dialled.
    #[error(
        "{peer} says that its {service} service is at {address}, which is not its own host{}: not dialled",
        if own.is_empty() { String::new() } else { format!(" {own}") }
    )]
    Elsewhere {
        /// The peer's name.
        peer: String,
        /// Which service.
        service: &'static str,
        /// The URL that was not dialled.
        address: String,
        /// The host of its chord address.
        own: String,
    },
    /// There is such a file already.
    #[error("{0}")]
    Exists(String),
}

impl ClientError {
    /// The exit code of a program that ends with this error.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Failed(_) | Self::Busy(_) | Self::Denied(_) | Self::Elsewhere { .. } | Self::Exists(_) => 1,
            Self::Usage(_) => 2,
            Self::Unreachable { .. } | Self::WrongService { .. } => 3,
            Self::NotFound(_) => 4,
            Self::TimedOut { .. } | Self::Late(_) => 5,
            Self::Integrity(_) | Self::Changed(_) => 6,
        }
    }

    /// What a status means that came from `address`, where `within` was allowed for each silence.
    pub(crate) fn from_status(status: &Status, address: &str, within: Duration) -> Self {
        let address = address.to_owned();
        let message = || match status.message() {
            "" => format!("{address} answered {:?} without a reason", status.code()),
            // One line: it could pass for another message of this program.
            text => shown(text).into_owned(),
        };
        match status.code() {
            Code::ResourceExhausted => Self::Busy(message()),
            Code::NotFound => Self::NotFound(message()),
            Code::InvalidArgument | Code::OutOfRange => Self::Usage(message()),
            Code::DataLoss => Self::Integrity(message()),
            Code::PermissionDenied => Self::Denied(message()),
            Code::AlreadyExists => Self::Exists(message()),
            Code::DeadlineExceeded if status.message().is_empty() => Self::TimedOut { address, within },
            Code::DeadlineExceeded => Self::Late(message()),
            // So report the clocks of tonic's channel and server, which know the deadline, too.
            Code::Cancelled if status.message() == "Timeout expired" => Self::TimedOut { address, within },
            Code::Unimplemented => {
                Self::WrongService { address, what: "not the service that was asked for".to_owned() }
            }
            // Only what the transport reports has a source; the rest came from a peer.
            _ if status.source().is_some() => Self::Unreachable { address, reason: root_cause(status) },
            _ if status.message().starts_with("grpc-status header missing") => {
                Self::WrongService { address, what: "not a gRPC service".to_owned() }
            }
            _ => Self::Failed(message()),
        }
    }
}

/// The innermost reason, in the words that people know for the common ones.
pub(crate) fn root_cause(error: &(dyn Error + 'static)) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    match cause.downcast_ref::<io::Error>().map(io::Error::kind) {
        Some(io::ErrorKind::ConnectionRefused) => "connection refused".to_owned(),
        Some(io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe) => "connection lost".to_owned(),
        Some(io::ErrorKind::TimedOut) => "no connection in time".to_owned(),
        _ => cause.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WITHIN: Duration = Duration::from_secs(5);

    #[test]
    fn every_error_has_the_exit_code_of_the_contract() {
        let (address, text) = (String::new, String::new);
        let codes = [
            ClientError::Failed(text()),
            ClientError::Usage(text()),
            ClientError::Unreachable { address: address(), reason: text() },
            ClientError::NotFound(text()),
            ClientError::TimedOut { address: address(), within: WITHIN },
            ClientError::Late(text()),
            ClientError::Integrity(text()),
            ClientError::Changed(text()),
            ClientError::Denied(text()),
            ClientError::Exists(text()),
            ClientError::Busy(text()),
        ]
        .map(|error| error.exit_code());
        assert_eq!(codes, [1, 2, 3, 4, 5, 5, 6, 6, 1, 1, 1]);
    }

    #[test]
    fn statuses_become_errors() {
        let code = |status: Status| ClientError::from_status(&status, "http://h:1", WITHIN).exit_code();
        assert_eq!(code(Status::unavailable("p1 is not a member yet")), 1);
        assert_eq!(code(Status::aborted("busy")), 1);
        assert_eq!(code(Status::resource_exhausted("full")), 1);
        assert_eq!(code(Status::invalid_argument("empty name")), 2);
        assert_eq!(code(Status::unimplemented("")), 3);
        assert_eq!(code(Status::not_found("no such file")), 4);
        assert_eq!(code(Status::deadline_exceeded("")), 5);
        let why = "the lookup ran out of time after 2 hops: p4 did not answer";
        let late = ClientError::from_status(&Status::deadline_exceeded(why), "http://h:1", WITHIN);
        assert_eq!((late.exit_code(), late.to_string()), (5, why.to_owned()));
        assert_eq!(code(Status::cancelled("Timeout expired")), 5);
        assert_eq!(code(Status::data_loss("rotten")), 6);
        assert_eq!(code(Status::permission_denied("no uploads")), 1);
        assert_eq!(code(Status::already_exists("a file")), 1);
        let lost = io::Error::from(io::ErrorKind::ConnectionReset);
        let mut status = Status::unavailable("transport error");
        status.set_source(std::sync::Arc::new(lost));
        let error = ClientError::from_status(&status, "http://h:1", WITHIN);
        assert_eq!(error.to_string(), "nothing answers at http://h:1 (connection lost)");
    }
}
