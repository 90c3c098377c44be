//! This process: the time, memory and files that it uses, by the names that all Prometheus clients give them. What
//! the system does not tell is not shown.

use std::time::{SystemTime, UNIX_EPOCH};

use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Registry, Unit};
use rustix::process::{Resource, getrlimit};
use rustix::time::{ClockId, clock_gettime};

use crate::config::Service;

/// What is known of it from its start on.
#[derive(Debug)]
pub(super) struct Process {
    /// The value of the label `process`: the services in it, or "peer" where all are.
    name: String,
    /// Since 1970.
    started_seconds: f64,
}

impl Process {
    pub(super) fn of(services: &[Service]) -> Process {
        let names: Vec<&str> = services.iter().map(|service| service.name()).collect();
        let name = if names.len() == Service::ALL.len() { "peer".to_owned() } else { names.join("+") };
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Process { name, started_seconds: since.as_secs_f64() }
    }

    /// How it is now.
    pub(super) fn now(&self) -> Registry {
        let label = [("process".into(), self.name.clone().into())];
        let mut registry = Registry::with_labels(label.into_iter());
        let cpu = clock_gettime(ClockId::ProcessCPUTime);
        let cpu = ConstCounter::new(cpu.tv_sec as f64 + cpu.tv_nsec as f64 / 1e9);
        registry.register_with_unit(
            "process_cpu",
            "Time that all of its threads have computed",
            Unit::Seconds,
            cpu,
        );
        let started = ConstGauge::new(self.started_seconds);
        registry.register_with_unit(
            "process_start_time",
            "When it started, since 1970",
            Unit::Seconds,
            started,
        );
        let Used { resident, virtual_memory, threads } = Used::now();
        let mut bytes = |name: &str, help: &str, value: Option<u64>| {
            if let Some(value) = value {
                registry.register_with_unit(name, help, Unit::Bytes, ConstGauge::new(super::shown(value)));
            }
        };
        bytes("process_resident_memory", "Memory that it has in use", resident);
        bytes("process_virtual_memory", "Memory that it has addresses for", virtual_memory);
        let mut number = |name: &str, help: &str, value: Option<u64>| {
            if let Some(value) = value {
                registry.register(name, help, ConstGauge::new(super::shown(value)));
            }
        };
        number("process_threads", "Its threads", threads);
        number("process_open_fds", "Files and connections that it has open", open_files());
        number("process_max_fds", "As many as it may have", getrlimit(Resource::Nofile).current);
        registry
    }
}

/// Files and connections that this process has open; none where the system does not tell.
pub fn open_files() -> Option<u64> {
    let entries = std::fs::read_dir("/proc/self/fd").ok()?;
    // Without the one of the folder itself.
    Some((entries.count() as u64).saturating_sub(1))
}

/// Memory that this process has in use, in bytes; none where the system does not tell.
pub fn resident_memory() -> Option<u64> {
    Used::now().resident
}

/// What Linux tells of it.
#[derive(Debug, Default)]
struct Used {
    resident: Option<u64>,
    virtual_memory: Option<u64>,
    threads: Option<u64>,
}

impl Used {
    fn now() -> Used {
        std::fs::read_to_string("/proc/self/status")
            .map_or_else(|_| Used::default(), |text| Used::read(&text))
    }

    fn read(status: &str) -> Used {
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.split_whitespace().next()?.parse::<u64>().ok()
        };
        Used {
            resident: field("VmRSS:").map(|kib| kib * 1024),
            virtual_memory: field("VmSize:").map(|kib| kib * 1024),
            threads: field("Threads:"),
        }
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode_registry;

    use super::*;

    #[test]
    fn what_the_system_tells_is_read() {
        let used = Used::read("Name:\tx\nVmSize:\t  2 kB\nVmRSS:\t  1 kB\nThreads:\t3\n");
        assert_eq!((used.resident, used.virtual_memory, used.threads), (Some(1024), Some(2048), Some(3)));
        assert_eq!(Used::read("VmRSS:\tmuch\n").resident, None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_lives_and_uses_something() {
        let process = Process::of(&Service::ALL);
        let mut text = String::new();
        encode_registry(&mut text, &process.now()).unwrap();
        for name in [
            "process_cpu_seconds_total",
            "process_start_time_seconds",
            "process_resident_memory_bytes",
            "process_virtual_memory_bytes",
            "process_threads",
            "process_open_fds",
            "process_max_fds",
        ] {
            let start = format!("{name}{{process=\"peer\"}} ");
            let value = text.lines().find_map(|line| line.strip_prefix(&start));
            assert!(value.is_some_and(|value| value.parse::<f64>().unwrap() > 0.0), "{name} in:\n{text}");
        }
    }
}
