//! Figures of this process, by the names every Prometheus client uses.

#[cfg(target_os = "linux")]
use crate::metrics::Kind;
use crate::metrics::PromText;

/// Writes them; nothing where `/proc` is missing.
#[cfg(target_os = "linux")]
pub(crate) fn write(text: &mut PromText) {
    let Ok(process) = procfs::process::Process::myself() else {
        return;
    };
    let Ok(stat) = process.stat() else {
        return;
    };
    let ticks = procfs::ticks_per_second() as f64;
    let gauges = [
        (
            "process_resident_memory_bytes",
            "Resident memory size in bytes.",
            Some((stat.rss * procfs::page_size()) as f64),
        ),
        (
            "process_virtual_memory_bytes",
            "Virtual memory size in bytes.",
            Some(stat.vsize as f64),
        ),
        (
            "process_threads",
            "Number of threads.",
            Some(stat.num_threads as f64),
        ),
        (
            "process_open_fds",
            "Number of open file descriptors.",
            process.fd_count().ok().map(|n| n as f64),
        ),
        (
            "process_start_time_seconds",
            "Start time of the process since unix epoch in seconds.",
            procfs::boot_time_secs()
                .ok()
                .map(|boot| boot as f64 + stat.starttime as f64 / ticks),
        ),
    ];
    text.family(
        "process_cpu_seconds_total",
        Kind::Counter,
        "Total user and system CPU time spent in seconds.",
    )
    .sample(&[], (stat.utime + stat.stime) as f64 / ticks);
    for (name, help, value) in gauges {
        if let Some(value) = value {
            text.family(name, Kind::Gauge, help).sample(&[], value);
        }
    }
}

/// Writes them; nothing where `/proc` is missing.
#[cfg(not(target_os = "linux"))]
pub(crate) fn write(_text: &mut PromText) {}
