//! Searches over real nodes behind real gRPC servers on loopback.

use std::collections::BTreeSet;

use chord::index::File;
use chordial_proto::chord_v1::index_service_client::IndexServiceClient;
use chordial_proto::chord_v1::node_service_client::NodeServiceClient;
use chordial_proto::chord_v1::{
    GetPublishedRequest, SearchRequest, SearchResponse, WatchSearchRequest, WatchSearchResponse,
};
use tonic::{Code, Response, Status, Streaming};

use crate::calls::lazy_channel;
use crate::driver::testing::{TestPeer, file, quick, until, until_ring};
use crate::search::text_of;

fn client(peer: &TestPeer) -> IndexServiceClient<tonic::transport::Channel> {
    IndexServiceClient::new(lazy_channel(&format!("http://{}", peer.handle.me().address)).unwrap())
}

async fn ask(peer: &TestPeer, query: &str, limit: u32, cursor: &str) -> Result<SearchResponse, Status> {
    let request = SearchRequest { query: query.into(), limit, cursor: cursor.into() };
    client(peer).search(request).await.map(Response::into_inner)
}

async fn search(peer: &TestPeer, query: &str) -> SearchResponse {
    ask(peer, query, 0, "").await.unwrap()
}

fn names(answer: &SearchResponse) -> Vec<&str> {
    answer.hits.iter().map(|hit| hit.name.as_str()).collect()
}

fn named(name: &str) -> File {
    File { text: text_of(name), ..file(name) }
}

async fn share(peer: &TestPeer, names: &[&str]) {
    peer.handle.shared(names.iter().map(|name| named(name)).collect(), vec![]).await;
}

/// All of what these peers share is acknowledged by its keepers.
async fn until_published(peers: &[&TestPeer]) {
    until("all is published", async || {
        for peer in peers {
            let progress = peer.handle.published(None).await.ok_or("it has stopped")?.progress;
            if progress.pending > 0 || progress.keys == 0 {
                return Err(format!("{progress:?}"));
            }
        }
        Ok(())
    })
    .await;
}

async fn three() -> [TestPeer; 3] {
    let p1 = TestPeer::start("p1", &[], quick(), None).await;
    let p2 = TestPeer::start("p2", &[&p1], quick(), None).await;
    let p3 = TestPeer::start("p3", &[&p1], quick(), None).await;
    until_ring(&[&p1, &p2, &p3]).await;
    [p1, p2, p3]
}

#[tokio::test]
async fn files_are_found_by_words_prefixes_patterns_and_with_typing_errors() {
    let peers = three().await;
    let [p1, p2, p3] = &peers;
    share(p1, &["Annual Report 2023.pdf", "IMG_0042.jpg", "notes.txt"]).await;
    share(p2, &["annual-report-2024.pdf", "Träume.flac", "iPhone manual.pdf"]).await;
    share(p3, &["quarterly report.ods", "Annual Report 2023.pdf", "年度报告.docx"]).await;
    until_published(&[p1, p2, p3]).await;
    for peer in &peers {
        let found = search(peer, "annual report").await;
        assert_eq!(names(&found), ["Annual Report 2023.pdf", "annual-report-2024.pdf"], "{found:?}");
        assert!(found.complete && found.asked == found.answered && found.next.is_empty());
        assert_eq!((found.hits[0].total, found.hits[0].sources.len(), found.total), (2, 2, 2));
        for (query, expected) in [
            ("rep", vec!["quarterly report.ods", "Annual Report 2023.pdf", "annual-report-2024.pdf"]),
            ("REPORT 2024", vec!["annual-report-2024.pdf"]),
            ("report -annual", vec!["quarterly report.ods"]),
            ("\"report 2023\"", vec!["Annual Report 2023.pdf"]),
            ("*.pdf -annual", vec!["iPhone manual.pdf"]),
            ("iphone", vec!["iPhone manual.pdf"]),
            ("0042", vec!["IMG_0042.jpg"]),
            ("traume", vec!["Träume.flac"]),
            ("TRÄUME", vec!["Träume.flac"]),
            ("报告", vec!["年度报告.docx"]),
            ("*rt-20*", vec!["annual-report-2024.pdf"]),
            ("ext:jpg", vec!["IMG_0042.jpg"]),
            ("no", vec!["notes.txt"]),
            ("peer:p2 report", vec!["annual-report-2024.pdf"]),
            ("anual reprot 2024.pdf", vec!["Annual Report 2023.pdf", "annual-report-2024.pdf"]),
        ] {
            let found = search(peer, query).await;
            let (told, expected): (BTreeSet<_>, BTreeSet<_>) =
                (names(&found).into_iter().collect(), expected.into_iter().collect());
            assert_eq!(told, expected, "{query}: {found:?}");
            assert!(found.complete, "{query}: {found:?}");
        }
        assert!(search(peer, "anual reprot 2024.pdf").await.corrected);
        let nothing = search(peer, "xyzzyplugh").await;
        assert!(nothing.hits.is_empty() && nothing.complete && !nothing.corrected);
    }
    for bad in ["", "***", "\"open", "size:abc", "!!!"] {
        assert_eq!(ask(p1, bad, 0, "").await.unwrap_err().code(), Code::InvalidArgument, "{bad}");
    }
    assert_eq!(ask(p1, "a", 0, "nonsense").await.unwrap_err().code(), Code::InvalidArgument);
}

#[tokio::test]
async fn pages_follow_each_other_also_of_a_word_that_too_many_files_have() {
    let peers = three().await;
    let [p1, p2, p3] = &peers;
    let many: Vec<String> = (0..1000).map(|number| format!("IMG_{number:04}.jpg")).collect();
    share(p1, &many.iter().map(String::as_str).collect::<Vec<_>>()).await;
    share(p2, &["img other.png", "rare.jpg"]).await;
    share(p3, &["third.jpg"]).await;
    until_published(&[p1, p2, p3]).await;
    for (query, expected) in
        [("img", 1001_usize), ("jpg", 1002), ("*.jpg", 1002), ("img 0999", 1), ("g*9", 0)]
    {
        let (mut all, mut cursor, mut pages) = (BTreeSet::new(), String::new(), 0);
        loop {
            let page = ask(p2, query, 300, &cursor).await.unwrap();
            assert!(page.complete, "{query}: {} of {}", page.answered, page.asked);
            for hit in page.hits {
                assert!(all.insert(hit.name), "told twice");
            }
            pages += 1;
            cursor = page.next;
            if cursor.is_empty() {
                break;
            }
        }
        assert_eq!((all.len(), pages), (expected, expected.div_ceil(300).max(1)), "{query}");
    }
}

#[tokio::test]
async fn a_peer_that_does_not_answer_is_named_and_the_answer_is_not_complete() {
    let mut peers = three().await;
    share(&peers[0], &["one-file.txt"]).await;
    share(&peers[1], &["two-file.txt"]).await;
    until_published(&[&peers[0], &peers[1]]).await;
    let gone = peers[1].me().name;
    peers[1].kill();
    // Only everybody can tell of this pattern.
    let found = search(&peers[0], "*ne-fi*").await;
    assert_eq!(names(&found), ["one-file.txt"]);
    if !found.complete {
        assert_eq!(found.silent.iter().map(|peer| peer.name.as_str()).collect::<Vec<_>>(), [&*gone]);
        assert!(found.answered < found.asked);
    }
    until("it is given up", async || match search(&peers[0], "*ne-fi*").await {
        found if found.complete && names(&found) == ["one-file.txt"] => Ok(()),
        found => Err(format!("{found:?}")),
    })
    .await;
}

#[tokio::test]
async fn a_standing_search_tells_of_files_as_they_appear_anywhere() {
    async fn next(stream: &mut Streaming<WatchSearchResponse>) -> WatchSearchResponse {
        let message = tokio::time::timeout(std::time::Duration::from_secs(15), stream.message());
        message.await.expect("in time").unwrap().expect("it goes on")
    }
    let peers = three().await;
    let [p1, p2, p3] = &peers;
    share(p1, &["report one.pdf"]).await;
    until_published(&[p1]).await;
    let request = WatchSearchRequest { query: "report".into() };
    let mut stream = client(p2).watch_search(request).await.unwrap().into_inner();
    let first = next(&mut stream).await;
    assert!(first.hits.is_empty(), "what matches already is not new");
    share(p3, &["other.pdf", "report two.pdf"]).await;
    let mut fresh = next(&mut stream).await;
    while fresh.hits.is_empty() {
        fresh = next(&mut stream).await;
    }
    assert_eq!(fresh.hits.iter().map(|hit| hit.name.as_str()).collect::<Vec<_>>(), ["report two.pdf"]);
}

#[tokio::test]
async fn a_receipt_names_the_keepers() {
    let peers = three().await;
    share(&peers[0], &["kept.txt"]).await;
    until_published(&[&peers[0]]).await;
    let channel = lazy_channel(&format!("http://{}", peers[0].handle.me().address)).unwrap();
    let mut node = NodeServiceClient::new(channel);
    let request = |name: &str| GetPublishedRequest { name: name.into() };
    let told = node.get_published(request("kept.txt")).await.unwrap().into_inner();
    assert_eq!((told.receipts[0].keepers.len(), told.receipts[0].pending.len()), (3, 0));
    let publishing = told.publishing.unwrap();
    assert_eq!((publishing.files, publishing.keys, publishing.acknowledged), (1, 3, 3));
    assert_eq!(node.get_published(request("other")).await.unwrap_err().code(), Code::NotFound);
    assert!(node.get_published(request("")).await.unwrap().into_inner().receipts.is_empty());
}
