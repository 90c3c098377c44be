//! What figures were measured on, and what this process has used of it.

use std::fs::read_to_string;
use std::time::Duration;

/// The processor, how much of it there is, and the system.
pub fn description() -> String {
    let cores = std::thread::available_parallelism().map_or(0, |cores| cores.get());
    let model = field("/proc/cpuinfo", "model name").unwrap_or("of unknown make".into());
    let memory =
        field("/proc/meminfo", "MemTotal").and_then(|size| size.split(' ').next()?.parse::<u64>().ok());
    let memory = memory.map_or(String::new(), |kib| format!(", {} GiB", kib.div_ceil(1 << 20)));
    let kernel = read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{cores} cores, {model}{memory}, {} {}", std::env::consts::OS, kernel.trim())
}

/// When, of which sources, and how busy the machine was.
pub fn circumstances() -> String {
    let output = |program: &str, args: &[&str]| {
        let output = std::process::Command::new(program).args(args).output().ok();
        let output = output.filter(|output| output.status.success());
        output
            .map_or("unknown".to_owned(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let sources = env!("CARGO_MANIFEST_DIR");
    let load = read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or_default();
    format!(
        "{}, commit {}; load of the machine before: {load}",
        output("date", &["+%F %H:%M"]),
        output("git", &["-C", sources, "describe", "--always", "--dirty", "--exclude=*"])
    )
}

fn field(file: &str, name: &str) -> Option<String> {
    let file = read_to_string(file).ok()?;
    file.lines().find_map(|line| Some(line.strip_prefix(name)?.split_once(':')?.1.trim().to_owned()))
}

/// Bytes of memory that this process has resident; 0 where the system does not tell.
pub fn resident() -> u64 {
    let size = field("/proc/self/status", "VmRSS");
    size.and_then(|size| size.split(' ').next()?.parse::<u64>().ok()).unwrap_or_default() * 1024
}

/// Time that this process has spent on all processors together; zero where the system does not tell.
pub fn processor_time() -> Duration {
    /// Linux counts it in hundredths of a second.
    const TICK: Duration = Duration::from_millis(10);
    let stat = read_to_string("/proc/self/stat").unwrap_or_default();
    // The second field, in brackets, may hold anything.
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    let ticks = fields.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u32>().ok());
    TICK * ticks.sum::<u32>()
}
