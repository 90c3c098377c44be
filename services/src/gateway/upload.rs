//! `PUT /files/{path}`: a file into this peer's shared directory, through its transfer service.

use std::time::Duration;

use bytes::{Buf, Bytes};
use chord_client::views::{CatalogFile, file_url};
use chordial_proto::catalog_v1::File;
use chordial_proto::transfer_v1::transfer_service_upload_request::Part;
use chordial_proto::transfer_v1::{
    TransferServiceUploadRequest, TransferServiceUploadResponse, UploadHeader,
};
use futures::{Stream, StreamExt, stream};
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, EXPECT, LOCATION};
use http::{HeaderValue, StatusCode};
use tokio::sync::mpsc;
use tokio::time::timeout;
use warp::reply::Response;

use super::conditional::{Condition, State};
use super::openapi::FileBody;
use super::problem::{Kind, Problem};
use super::request::Request;
use super::shared_file::PATH;
use super::{Gateway, reply, trace_context};

/// Chunks that wait for the transfer service.
const WAITING: usize = 2;
/// Longest wait for the transfer service once it has all bytes: longer than it waits for its disk.
const STORE: Duration = Duration::from_secs(150);
/// A refused body is read on for so long, so that its sender gets to read the refusal.
const LINGER: Duration = Duration::from_secs(2);

/// Stores a file
///
/// In the directory that this peer shares, where its configuration allows that. The file appears under its name
/// whole and on disk, or not at all. What can be refused is refused before the body is read. Names that start
/// with `.` or end in `.part` are never shared, and so not taken. A file that is there is only replaced where
/// `If-Match` asks for that.
#[utoipa::path(put, path = "/files/{path}", operation_id = "putSharedFile", tag = "files",
    params(
        ("path" = String, Path, description = PATH, min_length = 1, example = "report.pdf"),
        ("If-Match" = Option<String>, Header,
            description = "Replaces the file whose `ETag` this is; `*`: whatever file is there."),
        ("If-None-Match" = Option<String>, Header,
            description = "A new file, and a 412 where the one that is there has this `ETag`; `*`: any."),
    ),
    request_body(content = FileBody, content_type = "application/octet-stream",
        description = "The file, whole. Its type is not kept: names tell the types of files."),
    responses(
        (status = 200, description = "Replaced.", body = CatalogFile, headers(("ETag" = String,
            description = "The file's digest."))),
        (status = 201, description = "Stored.", body = CatalogFile, headers(
            ("ETag" = String, description = "The file's digest."),
            ("Location" = String, description = "Its address."))),
        (status = 403, description = "`uploads-not-allowed`: the configuration, or the disk's rights; `cross-origin`: a page of another origin asks.", body = Problem,
            content_type = "application/problem+json"),
        (status = 404, description = "`file-not-found`: no file can have this path.", body = Problem,
            content_type = "application/problem+json"),
        (status = 408, description = "`body-timeout`: 30 s without enough of the body.", body = Problem,
            content_type = "application/problem+json"),
        (status = 409, description = "`file-exists`: a file that is not to be replaced; `path-taken`: a folder or link.", body = Problem,
            content_type = "application/problem+json"),
        (status = 412, description = "`precondition-failed`: `If-Match` or `If-None-Match` does not hold.", body = Problem,
            content_type = "application/problem+json"),
        (status = 415, description = "`unsupported-media-type`: the body has a `Content-Encoding`.", body = Problem,
            content_type = "application/problem+json",
            headers(("Accept-Encoding" = String, description = "`identity`."))),
        (status = 502, description = "`service-failed`: the transfer service failed.", body = Problem,
            content_type = "application/problem+json"),
        (status = 507, description = "`insufficient-storage`: over the quota, or the disk is full.", body = Problem,
            content_type = "application/problem+json"),
    ))]
pub async fn put<B, D, E>(
    gateway: &Gateway,
    request: &Request,
    path: String,
    body: B,
) -> Result<Response, Problem>
where
    B: Stream<Item = Result<D, E>> + Send + 'static,
    D: Buf,
{
    let mut body = Box::pin(body);
    let outcome = store(gateway, request, path, &mut body).await;
    // Who waits for a "100 Continue" has sent nothing yet.
    if outcome.is_err() && !request.headers.contains_key(EXPECT) {
        tokio::spawn(timeout(LINGER, async move { while let Some(Ok(_)) = body.next().await {} }));
    }
    let stored = outcome?;
    let header = stored.header.ok_or_else(|| {
        Problem::new(Kind::ServiceFailed, "The transfer service stored the file and did not say what it is.")
    })?;
    let state = State { size: header.size, modified_ms: header.modified_ms, digest: header.digest.to_vec() };
    let url = gateway.url.borrow().clone();
    let location = file_url(&url, &header.path);
    let file = File {
        name: header.name,
        path: header.path,
        size: header.size,
        modified_ms: header.modified_ms,
        digest: state.digest.clone(),
    };
    let mut response = reply::json(&CatalogFile::new(file, &url))?;
    reply::validators(&mut response, &state);
    if !stored.replaced {
        *response.status_mut() = StatusCode::CREATED;
        if let Ok(location) = HeaderValue::try_from(location) {
            response.headers_mut().insert(LOCATION, location);
        }
    }
    Ok(response)
}

async fn store<B, D, E>(
    gateway: &Gateway,
    request: &Request,
    path: String,
    body: &mut B,
) -> Result<TransferServiceUploadResponse, Problem>
where
    B: Stream<Item = Result<D, E>> + Unpin,
    D: Buf,
{
    if request.headers.contains_key(CONTENT_RANGE) {
        let detail = "A part of a file can't be stored: send it whole, without Content-Range.";
        return Err(Problem::new(Kind::BadRequest, detail));
    }
    let coded = request.headers.get_all(CONTENT_ENCODING).iter();
    if coded.into_iter().any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        let detail = "A file is stored as it comes, so nothing would undo its coding: send it without Content-Encoding.";
        return Err(Problem::new(Kind::UnsupportedMediaType, detail).accept_encoding("identity"));
    }
    let condition = Condition::of(&request.headers);
    let there = check(gateway, &condition, &path).await?;
    let stated = request.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    let replace = matches!(condition, Condition::IfMatch(_));
    let header = UploadHeader {
        path: path.clone(),
        size: stated,
        replace,
        // The transfer service sees to it that no other upload comes between.
        replace_digest: there.filter(|_| replace && !condition.is_any()).unwrap_or_default().digest.into(),
        ..UploadHeader::default()
    };
    if stated != Some(0) {
        gateway.upstream.may_upload(&header).await.map_err(|problem| of_condition(problem, &condition))?;
    }
    let (sender, receiver) = mpsc::channel(WAITING);
    // A task of its own: where this request is dropped, the call must hear so by its messages. Cancelled, it could
    // be taken for one that has ended well.
    let upstream = gateway.upstream.clone();
    let call = async move { upstream.upload(messages(header, receiver)).await };
    let mut call = tokio::spawn(trace_context::carried(call));
    let fed = async {
        feed(gateway, body, &sender).await?;
        // Somebody else may have stored another file meanwhile.
        check(gateway, &condition, &path).await?;
        // A service that is gone says so itself.
        let _ = sender.send(Step::End).await;
        Ok(())
    };
    let outcome = tokio::select! {
        outcome = &mut call => outcome,
        fed = fed => {
            fed?;
            let late = "The transfer service did not store the file in time.";
            timeout(STORE, call).await.map_err(|_| Problem::new(Kind::Timeout, late))?
        }
    };
    let outcome =
        outcome.map_err(|error| Problem::new(Kind::Internal, format!("The upload failed: {error}.")))?;
    outcome.map_err(|problem| of_condition(problem, &condition))
}

/// The file at `path` as it is now, where the condition holds of it; not looked at without a condition.
async fn check(gateway: &Gateway, condition: &Condition, path: &str) -> Result<Option<State>, Problem> {
    if *condition == Condition::None {
        return Ok(None);
    }
    let state = match gateway.upstream.stat(path.to_owned()).await {
        Ok(header) => {
            Some(State { size: header.size, modified_ms: header.modified_ms, digest: header.digest.to_vec() })
        }
        Err(problem) if problem.kind() == Kind::FileNotFound => None,
        Err(problem) => return Err(problem),
    };
    match condition.holds(state.as_ref()) {
        true => Ok(state),
        false => Err(failed(state.is_some())),
    }
}

/// A file that is there though the caller said that there must be none is the condition's failure.
fn of_condition(problem: Problem, condition: &Condition) -> Problem {
    match (problem.kind(), condition) {
        (Kind::FileExists, Condition::IfNoneMatch(_)) if condition.is_any() => failed(true),
        (Kind::PreconditionFailed, _) => failed(true),
        _ => problem,
    }
}

fn failed(exists: bool) -> Problem {
    let detail = match exists {
        true => {
            "The file at this path is not what the request's condition says. Ask for it, and decide anew."
        }
        false => "There is no file at this path to be replaced. Send it without If-Match.",
    };
    Problem::new(Kind::PreconditionFailed, detail)
}

enum Step {
    Bytes(Bytes),
    End,
}

/// Passes the body on, as fast as the transfer service takes it.
async fn feed<B, D, E>(gateway: &Gateway, body: &mut B, sender: &mpsc::Sender<Step>) -> Result<(), Problem>
where
    B: Stream<Item = Result<D, E>> + Unpin,
    D: Buf,
{
    loop {
        let mut chunk = match timeout(gateway.limits.stall, body.next()).await {
            Ok(Some(Ok(chunk))) => chunk,
            Ok(Some(Err(_))) => {
                return Err(Problem::new(Kind::BadRequest, "The body of this request ended before its end."));
            }
            Ok(None) => return Ok(()),
            Err(_) => return Err(Problem::new(Kind::BodyTimeout, "The body did not arrive in time.")),
        };
        let bytes = chunk.copy_to_bytes(chunk.remaining());
        if !bytes.is_empty() && sender.send(Step::Bytes(bytes)).await.is_err() {
            // The call has ended, and says why.
            return std::future::pending().await;
        }
    }
}

/// The messages of an upload. Where the steps end without [`Step::End`], as they do when the caller goes away,
/// a second header breaks the upload off: a mere end would make a file of what came until then.
fn messages(
    header: UploadHeader,
    steps: mpsc::Receiver<Step>,
) -> impl Stream<Item = TransferServiceUploadRequest> + Send + 'static {
    let message = |part| TransferServiceUploadRequest { part: Some(part) };
    let rest = stream::unfold(Some(steps), move |steps| async move {
        let mut steps = steps?;
        match steps.recv().await {
            Some(Step::Bytes(bytes)) => Some((message(Part::Chunk(bytes)), Some(steps))),
            Some(Step::End) => None,
            None => Some((message(Part::Header(UploadHeader::default())), None)),
        }
    });
    stream::iter([message(Part::Header(header))]).chain(rest)
}
