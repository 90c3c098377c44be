//! What the system gives the peer's process.

use chordial_proto::chord_v1::{DiagnoseResponse, Folder, Limits, Memory, OpenFiles, Watches};

use super::{CheckView, Judged, check, ok, problem, unknown, warning};

const AREA: &str = "limits";
const MIB: u64 = 1 << 20;
/// A disk with less is full.
const FULL: u64 = 16 * MIB;
/// A disk with less, and less than a twentieth of its size, is nearly full.
const SCARCE: u64 = 1024 * MIB;
/// Services of a peer.
const SERVICES: usize = 4;

pub(super) fn checks(facts: &DiagnoseResponse) -> Vec<CheckView> {
    let limits = facts.limits.clone().unwrap_or_default();
    let files = limits.open_files.unwrap_or_default();
    let mut checks = vec![
        check(
            AREA,
            "open files",
            "Every connection and every file that is sent takes one.",
            open_files(&files, &limits.services),
        ),
        check(
            AREA,
            "watches",
            "Through inotify the catalog hears at once of files that change; it takes a watch for each folder.",
            watches(&limits),
        ),
    ];
    for folder in &limits.folders {
        let (name, why) = match &*folder.key {
            "state" => {
                ("state folder", "The peer's identity and the peers that it remembers are written there.")
            }
            _ => ("shared directory", "The files that this peer shares, and uploads, lie there."),
        };
        let written = folder.key == "state" || facts.uploads;
        checks.push(check(AREA, name, why, self::folder(folder, written)));
    }
    let why = "A process that needs more than its control group may have is ended by the system.";
    checks.push(check(AREA, "memory", why, memory(limits.memory.as_ref(), &limits.system)));
    checks
}

/// `a` of `b` is more than nine tenths.
fn is_nearly(a: u64, b: u64) -> bool {
    a > b / 10 * 9
}

fn open_files(files: &OpenFiles, services: &[String]) -> Judged {
    let OpenFiles { soft, hard, open, needed } = *files;
    let of = |limit: u64| if limit == 0 { "unlimited".to_owned() } else { limit.to_string() };
    let mut found =
        format!("{open} open of {} (hard limit {}); its configuration may need {needed}", of(soft), of(hard));
    if services.len() < SERVICES {
        found = format!("{found}; of the process with {} only", services.join(" and "));
    }
    let remedy = format!(
        "start it with a higher hard limit: `LimitNOFILE={wanted}` in its systemd unit, `ulimit -n {wanted}` in the \
         shell before, `--ulimit nofile={wanted}` of docker; or lower `gateway.max_connections` and \
         `grpc.max_connections`",
        wanted = needed.max(10_240)
    );
    if soft == 0 {
        ok(found)
    } else if is_nearly(open, soft) {
        problem(format!("{found}; nearly all are used"), remedy)
    } else if soft < needed {
        warning(found, remedy)
    } else {
        ok(found)
    }
}

fn watches(limits: &Limits) -> Judged {
    let Some(watches) = &limits.watches else {
        return match (&*limits.system, limits.services.iter().any(|service| service == "catalog")) {
            ("linux", true) => unknown("the system does not tell", "see whether /proc can be read there"),
            ("linux", false) => {
                unknown("the catalog runs in another process", "look at the log of the catalog's process")
            }
            (system, _) => ok(format!("not applicable: {system} has no inotify")),
        };
    };
    let Watches { instances, watches, max_instances, max_watches, rescan_seconds } = *watches;
    let found = format!(
        "folders watched: {watches} of {max_watches}; instances: {instances} of {max_instances} (that all programs of \
         this user may have)"
    );
    let late = format!("changes may be noticed only at the next scan, every {rescan_seconds} s");
    let more = |key: &str, now: u64| {
        format!(
            "`sysctl fs.inotify.{key}={}`, and the same line in /etc/sysctl.d/; then restart the peer",
            now.max(64) * 4
        )
    };
    if instances == 0 {
        warning(format!("{found}; {late}"), more("max_user_instances", max_instances))
    } else if watches == 0 || is_nearly(watches, max_watches) {
        warning(format!("{found}; {late}"), more("max_user_watches", max_watches))
    } else {
        ok(found)
    }
}

/// A folder; `written`: the peer has to write there.
fn folder(folder: &Folder, written: bool) -> Judged {
    let Folder { key, path, problem: trouble, free, total } = folder;
    if !trouble.is_empty() {
        return problem(
            format!("{path}: {trouble}"),
            format!(
                "give the peer's user the right to it (`chown`, `chmod`), mount its disk, or set `{key}` to another \
                 folder"
            ),
        );
    }
    if *total == 0 {
        return unknown(
            format!("{path}: the system does not tell what is free"),
            format!("`df {path}` there"),
        );
    }
    let found = format!("{path}: {} of {} are free", size(*free), size(*total));
    let remedy = format!("make room on that disk, or set `{key}` to a folder on another one");
    if written && *free < FULL {
        problem(format!("{found}; it is full"), remedy)
    } else if written && *free < SCARCE && *free < total / 20 {
        warning(found, remedy)
    } else {
        ok(found)
    }
}

fn memory(memory: Option<&Memory>, system: &str) -> Judged {
    let Some(Memory { limit, used, resident }) = memory else {
        return match system {
            "linux" => unknown("the system does not tell", "see whether /proc and /sys can be read there"),
            system => ok(format!("not applicable: {system} has no control groups")),
        };
    };
    let resident = format!("the process has {} in use", size(*resident));
    if *limit == 0 {
        return ok(format!("{resident}; its control group has no limit"));
    }
    let found = format!("{resident}, its control group {} of {}", size(*used), size(*limit));
    match is_nearly(*used, *limit) {
        true => warning(found, "give it more: `MemoryMax=` in its systemd unit, `--memory` of docker"),
        false => ok(found),
    }
}

fn size(bytes: u64) -> String {
    match bytes {
        0..MIB => format!("{} KiB", bytes >> 10),
        MIB..SCARCE => format!("{} MiB", bytes >> 20),
        _ => format!("{:.1} GiB", bytes as f64 / SCARCE as f64),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Outcome;
    use super::*;

    fn remedy(judged: &Judged) -> &str {
        judged.remedy.as_deref().unwrap_or_default()
    }

    #[test]
    fn too_few_files_are_a_warning_and_none_left_a_problem() {
        let all = ["chord", "catalog", "transfer", "gateway"].map(str::to_owned);
        let judged = |soft, open| open_files(&OpenFiles { soft, hard: soft, open, needed: 5_000 }, &all);
        assert_eq!(judged(10_240, 50).outcome, Outcome::Ok);
        assert_eq!(judged(0, 50).outcome, Outcome::Ok);
        let few = judged(256, 50);
        assert_eq!(few.outcome, Outcome::Warning);
        assert!(
            remedy(&few).contains("LimitNOFILE=10240") && few.found.contains("50 open of 256"),
            "{few:?}"
        );
        assert!(!few.found.contains("only"), "{few:?}");
        assert_eq!(judged(256, 250).outcome, Outcome::Problem);
        let apart = open_files(&OpenFiles { soft: 256, ..OpenFiles::default() }, &all[..1]);
        assert!(apart.found.ends_with("of the process with chord only"), "{apart:?}");
    }

    #[test]
    fn watches_that_are_missing_or_run_out_are_named_by_their_sysctl() {
        let judged = |instances, watches| {
            let most = (128, 1_000);
            let watches = Watches {
                instances,
                watches,
                max_instances: most.0,
                max_watches: most.1,
                rescan_seconds: 60,
            };
            self::watches(&Limits { watches: Some(watches), system: "linux".to_owned(), ..Limits::default() })
        };
        assert_eq!(judged(1, 12).outcome, Outcome::Ok);
        for (instances, used, key) in [
            (0, 0, "fs.inotify.max_user_instances=512"),
            (1, 0, "fs.inotify.max_user_watches=4000"),
            (1, 950, "fs.inotify.max_user_watches=4000"),
        ] {
            let judged = judged(instances, used);
            assert_eq!(judged.outcome, Outcome::Warning);
            assert!(remedy(&judged).contains(key) && judged.found.contains("every 60 s"), "{judged:?}");
        }
        let none = |system: &str, services: &[&str]| {
            let services = services.iter().map(|&service| service.to_owned()).collect();
            self::watches(&Limits { system: system.to_owned(), services, ..Limits::default() }).outcome
        };
        assert_eq!(none("macos", &["catalog"]), Outcome::Ok);
        assert_eq!(none("linux", &["chord"]), Outcome::Unknown);
        assert_eq!(none("linux", &["catalog"]), Outcome::Unknown);
    }

    #[test]
    fn folders_need_room_where_they_are_written() {
        let judged = |trouble: &str, free, total, written| {
            let (key, path) = ("state".to_owned(), "/var/lib/p1".to_owned());
            let facts = Folder { key, path, problem: trouble.to_owned(), free, total };
            folder(&facts, written)
        };
        assert_eq!(judged("", 50 * SCARCE, 100 * SCARCE, true).outcome, Outcome::Ok);
        assert_eq!(judged("", 100 * MIB, 100 * SCARCE, true).outcome, Outcome::Warning);
        assert_eq!(
            judged("", 100 * MIB, 100 * SCARCE, false).outcome,
            Outcome::Ok,
            "nothing is written there"
        );
        assert_eq!(judged("", MIB, 100 * SCARCE, true).outcome, Outcome::Problem);
        assert_eq!(judged("", 0, 0, true).outcome, Outcome::Unknown);
        let broken = judged("it cannot be written: read-only", 0, 0, true);
        assert_eq!(broken.outcome, Outcome::Problem);
        assert!(remedy(&broken).contains("`state`") && broken.found.contains("read-only"), "{broken:?}");
    }

    #[test]
    fn memory_is_judged_against_the_groups_limit() {
        let judged = |limit, used| memory(Some(&Memory { limit, used, resident: MIB }), "linux").outcome;
        assert_eq!((judged(0, 0), judged(1_000, 500)), (Outcome::Ok, Outcome::Ok));
        assert_eq!(judged(1_000, 950), Outcome::Warning);
        assert_eq!(memory(None, "linux").outcome, Outcome::Unknown);
        assert_eq!(memory(None, "macos").outcome, Outcome::Ok);
    }
}
