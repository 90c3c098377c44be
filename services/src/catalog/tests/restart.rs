//! Digests outlive restarts and renames: what did not change is not read again.
use std::collections::HashMap;

use super::super::digest_cache::DigestCache;
use super::super::listing::{Digest, Listing};
use super::*;
use crate::shared_dir::{SharedPath, Stamp};

/// A digest that no file has: what is listed with it was not read.
const PLANTED: [u8; 32] = [7; 32];

fn stamp(path: &Path) -> Stamp {
    Stamp::of(&std::fs::File::open(path).unwrap()).unwrap()
}

/// Ends a catalog; returns when it has written its digests and closed the file.
async fn end(guard: DropGuard, digests: &Path) -> DigestCache {
    drop(guard);
    let deadline = Instant::now() + LONG;
    loop {
        let cache = DigestCache::open(Some(digests));
        if cache.is_kept() {
            return cache;
        }
        assert!(Instant::now() < deadline, "the digest cache stays locked");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The digests that a cache has for files in the state they are in now.
fn kept(cache: &DigestCache, root: &Path, paths: &[&str]) -> HashMap<String, [u8; 32]> {
    let found = paths.iter().map(|path| (SharedPath::parse(path).unwrap(), stamp(&root.join(path))));
    cache.recall(&found.collect(), None, &Listing::new())
}

#[tokio::test]
async fn after_a_restart_only_what_changed_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let (root, digests) = (folder.path().join("share"), folder.path().join("digests.redb"));
    std::fs::create_dir_all(root.join("old name")).unwrap();
    let names = ["same", "changed", "put back", "renamed", "old name/in a folder", "gone"];
    for name in names {
        std::fs::write(root.join(name), name).unwrap();
    }
    let (mut client, guard) = serve_with(&root, Some(&digests)).await;
    let mut mirror = Mirror::new(&mut client).await;
    mirror.until(LONG, |files| names.iter().all(|name| has_digest(files, name, name.as_bytes()))).await;
    let cache = end(guard, &digests).await;
    assert_eq!(kept(&cache, &root, &names).len(), names.len());
    for name in names {
        cache.put(&Digest { path: name.to_owned(), stamp: stamp(&root.join(name)), digest: PLANTED });
    }
    cache.flush();
    drop(cache);

    let modified = std::fs::metadata(root.join("put back")).unwrap().modified().unwrap();
    std::fs::write(root.join("changed"), "longer than before").unwrap();
    std::fs::write(root.join("put back"), "PUT BACK").unwrap();
    let file = std::fs::File::options().write(true).open(root.join("put back")).unwrap();
    file.set_modified(modified).unwrap();
    std::fs::rename(root.join("renamed"), root.join("new name")).unwrap();
    std::fs::rename(root.join("old name"), root.join("folder")).unwrap();
    std::fs::remove_file(root.join("gone")).unwrap();

    let (mut client, guard) = serve_with(&root, Some(&digests)).await;
    let mut mirror = Mirror::new(&mut client).await;
    // They came with their files, before anything could be read.
    for name in ["same", "new name", "folder/in a folder"] {
        assert_eq!(mirror.files[name].digest, PLANTED, "{name}");
    }
    mirror.until(LONG, |files| has_digest(files, "changed", b"longer than before")).await;
    mirror.until(LONG, |files| has_digest(files, "put back", b"PUT BACK")).await;
    let cache = end(guard, &digests).await;
    let now = ["same", "new name", "folder/in a folder", "changed", "put back"];
    assert_eq!(kept(&cache, &root, &now).len(), now.len());
    assert_eq!(cache.paths(), ["changed", "folder/in a folder", "new name", "put back", "same"]);
}

#[tokio::test]
async fn a_rename_keeps_the_digest_and_is_noticed_in_time() {
    let root = tempfile::tempdir().unwrap();
    let at = |name: &str| root.path().join(name);
    std::fs::create_dir(at("d")).unwrap();
    for name in ["a", "d/b", "d/c"] {
        std::fs::write(at(name), name).unwrap();
    }
    let (mut client, _guard) = serve(root.path()).await;
    let mut mirror = Mirror::new(&mut client).await;
    let all = |files: &BTreeMap<String, File>| {
        ["a", "d/b", "d/c"].iter().all(|n| has_digest(files, n, n.as_bytes()))
    };
    mirror.until(LONG, all).await;
    for (from, to, gone, content) in
        [("a", "d/z", "a", "a"), ("d", "e", "d/b", "d/b"), ("e/z", "e/b", "e/z", "a")]
    {
        std::fs::rename(at(from), at(to)).unwrap();
        let path = if to == "e" { "e/b" } else { to };
        mirror
            .until(NOTICED, |files| {
                // A name is never told without the digest that its file had.
                assert!(files.values().all(|file| !file.digest.is_empty()), "{files:?}");
                !files.contains_key(gone) && has_digest(files, path, content.as_bytes())
            })
            .await;
    }
    assert_eq!(mirror.files.keys().collect::<Vec<_>>(), ["e/b", "e/c"]);
}

#[tokio::test]
async fn an_empty_directory_does_not_make_the_digests_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let (root, digests) = (folder.path().join("share"), folder.path().join("digests.redb"));
    std::fs::create_dir(&root).unwrap();
    std::fs::write(root.join("a"), "a").unwrap();
    let cache = DigestCache::open(Some(&digests));
    cache.put(&Digest { path: "a".to_owned(), stamp: stamp(&root.join("a")), digest: PLANTED });
    cache.flush();
    drop(cache);
    // As where the disk is mounted after the peer has started.
    std::fs::rename(&root, folder.path().join("disk")).unwrap();
    let (mut client, _guard) = serve_with(&root, Some(&digests)).await;
    let mut mirror = Mirror::new(&mut client).await;
    assert!(mirror.files.is_empty());
    std::fs::remove_dir(&root).unwrap();
    std::fs::rename(folder.path().join("disk"), &root).unwrap();
    mirror.step(LONG).await;
    assert_eq!(mirror.files["a"].digest, PLANTED);
}
