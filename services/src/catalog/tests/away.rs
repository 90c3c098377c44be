//! A directory that can't be read, or not all of it, and what is not shared.
use super::*;

/// Longer than it takes to notice a change.
const SILENCE: Duration = Duration::from_millis(2500);

#[tokio::test]
async fn a_directory_that_vanishes_keeps_its_listing_until_it_is_back() {
    let root = tempfile::tempdir().unwrap();
    let share = root.path().join("share");
    std::fs::create_dir(&share).unwrap();
    std::fs::write(share.join("a"), "a").unwrap();
    let (mut client, _guard) = serve(&share).await;
    let mut mirror = Mirror::new(&mut client).await;
    mirror.until(LONG, |files| has_digest(files, "a", b"a")).await;
    std::fs::rename(&share, root.path().join("away")).unwrap();
    let silence = timeout(SILENCE, mirror.stream.message()).await;
    assert!(silence.is_err(), "a directory that is gone is not an empty one: {silence:?}");
    let kept = client.list(ListRequest::default()).await.unwrap().into_inner();
    assert_eq!(kept.total, 1);
    std::fs::create_dir(&share).unwrap();
    std::fs::write(share.join("b"), "b").unwrap();
    mirror.until(LONG, |files| files.keys().eq(["b"])).await;
    // The new directory is watched as the old one was.
    std::fs::write(share.join("c"), "c").unwrap();
    mirror.until(NOTICED, |files| files.contains_key("c")).await;
}

#[tokio::test]
async fn a_directory_that_cannot_be_read_says_so_and_is_not_an_empty_one() {
    let root = tempfile::tempdir().unwrap();
    let share = root.path().join("share");
    std::fs::create_dir(&share).unwrap();
    std::fs::write(share.join("a"), "a").unwrap();
    let (client, _guard) = serve(&share).await;
    let list = async || client.clone().list(ListRequest::default()).await.unwrap().into_inner();
    assert_eq!(list().await.problem, "");
    let until_problem = async |problem: &str| {
        let deadline = Instant::now() + LONG;
        loop {
            let listed = list().await;
            assert_eq!(listed.total, 1, "{listed:?}");
            if listed.problem.contains(problem) && listed.problem.is_empty() == problem.is_empty() {
                break;
            }
            assert!(Instant::now() < deadline, "{:?}, not {problem:?}", listed.problem);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let away = root.path().join("away");
    std::fs::rename(&share, &away).unwrap();
    until_problem("its directory can't be read: No such file").await;
    // What not even root can read as a directory.
    std::os::unix::fs::symlink("share", &share).unwrap();
    until_problem("its directory can't be read: Too many").await;
    std::fs::remove_file(&share).unwrap();
    std::fs::rename(&away, &share).unwrap();
    until_problem("").await;
    // Seen to be empty, it is empty.
    std::fs::remove_file(share.join("a")).unwrap();
    let deadline = Instant::now() + LONG;
    while list().await.total > 0 {
        assert!(Instant::now() < deadline, "the file stays listed");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn what_is_not_shared_is_counted() {
    let root = tempfile::tempdir().unwrap();
    for name in ["a", ".hidden", "b.part", "back\\slash"] {
        std::fs::write(root.path().join(name), "x").unwrap();
    }
    std::os::unix::fs::symlink("/etc/hostname", root.path().join("out")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(root.path().join("socket")).unwrap();
    let (mut client, _guard) = serve(root.path()).await;
    let listed = client.list(ListRequest::default()).await.unwrap().into_inner();
    let skipped = Skipped { hidden: 1, unfinished: 1, special: 1, links: 1, names: 1, ..Default::default() };
    assert_eq!((listed.total, listed.skipped), (1, Some(skipped)));
}
