//! gRPC as others speak it: Python's and Go's, by reflection alone; and buf's opinion of the .proto files.

use chordial_tests::programs::Output;
use chordial_tests::sources;
use serde_json::{Value, json};

use crate::setting::{addresses, facts, settled};
use crate::tools::Tool;

#[test]
fn python_gets_along_by_reflection_alone() {
    let (cluster, files) = settled();
    let script = sources().join("tests/foreign/checks.py").display().to_string();
    let facts = facts(&cluster, &files).display().to_string();
    let output = Tool::Python.run(cluster.folder(), &[script, facts]);
    assert_eq!(output.code, 0, "{}\n{}", output.out, output.err);
    let checks = output.out.lines().filter(|line| line.ends_with(" ... ok")).count();
    assert_eq!(checks, 13, "{}", output.out);
}

#[test]
fn grpcurl_lists_describes_and_calls() {
    let (cluster, files) = settled();
    let grpcurl = |address: &Value, fields: &[&str], command: &[&str]| -> Output {
        let address = address.as_str().unwrap_or_default().trim_start_matches("http://").to_owned();
        let flags = ["-plaintext", "-max-time", "20"];
        let arguments = [&flags[..], fields, &[&address], command].concat();
        Tool::Grpcurl.run(cluster.folder(), &arguments)
    };
    let always =
        ["grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection", "metrics.v1.MetricsService"];
    for peer in &cluster.peers {
        let addresses = addresses(peer);
        for (port, own) in [
            ("chord", &["chord.v1.ChordService", "chord.v1.IndexService", "chord.v1.NodeService"][..]),
            ("catalog", &["catalog.v1.CatalogService"]),
            ("transfer", &["transfer.v1.DummyService", "transfer.v1.TransferService"]),
        ] {
            let listed = grpcurl(&addresses[port], &[], &["list"]).ok().out;
            let mut expected = [own, &always].concat();
            expected.sort_unstable();
            assert_eq!(listed.lines().collect::<Vec<_>>(), expected, "{port} of {}", peer.name());
            let health = grpcurl(&addresses[port], &[], &["grpc.health.v1.Health/Check"]).ok();
            assert_eq!(health.json(), json!({ "status": "SERVING" }));
        }
    }

    let at = addresses(&cluster.peers[1]);
    let described = grpcurl(&at["chord"], &[], &["describe", "chord.v1.IndexService"]).ok().out;
    assert!(described.contains("rpc Find ( .chord.v1.FindRequest ) returns"), "{described}");
    let described = grpcurl(&at["transfer"], &[], &["describe", "transfer.v1.FileHeader"]).ok().out;
    assert!(described.contains("bytes digest = 5;"), "{described}");

    for file in &files {
        let name = json!({ "name": file.name() }).to_string();
        let found = grpcurl(&at["chord"], &["-d", &name], &["chord.v1.IndexService/Find"]).ok().json();
        let source = &found["sources"][0];
        assert_eq!(source["publisher"]["name"], cluster.peers[file.holder].name(), "{found}");
        assert_eq!(source["entry"]["path"], file.path, "{found}");
        let owner =
            grpcurl(&at["chord"], &["-d", &name], &["chord.v1.ChordService/FindSuccessor"]).ok().json();
        assert_eq!(owner["key"], found["key"], "{owner}");
        let holder = addresses(&cluster.peers[file.holder]);
        let echo = grpcurl(&holder["transfer"], &["-d", &name], &["transfer.v1.DummyService/Download"]).ok();
        let bytes = echo.json()["bytes"].as_str().map_or(Ok(0), str::parse);
        assert_eq!(
            bytes,
            Ok(file.bytes.len()),
            "64-bit numbers are text in JSON, zero is left out: {echo:?}"
        );
    }
    let nobody =
        grpcurl(&at["transfer"], &["-d", r#"{"name":"nobody"}"#], &["transfer.v1.DummyService/Download"]);
    assert!(nobody.code != 0 && nobody.err.contains("Code: NotFound"), "{nobody:?}");
    assert!(nobody.err.contains("p2 shares no file named \"nobody\""), "{nobody:?}");
}

#[test]
fn buf_has_nothing_to_say_of_the_proto_files() {
    let listed = Tool::Buf.run(sources(), &["ls-files"]).ok().out;
    for file in
        ["chord/v1/ring", "chord/v1/index", "chord/v1/node", "catalog/v1/catalog", "transfer/v1/dummy"]
    {
        assert!(listed.contains(&format!("proto/proto/{file}.proto")), "{file} is not linted: {listed}");
    }
    let lint = Tool::Buf.run(sources(), &["lint"]);
    assert_eq!((lint.code, &*lint.out, &*lint.err), (0, "", ""));
}
