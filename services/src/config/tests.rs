//! The configuration as a whole: layers, origins, refusals, and the files of configs/.

use std::ffi::OsString;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::keys::{KEYS, Kind};
use super::*;

fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("peer.toml");
    std::fs::write(&path, text).unwrap();
    (root, path)
}

/// The same configuration, wherever its values came from.
fn without_origins(mut config: PeerConfig) -> PeerConfig {
    config.shown.file = None;
    config.shown.settings.iter_mut().for_each(|setting| setting.origin.clear());
    config
}

fn sources(path: &Path, environment: &[(&str, &str)], flags: &[(&str, &str, &str)]) -> Sources {
    let flag = |(flag, key, value): &(&str, &str, &str)| Flag {
        flag: flag.to_string(),
        key: key.to_string(),
        value: value.to_string(),
    };
    Sources {
        file: Some(path.to_path_buf()),
        environment: environment.iter().map(|(k, v)| (OsString::from(k), OsString::from(v))).collect(),
        flags: flags.iter().map(flag).collect(),
    }
}

/// The problems of a file's text, in one string.
fn problems(text: &str) -> String {
    let (_root, path) = file(text);
    check(&path).expect_err(text).to_string()
}

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs").join(name)
}

#[test]
fn defaults_are_those_of_the_contract() {
    let config = PeerConfig::from_settings(&[("name", "p1")]).unwrap();
    assert_eq!(config.ip, "0.0.0.0".parse::<IpAddr>().unwrap());
    assert_eq!((config.advertise, config.ring.as_str()), (Advertise::Auto, "chordial"));
    assert_eq!(config.directory, Path::new("./share"));
    assert_eq!(config.state, Path::new("./.chordial/p1"));
    assert_eq!(config.ports, Ports { chord: 7300, catalog: 7301, transfer: 7302, gateway: 8000 });
    assert_eq!(config.index.lease, Duration::from_secs(60));
    assert_eq!((config.index.quota, config.index.capacity), (2_000_000, 8_000_000));
    assert!(!config.transfer.uploads && config.friend.is_none() && config.gateway.public_url.is_none());
    assert_ne!(PeerConfig::from_settings(&[]).unwrap().name, "");
}

#[test]
fn flag_wins_over_environment_over_file_over_default() {
    let (_root, path) =
        file("name = 'f'\nring = 'f'\nfriend = 'http://f:1'\n[ports]\nchord = 1\ngateway = 2\n");
    let environment =
        [("CHORD_NAME", "e"), ("CHORD_RING", "e"), ("CHORD_FRIEND", ""), ("CHORD_PORTS__GATEWAY", "8001")];
    let flags = [("--set", "name", "s"), ("--name", "name", "g")];
    let loaded = load(&sources(&path, &environment, &flags)).unwrap();
    let config = &loaded.config;
    assert_eq!((config.name.as_str(), config.ring.as_str(), &config.friend), ("g", "e", &None));
    assert_eq!((config.ports.chord, config.ports.catalog, config.ports.gateway), (1, 7301, 8001));

    let shown = effective(&loaded);
    let line = |start: &str| shown.lines().find(|line| line.starts_with(start)).unwrap().to_string();
    let from_file = format!("# {}", path.display());
    for (start, origin) in [
        ("name = \"g\"", "# flag --name"),
        ("ring = \"e\"", "# environment CHORD_RING"),
        ("gateway = 8001", "# environment CHORD_PORTS__GATEWAY"),
        ("chord = 1 ", from_file.as_str()),
        ("catalog = 7301", "# default"),
    ] {
        assert!(line(start).ends_with(origin), "{}", line(start));
    }
}

#[test]
fn what_show_prints_loads_again() {
    let hard = "name = 'a\"b é'\ndirectory = 'c:\\x'\nfriend = 'http://[::1]:1'\n[log]\nlevel = 'warn,chord_peer=debug'\n";
    let full = "[gateway]\npublic_url = 'https://x.org/a/'\nhosts = ['a.org', 'B']\ncors_origins = 'https://x.org, http://y:3000/'\n[index]\nlease = '1m 30s'\n[catalog]\nhashers = '2'\n";
    let by_file = "[gateway]\npublic_url = 'file:/srv/chordial/public_url'\n";
    for text in ["", hard, full, by_file] {
        let (_root, path) = file(text);
        let loaded = load(&sources(&path, &[], &[])).unwrap();
        let (_root, again) = file(&effective(&loaded));
        assert_eq!(without_origins(check(&again).unwrap()), without_origins(loaded.config));
    }
}

#[test]
fn lists_are_lists_in_a_file_and_have_commas_elsewhere() {
    let (_root, path) = file("[gateway]\nhosts = ['a.org', 'B']\n");
    assert_eq!(check(&path).unwrap().gateway.hosts, ["a.org", "b"]);
    let environment =
        [("CHORD_GATEWAY__HOSTS", "c.org,*"), ("CHORD_GATEWAY__CORS_ORIGINS", "https://X.org:443/")];
    let config = load(&sources(&path, &environment, &[])).unwrap().config.gateway;
    assert_eq!(
        (config.hosts, config.cors_origins),
        (vec!["c.org".into(), "*".into()], vec!["https://x.org".into()])
    );
    for (text, word) in [
        ("hosts = [1]", "a list of texts"),
        ("hosts = ['a,b']", "without commas"),
        ("hosts = 'a.org, http://x'", "\"http://x\" is not a host name"),
        ("cors_origins = ['https://x/y']", "`/y`"),
        ("max_body = ['1']", "not a list"),
    ] {
        let text = problems(&format!("[gateway]\n{text}\n"));
        assert!(text.contains(word), "{text}");
    }
}

#[test]
fn text_keys_take_numbers_as_typed() {
    let (_root, path) = file("name = 7\nring = 42\n");
    let config = check(&path).unwrap();
    assert_eq!((config.name.as_str(), config.ring.as_str()), ("7", "42"));
    let loaded = load(&sources(&path, &[("CHORD_NAME", "007"), ("CHORD_RING", "1e5")], &[])).unwrap();
    assert_eq!((loaded.config.name.as_str(), loaded.config.ring.as_str()), ("007", "1e5"));
}

#[test]
fn unknown_keys_are_errors_in_file_and_flag_and_name_the_nearest() {
    let text = problems("nmae = 'x'\n[ports]\ngatewy = 1\n[prots]\nchord = 1\n[chord]\nlease = '5s'\n");
    for (key, nearest) in [
        ("nmae", "name"),
        ("ports.gatewy", "ports.gateway"),
        ("prots.chord", "ports.chord"),
        ("chord.lease", "index.lease"),
    ] {
        let expected = format!("peer.toml: unknown key `{key}`; the nearest known key is `{nearest}`");
        assert!(text.contains(&expected), "{text}");
    }
    let (_root, path) = file("");
    let error = load(&sources(&path, &[], &[("--set", "chord.replica", "2")])).unwrap_err().to_string();
    assert_eq!(error, "flag --set: unknown key `chord.replica`; the nearest known key is `chord.replicas`");
}

#[test]
fn unknown_variables_are_warnings_and_chord_cli_s_is_its_own() {
    let (_root, path) = file("");
    let environment =
        [("CHORD_PEER", "http://x:1"), ("CHORD_PORTS__GATEWY", "1"), ("PATH", "x"), ("CHORDS", "x")];
    let loaded = load(&sources(&path, &environment, &[])).unwrap();
    assert_eq!(loaded.warnings.len(), 1, "{:?}", loaded.warnings);
    assert!(loaded.warnings[0].contains("CHORD_PORTS__GATEWY"));
    assert!(loaded.warnings[0].contains("nearest known variable is CHORD_PORTS__GATEWAY"));
}

#[test]
fn a_wrong_value_names_its_origin_key_value_and_bound() {
    let (_root, path) = file("");
    for (origin, sources) in [
        ("environment CHORD_CHORD__REPLICAS", sources(&path, &[("CHORD_CHORD__REPLICAS", "99")], &[])),
        ("flag --set", sources(&path, &[], &[("--set", "chord.replicas", "99")])),
    ] {
        let error = load(&sources).unwrap_err().to_string();
        assert_eq!(error, format!("{origin}: `chord.replicas = \"99\"`: must be 1 to 33"));
    }
}

#[test]
fn files_that_are_missing_or_no_toml_are_named() {
    let error = check(Path::new("no/such.toml")).unwrap_err().to_string();
    assert!(error.contains("no/such.toml: there is no such file"), "{error}");
    let error = problems("name = 'x'\nports = [\nring ~ 1\n");
    assert!(error.contains("peer.toml: is not valid TOML") && error.contains("line 3"), "{error}");
    let (root, _path) = file("");
    assert!(check(root.path()).unwrap_err().to_string().contains("cannot be read"));
}

#[test]
fn every_error_of_a_file_is_found() {
    let text = problems(
        "friend = 'https://x:1'\nbackup_friend = 'x:1'\nring = 'Über'\nip = 'here'\n[ports]\nchord = 70000\n\
         [index]\nlease = '1s'\n[transfer]\nuploads = 'maybe'\n[log]\nlevel = 'chord_peer=loud'\nformat = 'xml'\n",
    );
    assert_eq!(text.lines().count(), 9, "{text}");
    for part in ["https is not spoken", "`ip = \"here\"`", "70000", "must be 3s to 1day", "`log.format"] {
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[test]
fn a_file_that_is_something_else_does_not_flood_the_terminal() {
    let text: String = (0..100).map(|n| format!("\"\\u001bkey{n}\" = 1\n")).collect();
    let text = problems(&text);
    assert_eq!(text.lines().count(), 21);
    assert!(text.ends_with("and 80 more: is this a configuration of chord-peer?"), "{text}");
    assert!(!text.contains('\u{1b}') && text.contains("\\u{1b}key"), "{text}");
}

#[test]
fn values_out_of_bounds_are_refused() {
    for (text, word) in [
        ("[ports]\ngateway = -1", "0 to 65535"),
        ("[ports]\ngateway = 1.5", "whole number"),
        ("[chord]\nsuccessors = 0", "1 to 32"),
        ("[chord]\nsuccessors = 2\nreplicas = 4", "at most 3"),
        ("[chord]\nstabilize = '1ms'", "50ms to 1m"),
        ("[chord]\nstabilize = 1", "unit"),
        ("[chord]\nstabilize = '5s'", "at least chord.stabilize, which is 5s"),
        ("[chord]\ncall_timeout = '5s'", "at least chord.call_timeout"),
        ("[chord]\nstabilize = '99999999999999999999y'", "duration"),
        ("[ports]\nchord = 5\ncatalog = 5", "ports.chord is the same"),
        ("[index]\nquota = 999", "1000 to 1000000000"),
        ("[index]\ncapacity = 1999999", "at least index.quota, which is 2000000"),
        ("[transfer]\nmax_upload_size = '10 elephants'", "10GiB"),
        ("[transfer]\nupload_quota = '-1'", "10GiB"),
        ("[transfer]\nmax_uploads = 0", "1 to 256"),
        ("[transfer]\nchunk = 1", "4096"),
        ("[gateway]\npublic_url = 'x'", "http://"),
        ("[gateway]\npublic_url = 'file:public_url'", "file:/srv/chordial/public_url"),
        ("[gateway]\nrequests_burst = 0", "1 to 1000000"),
        ("[grpc]\nmax_streams = 0", "1 to 65536"),
        ("[grpc]\nhalf_sent_timeout = '1h'", "100ms to 1m"),
        ("[log]\nlevel = ''", "level"),
        ("name = 'a/b'", "1 to 64"),
        ("name = \"a\\nb\"", "1 to 64"),
        ("ring = ''", "1 to 64"),
        ("directory = ''", "path"),
        ("advertise = '0.0.0.0'", "unspecified"),
        ("ports = 7300", "is a section"),
        ("[name]\nx = 1", "not a section"),
        ("name = ['a']", "not a list"),
    ] {
        let error = problems(text);
        assert!(error.contains(word), "{text}: {error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}

#[test]
fn ports_may_be_chosen_by_the_system() {
    let zero =
        [("ports.chord", "0"), ("ports.catalog", "0"), ("ports.transfer", "0"), ("ports.gateway", "0")];
    assert_eq!(PeerConfig::from_settings(&zero).unwrap().ports.gateway, 0);
}

#[test]
fn a_state_folder_inside_the_shared_directory_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let at = |path: &str| root.path().join(path).display().to_string();
    std::fs::create_dir_all(root.path().join("share")).unwrap();
    std::os::unix::fs::symlink(root.path().join("share"), root.path().join("link")).unwrap();
    for (directory, state, fits) in [
        ("share", "share/state", false),
        ("share", "share", false),
        ("share", "other/../share/x/state", false),
        ("share", "link/new/state", false),
        ("link", "share/state", false),
        ("share", "shared/state", true),
        ("share", "share/../state", true),
        ("state/share", "state", true),
    ] {
        let loaded = PeerConfig::from_settings(&[("directory", &at(directory)), ("state", &at(state))]);
        assert_eq!(loaded.is_ok(), fits, "{state} in {directory}");
        if let Err(error) = loaded {
            assert!(error.to_string().contains("lies inside the shared directory"), "{error}");
        }
    }
}

#[test]
fn peer_toml_shows_every_key_with_its_default() {
    let path = example("peer.toml");
    let defaults = PeerConfig::from_settings(&[]).unwrap();
    assert_eq!(without_origins(check(&path).unwrap()), without_origins(defaults));
    let document: toml::Table = std::fs::read_to_string(&path).unwrap().parse().unwrap();
    for key in KEYS {
        let value = match key.path.split_once('.') {
            Some((section, name)) => document.get(section).and_then(|section| section.get(name)),
            None => document.get(key.path),
        };
        let value = value.unwrap_or_else(|| panic!("{} is missing in peer.toml", key.path));
        let shown = match value {
            toml::Value::String(text) => text.clone(),
            toml::Value::Array(items) if items.is_empty() => String::new(),
            other => other.to_string(),
        };
        assert_eq!(shown, key.default, "{}", key.path);
        assert_eq!(value.is_array(), key.kind == Kind::List, "{}", key.path);
        let is_text = matches!(key.kind, Kind::Text | Kind::Duration | Kind::Size);
        assert_eq!(value.is_str(), is_text, "{}", key.path);
    }
}

#[test]
fn five_peers_fit_on_one_machine_and_know_each_other() {
    let peers: Vec<PeerConfig> = (1..=5).map(|n| check(&example(&format!("p{n}.toml"))).unwrap()).collect();
    let mut ports = std::collections::BTreeSet::new();
    for (n, peer) in peers.iter().enumerate() {
        assert_eq!(peer.name, format!("p{}", n + 1));
        assert!(peer.ip.is_loopback());
        for service in Service::ALL {
            assert!(ports.insert(peer.port(service)), "{service} of {} is taken", peer.name);
        }
        assert_eq!(peer.friend.is_none(), n == 0);
        for friend in peer.friends() {
            let known = peers.iter().any(|other| other.ports.chord == friend.port && other.name != peer.name);
            assert!(known && friend.host == "127.0.0.1", "{friend} of {}", peer.name);
        }
    }
    assert_eq!(peers[0].ports.chord, 7300);
}
