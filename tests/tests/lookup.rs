//! Who is responsible, why each peer on the way was asked, and what a peer says of another one and of itself.

use chordial_tests::programs::{Cluster, PATIENCE, encode, ensure, eventually};
use serde_json::{Value, json};

#[test]
fn every_gateway_names_the_owner_and_why_each_peer_was_asked() {
    let mut cluster = Cluster::new(6, &[]);
    cluster.start();
    cluster.wait_ring(PATIENCE);
    lookups_agree(&cluster);
    peers_say_the_same_of_each_other(&cluster);
    the_configuration_is_told(&cluster);
}

fn lookups_agree(cluster: &Cluster) {
    for name in ["report.pdf", "no such file", "día <b>.txt", "x"] {
        let asked = |(index, target): (usize, &str)| {
            let found = cluster.peers[index].get(&format!("/api/v1/lookup?{target}")).json();
            walks_to_the_owner(cluster.peers[index].name(), &found);
            found
        };
        let by_name = format!("name={}", encode(name));
        let found: Vec<Value> = (0..cluster.peers.len()).map(|index| asked((index, &by_name))).collect();
        for other in &found {
            assert_eq!(other["name"], *name);
            for member in ["key", "successor", "arc", "keepers"] {
                assert_eq!(other[member], found[0][member], "{other}");
            }
        }
        let by_key = asked((0, &format!("key={}", found[0]["key"].as_str().expect("a key"))));
        assert_eq!((&by_key["name"], &by_key["successor"]), (&Value::Null, &found[0]["successor"]));
        let cli = cluster.peers[1].cli(&["lookup", name, "--trace"]).ok();
        assert!(cli.out.contains("is responsible."), "{}", cli.out);
    }
}

fn walks_to_the_owner(asked: &str, found: &Value) {
    let path = found["route"]["path"].as_array().expect("a path");
    let (first, last) = (&path[0], &path[path.len() - 1]);
    assert_eq!(first["peer"], asked, "{found}");
    assert_eq!((&last["id"], &last["rule"]), (&found["successor"]["id"], &json!("owner")), "{found}");
    let rules =
        ["asked", "closest-preceding", "successor", "predecessor", "contact", "again", "retry", "owner"];
    for hop in path {
        assert!(rules.contains(&hop["rule"].as_str().expect("a rule")), "{found}");
        let reason = hop["reason"].as_str().expect("a reason");
        assert!(reason.contains(hop["peer"].as_str().expect("a name")) && reason.ends_with('.'), "{found}");
    }
    let whole = last["reason"].as_str().expect("a reason");
    assert!(whole.ends_with("is responsible."), "{found}");
}

fn peers_say_the_same_of_each_other(cluster: &Cluster) {
    let facts = |node: &Value| {
        let members = ["id", "name", "incarnation", "addresses", "predecessor", "successors"];
        let fingers = node["fingers"].as_array().expect("fingers");
        let starts: Vec<Value> = fingers.iter().map(|finger| finger["start"].clone()).collect();
        (members.map(|member| node[member].clone()), starts)
    };
    for peer in &cluster.peers {
        for asked in &cluster.peers {
            let what = format!("{} tells of {} what that tells of itself", asked.name(), peer.name());
            // Fingers may still be filled in between two questions.
            eventually(PATIENCE, &what, || {
                let own = peer.get("/api/v1/node").json();
                for wanted in [peer.name(), own["id"].as_str().expect("an identifier")] {
                    let told = asked.get(&format!("/api/v1/node?peer={wanted}")).json();
                    ensure(facts(&told) == facts(&own), || format!("{told}\n{own}"))?;
                }
                Ok(())
            });
        }
        let cli = cluster.peers[0].cli(&["--output", "json", "node", "--of", peer.name()]).ok();
        assert_eq!(cli.json()["name"], peer.name());
    }
    let nobody = cluster.peers[0].get("/api/v1/node?peer=nobody").problem(404);
    assert_eq!(nobody["type"], "/problems/peer-not-found");
}

fn the_configuration_is_told(cluster: &Cluster) {
    let peer = &cluster.peers[2];
    let config = peer.get("/api/v1/config").json();
    let values = config["values"].as_array().expect("values");
    let of = |key: &str| values.iter().find(|value| value["key"] == key).expect("the key").clone();
    assert_eq!(of("name")["value"], peer.name());
    assert_eq!(of("ring"), json!({ "key": "ring", "value": "chordial", "origin": "default" }));
    let file = config["file"].as_str().expect("a file");
    assert_eq!(of("ports.chord")["origin"], format!("file {file}"));
}
