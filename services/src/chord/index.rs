//! IndexService: entries, leases, copies, and what people ask about files.

use std::time::Duration;

use chord::{Id, Read};
use chordial_proto::chord_v1::index_service_server::IndexService;
use chordial_proto::chord_v1::*;
use chordial_proto::convert::{self, MAX_NAME, MAX_SOURCES};
use tonic::{Request, Response, Status};
use unicode_normalization::UnicodeNormalization;

use super::{answer, names, ring};
use crate::driver::Handle;

/// Handlers of IndexService.
pub(super) struct Index {
    pub(super) handle: Handle,
    pub(super) lookup_timeout: Duration,
}

type Answered<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl IndexService for Index {
    async fn find(&self, request: Request<FindRequest>) -> Answered<FindResponse> {
        let (name, key) = key_of(&request.into_inner().name)?;
        let (found, elapsed) =
            ring::find(&self.handle, key, Read::Key(MAX_SOURCES), self.lookup_timeout).await?;
        Ok(Response::new(convert::found(self.handle.me(), name, found, elapsed)))
    }

    async fn list_names(&self, request: Request<ListNamesRequest>) -> Answered<ListNamesResponse> {
        let page = names::page(&self.handle, &request.into_inner(), self.lookup_timeout).await?;
        Ok(Response::new(page))
    }

    async fn renew(&self, request: Request<RenewRequest>) -> Answered<RenewResponse> {
        answer(&self.handle, request).await
    }

    async fn publish(&self, request: Request<PublishRequest>) -> Answered<PublishResponse> {
        answer(&self.handle, request).await
    }

    async fn moved(&self, request: Request<MovedRequest>) -> Answered<MovedResponse> {
        answer(&self.handle, request).await
    }

    async fn withdraw(&self, request: Request<WithdrawRequest>) -> Answered<WithdrawResponse> {
        answer(&self.handle, request).await
    }

    async fn hand_over(&self, request: Request<HandOverRequest>) -> Answered<HandOverResponse> {
        answer(&self.handle, request).await
    }

    async fn compare(&self, request: Request<CompareRequest>) -> Answered<CompareResponse> {
        answer(&self.handle, request).await
    }
}

/// A file name as the index has it, composed (NFC), and its key.
pub(super) fn key_of(name: &str) -> Result<(String, Id), Status> {
    if name.is_empty() {
        return Err(Status::invalid_argument("the name is empty: give a file's base name"));
    }
    if name.len() > 2 * MAX_NAME {
        return Err(too_long(name.len()));
    }
    let name: String = name.nfc().collect();
    if name.len() > MAX_NAME {
        return Err(too_long(name.len()));
    }
    let key = Id::of(name.as_bytes());
    Ok((name, key))
}

fn too_long(bytes: usize) -> Status {
    Status::invalid_argument(format!("the name has {bytes} bytes: no file's name has more than {MAX_NAME}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_key_however_it_is_composed() {
        let (composed, decomposed) = (key_of("\u{f1}.pdf").unwrap(), key_of("n\u{303}.pdf").unwrap());
        assert_eq!(composed, decomposed);
        assert_eq!(composed.1, Id::of("ñ.pdf".as_bytes()));
    }

    #[test]
    fn names_that_no_file_has_are_refused() {
        for name in [String::new(), "n".repeat(256), "n".repeat(100_000)] {
            assert_eq!(key_of(&name).unwrap_err().code(), tonic::Code::InvalidArgument);
        }
        assert!(key_of(&"n".repeat(255)).is_ok());
    }
}
