"""What Python's gRPC finds at a settled ring of three peers.

    checks.py FACTS

FACTS is a JSON file: `peers`, each with `name`, `chord`, `catalog`, `transfer`, `gateway` (URLs), `directory`
and `uploads` (whether it takes any), and `files`, each with `holder`, `path` (below the holder's directory) and
`copy` (where its bytes are, too). Each function
below is one check; the first that fails ends the program with its trace.
"""

import hashlib
import json
import sys
import time
import unicodedata
from pathlib import Path, PurePosixPath

import grpc
from blake3 import blake3
from grpc import StatusCode

from port import Port, refused

REFLECTION = {"grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"}
OWN = {
    "chord": {"chord.v1.ChordService", "chord.v1.IndexService", "chord.v1.NodeService"},
    "catalog": {"catalog.v1.CatalogService"},
    "transfer": {"transfer.v1.DummyService", "transfer.v1.TransferService"},
}


class Peer:
    def __init__(self, fact):
        self.fact, self.name = fact, fact["name"]
        self.ports = {kind: Port(fact[kind]) for kind in OWN}
        self.chord, self.catalog, self.transfer = self.ports.values()


class File:
    def __init__(self, fact, peers):
        self.holder = next(peer for peer in peers if peer.name == fact["holder"])
        self.path = fact["path"]
        # Names are composed (NFC) on the wire, paths are as the disk has them.
        self.name = unicodedata.normalize("NFC", PurePosixPath(self.path).name)
        with open(fact["copy"], "rb") as copy:
            self.bytes = copy.read()
        self.digest = blake3(self.bytes).digest()
        self.key = hashlib.sha1(self.name.encode()).digest()


def reflection_tells_what_each_port_has(peers, files):
    for peer in peers:
        for kind, own in OWN.items():
            # The listing goes by the version of the protocol in which it was asked for.
            listed = peer.ports[kind].services() - REFLECTION
            assert listed == own | {"grpc.health.v1.Health", "metrics.v1.MetricsService"}, (kind, listed)
    assert {"Join", "FindSuccessor", "Leave"} <= peers[0].chord.methods("chord.v1.ChordService")
    assert peers[0].transfer.methods("transfer.v1.DummyService") == {"Download", "Upload"}
    assert peers[0].transfer.methods("transfer.v1.TransferService") == {"Download", "Stat", "Upload"}


def health_is_told_of_process_and_services(peers, files):
    for peer in peers:
        for kind, own in OWN.items():
            for service in {""} | own:
                assert peer.ports[kind].health(service) == "SERVING", (peer.name, kind, service)
            with refused(StatusCode.NOT_FOUND):
                peer.ports[kind].health("nobody.v1.Service")
    stream = peers[0].chord.watch_health("chord.v1.ChordService")
    assert next(stream).status == 1, "serving"
    stream.cancel()


def agreed_ring(asked):
    """The ring, once all views of it agree: on a busy machine a peer may be suspected for a moment."""
    until = time.monotonic() + 30
    while True:
        ring = asked.chord.call("chord.v1.NodeService/GetRing")
        if ring.agreed:
            assert not ring.problems, ring
            return ring
        assert time.monotonic() < until, ring
        time.sleep(0.1)


def lookups_lead_to_the_first_peer_at_or_behind_the_key(peers, files):
    ring = agreed_ring(peers[0])
    ids = sorted(member.peer.id for member in ring.peers)
    assert len(ids) == len(peers)
    for asked in peers:
        for file in files:
            by_name = asked.chord.call("chord.v1.ChordService/FindSuccessor", name=file.name)
            by_key = asked.chord.call("chord.v1.ChordService/FindSuccessor", key=file.key)
            right = next((one for one in ids if one >= file.key), ids[0])
            assert by_name.key == by_key.key == file.key, file.name
            assert by_name.successor.id == by_key.successor.id == right, file.name
            assert by_name.route.path[0].peer.name == asked.name
            assert len(by_name.keepers) == 3
    for fields, word in [({"key": b"123"}, "key"), ({}, "target is missing"), ({"name": ""}, "empty")]:
        with refused(StatusCode.INVALID_ARGUMENT, word):
            peers[0].chord.call("chord.v1.ChordService/FindSuccessor", **fields)


def every_peer_finds_every_file(peers, files):
    for asked in peers:
        for file in files:
            found = asked.chord.call("chord.v1.IndexService/Find", name=file.name)
            assert (found.key, found.total) == (file.key, 1), found
            (source,) = found.sources
            assert source.publisher.name == file.holder.name and source.alive, source
            assert (source.entry.path, source.entry.size) == (file.path, len(file.bytes)), source
            assert source.entry.digest == file.digest, source
            assert source.services.transfer == file.holder.fact["transfer"], source
            assert source.services.gateway == file.holder.fact["gateway"], source
        nobody = asked.chord.call("chord.v1.IndexService/Find", name="nobody has this")
        assert (nobody.total, len(nobody.sources)) == (0, 0), nobody
    with refused(StatusCode.INVALID_ARGUMENT, "300"):
        peers[0].chord.call("chord.v1.IndexService/Find", name="n" * 300)


def all_names_are_listed_page_by_page(peers, files):
    for asked in peers:
        listed, cursor = [], ""
        while True:
            page = asked.chord.call("chord.v1.IndexService/ListNames", limit=2, cursor=cursor)
            assert len(page.files) <= 2
            listed += page.files
            cursor = page.next
            if not cursor:
                break
        assert sorted(one.name for one in listed) == sorted(file.name for file in files)
        falls = sum(a.key > b.key for a, b in zip(listed, listed[1:]))
        assert falls <= 1, "ring order of the keys"
    with refused(StatusCode.INVALID_ARGUMENT, "cursor"):
        peers[0].chord.call("chord.v1.IndexService/ListNames", cursor="zz")


def the_echo_pair_answers_and_moves_nothing(peers, files):
    for file in files:
        for asked in peers:
            if asked is file.holder:
                echo = asked.transfer.call("transfer.v1.DummyService/Download", name=file.name)
                assert (echo.name, echo.peer, echo.bytes) == (file.name, asked.name, len(file.bytes)), echo
                assert echo.message.startswith("echo: "), echo
            else:
                with refused(StatusCode.NOT_FOUND, asked.name, "chord-cli find"):
                    asked.transfer.call("transfer.v1.DummyService/Download", name=file.name)
    for asked in peers:
        size = 2**63
        echo = asked.transfer.call("transfer.v1.DummyService/Upload", name="new.iso", size=size)
        assert (echo.name, echo.peer, echo.bytes) == ("new.iso", asked.name, size), echo
        assert asked.catalog.call("catalog.v1.CatalogService/Lookup", name="new.iso").files == []
        for name in ["", "a/b", ".."]:
            with refused(StatusCode.INVALID_ARGUMENT):
                asked.transfer.call("transfer.v1.DummyService/Upload", name=name, size=1)


def download(file, **part):
    """The header and the bytes of a download from the holder."""
    stream = file.holder.transfer.call("transfer.v1.TransferService/Download", path=file.path, **part)
    header = next(stream).header
    return header, b"".join(message.chunk for message in stream)


def downloads_give_the_very_bytes(peers, files):
    for file in files:
        header, data = download(file)
        assert (header.path, header.size, header.length) == (file.path, len(file.bytes), len(file.bytes))
        assert data == file.bytes and blake3(data).digest() == header.digest == file.digest, file.path
        stat = file.holder.transfer.call("transfer.v1.TransferService/Stat", path=file.path).header
        assert stat == header, stat
        if len(file.bytes) > 2:
            header, data = download(file, offset=1, length=len(file.bytes) - 2)
            assert header.offset == 1 and data == file.bytes[1:-1], file.path
        header, data = download(file, offset=len(file.bytes))
        assert (header.length, data) == (0, b""), "at its very end"
        with refused(StatusCode.OUT_OF_RANGE, str(len(file.bytes))):
            download(file, offset=len(file.bytes) + 1)
    transfer = files[0].holder.transfer
    for method in ["Download", "Stat"]:
        for path, code in [
            ("nobody has this", StatusCode.NOT_FOUND),
            ("../secret", StatusCode.INVALID_ARGUMENT),
            ("/etc/passwd", StatusCode.INVALID_ARGUMENT),
            ("", StatusCode.INVALID_ARGUMENT),
        ]:
            with refused(code):
                answer = transfer.call(f"transfer.v1.TransferService/{method}", path=path)
                list(answer if method == "Download" else [])


def uploads_are_refused_where_they_are_not_allowed(peers, files):
    for asked in (peer for peer in peers if not peer.fact["uploads"]):
        parts = [{"header": {"path": "new.txt", "size": 3}}, {"chunk": b"new"}]
        with refused(StatusCode.PERMISSION_DENIED, asked.name):
            asked.transfer.call("transfer.v1.TransferService/Upload", requests=parts)


def each_catalog_lists_its_own(peers, files):
    for asked in peers:
        own = {file.path: file for file in files if file.holder is asked}
        listed, cursor = [], ""
        while True:
            page = asked.catalog.call("catalog.v1.CatalogService/List", limit=1, cursor=cursor)
            assert (page.peer, page.total) == (asked.name, len(own)), page
            listed += [file.path for file in page.files]
            cursor = page.next
            if not cursor:
                break
        assert listed == sorted(own), listed
        for path, file in own.items():
            stat = asked.catalog.call("catalog.v1.CatalogService/Stat", path=path).file
            assert (stat.name, stat.size, stat.digest) == (file.name, len(file.bytes), file.digest), stat
            named = asked.catalog.call("catalog.v1.CatalogService/Lookup", name=file.name).files
            assert [one.path for one in named] == [path], named
        watched = {}
        stream = asked.catalog.call("catalog.v1.CatalogService/Watch")
        for batch in stream:
            watched.update((file.path, file.size) for file in batch.present)
            if batch.settled:
                break
        stream.cancel()
        assert watched == {path: len(file.bytes) for path, file in own.items()}, watched
        with refused(StatusCode.NOT_FOUND, asked.name):
            asked.catalog.call("catalog.v1.CatalogService/Stat", path="nobody has this")
        with refused(StatusCode.INVALID_ARGUMENT, "cursor"):
            asked.catalog.call("catalog.v1.CatalogService/List", cursor="zz")


def the_node_tells_of_itself_and_of_others(peers, files):
    for asked in peers:
        node = asked.chord.call("chord.v1.NodeService/GetNode").node
        assert (node.peer.name, node.ring) == (asked.name, "chordial"), node
        assert node.state == 2, "a member"
        assert node.peer.id == hashlib.sha1(node.peer.address.encode()).digest(), node.peer
        assert f"http://{node.peer.address}" == asked.fact["chord"], node.peer
        assert len(node.successors) == len(peers) - 1, node
        for other in peers:
            own = [file.path for file in files if file.holder is other]
            listing = asked.chord.call("chord.v1.NodeService/ListFiles", peer=other.name)
            assert (listing.total, [file.path for file in listing.files]) == (len(own), sorted(own)), listing
        with refused(StatusCode.NOT_FOUND, "nobody"):
            asked.chord.call("chord.v1.NodeService/ListFiles", peer="nobody")


def who_is_no_peer_is_told_what_is_wrong(peers, files):
    chord = peers[0].chord
    with refused(StatusCode.INVALID_ARGUMENT, "envelope"):
        chord.call("chord.v1.ChordService/Ping")
    sender = chord.call("chord.v1.NodeService/GetNode").node.peer
    envelope = {"version": 1, "ring": "another", "sender": sender}
    with refused(StatusCode.PERMISSION_DENIED, "chordial"):
        chord.call("chord.v1.ChordService/Ping", envelope=envelope)
    with refused(StatusCode.UNIMPLEMENTED):
        chord.channel.unary_unary("/chord.v1.ChordService/Nonsense")(b"", timeout=5)
    with refused(StatusCode.UNIMPLEMENTED):
        chord.channel.unary_unary("/catalog.v1.CatalogService/List")(b"", timeout=5)


def deadlines_hold_on_both_sides(peers, files):
    catalog = peers[0].catalog
    started = time.monotonic()
    # More than a catalog lets watch at one time: some are refused, and none ends before its deadline.
    streams = [catalog.call("catalog.v1.CatalogService/Watch", timeout=2) for _ in range(80)]
    codes = []
    for stream in streams:
        try:
            list(stream)
        except grpc.RpcError as error:
            codes.append(error.code())
    took = time.monotonic() - started
    assert 1.9 < took < 10, took
    assert set(codes) == {StatusCode.DEADLINE_EXCEEDED, StatusCode.RESOURCE_EXHAUSTED}, set(codes)
    assert len(codes) == len(streams)
    # The peer has let go of them: there is room again, at once or in a moment.
    until = time.monotonic() + 10
    while True:
        try:
            stream = catalog.call("catalog.v1.CatalogService/Watch")
            next(stream)
            stream.cancel()
            break
        except grpc.RpcError as error:
            assert error.code() == StatusCode.RESOURCE_EXHAUSTED and time.monotonic() < until, error
    # A deadline that nobody could meet; a short one a quick peer meets.
    with refused(StatusCode.DEADLINE_EXCEEDED):
        peers[0].chord.call("chord.v1.NodeService/GetRing", timeout=-1)
    agreed_ring(peers[0])


def uploads_are_stored_where_they_are_allowed(peers, files):
    taker = next(peer for peer in peers if peer.fact["uploads"])
    stored = Path(taker.fact["directory"]) / "up" / "new é.bin"

    def upload(data, **header):
        chunks = [data[at : at + 65536] for at in range(0, len(data), 65536)]
        header = {"path": "up/new é.bin", "size": len(data), "digest": blake3(data).digest(), **header}
        parts = [{"header": header}, *({"chunk": chunk} for chunk in chunks)]
        return taker.transfer.call("transfer.v1.TransferService/Upload", requests=parts)

    data = bytes(range(256)) * 4096
    with refused(StatusCode.DATA_LOSS):
        upload(data, digest=blake3(b"others").digest())
    assert not stored.exists(), "wrong bytes leave nothing"
    first = upload(data)
    assert (first.header.size, first.header.digest, first.replaced) == (len(data), blake3(data).digest(), False)
    assert stored.read_bytes() == data
    with refused(StatusCode.ALREADY_EXISTS):
        upload(b"another")
    assert stored.read_bytes() == data
    assert upload(b"another", replace=True).replaced
    assert stored.read_bytes() == b"another"
    for path in ["../out", "", "/etc/new"]:
        with refused(StatusCode.INVALID_ARGUMENT):
            upload(b"another", path=path)
    assert [path.name for path in stored.parent.iterdir()] == [stored.name]


CHECKS = [
    reflection_tells_what_each_port_has,
    health_is_told_of_process_and_services,
    lookups_lead_to_the_first_peer_at_or_behind_the_key,
    every_peer_finds_every_file,
    all_names_are_listed_page_by_page,
    the_echo_pair_answers_and_moves_nothing,
    downloads_give_the_very_bytes,
    uploads_are_refused_where_they_are_not_allowed,
    each_catalog_lists_its_own,
    the_node_tells_of_itself_and_of_others,
    who_is_no_peer_is_told_what_is_wrong,
    deadlines_hold_on_both_sides,
    # Last: it adds a file.
    uploads_are_stored_where_they_are_allowed,
]


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        facts = json.load(file)
    peers = [Peer(fact) for fact in facts["peers"]]
    files = [File(fact, peers) for fact in facts["files"]]
    for check in CHECKS:
        print(check.__name__, "...", end=" ", flush=True)
        check(peers, files)
        print("ok")


if __name__ == "__main__":
    main()
