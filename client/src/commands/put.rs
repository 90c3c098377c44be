//! `put`: a file to the peer asked, where that takes uploads.

use std::fs::File;
use std::io::{self, Read as _, Seek as _};
use std::path::Path;

use bytes::{Bytes, BytesMut};
use chord_client::views::{UploadView, hex};
use chord_client::{Client, ClientError, Holder};
use chordial_proto::transfer_v1::UploadHeader;
use futures::{Stream, stream};

use crate::args::{Args, Put};
use crate::output::{Output, safe, size};
use crate::progress::Progress;

/// Bytes read and sent at once.
const CHUNK: usize = 128 * 1024;

/// Reads the file for its digest, then sends it: so the peer can refuse it at once, and tells wrong bytes.
pub async fn run(client: &Client, output: &Output, put: &Put, args: &Args) -> Result<u8, ClientError> {
    let mut file = open(&put.file)?;
    let path = path_at_peer(put)?;
    let node = client.node().await?;
    let (peer, services) = (node.peer.unwrap_or_default(), node.services.unwrap_or_default());
    // Before connecting: this may take longer than a peer keeps an idle connection.
    let (size, digest) = read_through(&mut file).map_err(|error| unreadable(&put.file, &error))?;
    let address = args.service_hosts.address(&peer, "transfer", &services.transfer)?;
    let holder = Holder::connect(&address, args.timeout).await?;
    let header = UploadHeader {
        path,
        size: Some(size),
        digest: digest.to_vec().into(),
        replace: put.replace,
        ..UploadHeader::default()
    };
    let sent = holder.upload(header, chunks(file, size)).await;
    let uploaded = sent.map_err(|error| explain(error, &put.file))?;
    let stored = uploaded.header.as_ref().map_or(&[][..], |header| &header.digest);
    if stored != digest {
        return Err(ClientError::Integrity(format!(
            "{} stored other bytes than {}: BLAKE3 {}, sent {}",
            safe(&peer.name),
            put.file.display(),
            hex(stored),
            hex(&digest)
        )));
    }
    output.show(&UploadView::new(uploaded, &services.gateway), |view| show(view, &peer.name))?;
    Ok(0)
}

fn open(path: &Path) -> Result<File, ClientError> {
    let metadata = path.metadata().map_err(|error| unreadable(path, &error))?;
    // Opening a FIFO would wait for its writer.
    match metadata.is_file() {
        true => File::open(path).map_err(|error| unreadable(path, &error)),
        false => Err(ClientError::Usage(format!("{} is not a file", path.display()))),
    }
}

fn path_at_peer(put: &Put) -> Result<String, ClientError> {
    let own = || put.file.file_name().and_then(|name| name.to_str()).map(str::to_owned);
    put.to.clone().or_else(own).ok_or_else(|| {
        ClientError::Usage(format!(
            "the name of {} is not UTF-8; say with --as what to call it there",
            put.file.display()
        ))
    })
}

/// The size and the digest; then the file is at its beginning again.
fn read_through(file: &mut File) -> io::Result<(u64, [u8; 32])> {
    let all = file.metadata()?.len();
    let mut progress = Progress::new("reading");
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; CHUNK];
    let mut done = 0;
    loop {
        match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => {
                hasher.update(&buffer[..length]);
                done += length as u64;
                progress.at(done, all);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    file.rewind()?;
    Ok((done, *hasher.finalize().as_bytes()))
}

fn chunks(file: File, all: u64) -> impl Stream<Item = io::Result<Bytes>> {
    let begun = (file, 0, Progress::new("uploading"));
    stream::unfold(Some(begun), move |state| async move {
        let (mut file, mut done, mut progress) = state?;
        let mut chunk = BytesMut::zeroed(CHUNK);
        loop {
            match file.read(&mut chunk) {
                Ok(0) => return None,
                Ok(length) => {
                    chunk.truncate(length);
                    done += length as u64;
                    progress.at(done, all);
                    return Some((Ok(chunk.freeze()), Some((file, done, progress))));
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Some((Err(error), None)),
            }
        }
    })
}

/// The error with what to do about it.
fn explain(error: ClientError, file: &Path) -> ClientError {
    match error {
        ClientError::Denied(why) => ClientError::Denied(format!(
            "{why}. Its owner allows them with `uploads = true` below `[transfer]` in its configuration"
        )),
        ClientError::Exists(why) => {
            ClientError::Exists(format!("{why}. --replace overwrites it, --as names another"))
        }
        ClientError::Integrity(why) => ClientError::Integrity(format!(
            "{why}. Did {} change while it was sent? Then try again",
            file.display()
        )),
        error => error,
    }
}

fn unreadable(path: &Path, error: &io::Error) -> ClientError {
    ClientError::Failed(format!("cannot read {}: {error}", path.display()))
}

fn show(view: &UploadView, peer: &str) -> String {
    format!(
        "{}: {} at {}{}; verified, {}\n{}\n",
        safe(&view.file.path),
        size(view.file.size),
        safe(peer),
        if view.replaced { ", in place of the one before" } else { "" },
        view.file.digest.as_deref().unwrap_or("-"),
        safe(&view.file.url)
    )
}
