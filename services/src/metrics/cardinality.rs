//! A ring's peers, however many, and names, however many, are no series.

use std::collections::BTreeSet;
use std::time::Duration;

use chord::{Event, Id, Peer, Read};
use chordial_proto::chord_v1::index_service_client::IndexServiceClient;
use chordial_proto::chord_v1::{FindRequest, SearchRequest};
use chordial_proto::metrics_v1::GetMetricsRequest;
use chordial_proto::metrics_v1::metrics_service_client::MetricsServiceClient;
use tonic::transport::Channel;

use crate::calls::lazy_channel;
use crate::driver::testing::{TestPeer, quick, until_ring};

/// Names and labels of all series.
async fn series(channel: Channel) -> BTreeSet<String> {
    let text = MetricsServiceClient::new(channel).get_metrics(GetMetricsRequest {}).await.unwrap();
    let text = text.into_inner().text;
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.rsplit_once(' ')).map(|(series, _)| series.to_owned()).collect()
}

/// What the ring does by itself begins at any time.
fn asked(series: &BTreeSet<String>) -> BTreeSet<&str> {
    let of_users = ["chord_lookup", "chord_search", "chord_events", "GetNode", "IndexService/Find"];
    let kept = series.iter().filter(|series| of_users.iter().any(|part| series.contains(part)));
    kept.map(String::as_str).collect()
}

#[tokio::test]
async fn a_thousand_names_and_fifty_peers_make_no_new_series() {
    let first = TestPeer::start("name-of-p1", &[], quick(), None).await;
    let second = TestPeer::start("name-of-p2", &[&first], quick(), None).await;
    until_ring(&[&first, &second]).await;
    let channel = lazy_channel(&format!("http://{}", first.me().address)).unwrap();
    let mut index = IndexServiceClient::new(channel.clone());
    let calls = first.handle.calls();
    let mut meet = async |number: usize| {
        let name = format!("file-{number}.txt");
        first.handle.look_up(Id::of(name.as_bytes()), Read::Nothing, Duration::from_secs(10)).await.unwrap();
        index.find(FindRequest { name }).await.unwrap();
        if number < 50 {
            index
                .search(SearchRequest { query: format!("word{number}"), ..Default::default() })
                .await
                .unwrap();
            // Nobody listens there.
            let address = format!("127.0.9.{number}:1");
            calls.node(&address, Duration::from_secs(10)).await.unwrap_err();
            let peer = Peer { name: format!("name-of-p{number}").into(), ..Peer::stranger(&address) };
            calls.metrics().event(&Event::Suspected(peer.clone()));
            calls.metrics().event(&Event::LeaseExpired(peer));
        }
    };
    meet(0).await;
    let before = series(channel.clone()).await;
    for number in 1..1000 {
        meet(number).await;
    }
    let after = series(channel).await;
    assert_eq!(asked(&before), asked(&after));
    assert!(asked(&after).len() > 30, "{after:#?}");
    for secret in ["file-", "word", "127.0.", "name-of"] {
        assert!(after.iter().all(|series| !series.contains(secret)), "{secret} in {after:#?}");
    }
    drop(second);
}
