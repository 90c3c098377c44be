//! What a process uses of the machine.

/// What a process uses of the machine, as Linux tells.
#[derive(Debug, Clone, Copy)]
pub struct Usage {
    /// Its memory now, in bytes.
    pub resident: u64,
    /// The most memory that it has ever had, in bytes.
    pub peak: u64,
    /// Files and sockets that it has open.
    pub descriptors: usize,
}

/// What the process uses now; `None` on systems that do not tell in this way.
///
/// # Panics
/// Where the process has gone.
pub fn usage(process: u32) -> Option<Usage> {
    if !cfg!(target_os = "linux") {
        return None;
    }
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("the process runs");
    let bytes = |key: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(key)).expect("a line of memory");
        let kibibytes: u64 = line.trim_matches([' ', '\t', ':', 'k', 'B']).parse().expect("a number");
        kibibytes * 1024
    };
    let open = std::fs::read_dir(format!("/proc/{process}/fd")).expect("the process is ours");
    Some(Usage { resident: bytes("VmRSS"), peak: bytes("VmHWM"), descriptors: open.count() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_this_process_uses() {
        let before = usage(std::process::id());
        let file = std::fs::File::open("/dev/null").expect("a file");
        let room = vec![1_u8; 50 << 20];
        let (Some(before), Some(after)) = (before, usage(std::process::id())) else { return };
        assert!(after.resident >= before.resident + (40 << 20), "{before:?} {after:?}");
        assert!(after.peak >= after.resident && after.descriptors > 2, "{after:?}");
        drop((file, room));
    }
}
