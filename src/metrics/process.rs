//! Facts about this process, in Prometheus' text format.

use crate::metrics::text::Text;
use crate::time::Ts;

/// None: the system does not show it.
#[derive(Clone, Copy, Debug)]
pub struct Process {
    pub started: Ts,
    pub resident_bytes: Option<u64>,
    pub threads: Option<u64>,
    pub open_files: Option<u64>,
    /// the limit of open files
    pub max_files: Option<u64>,
}

impl Process {
    pub(super) fn write(self, out: &mut Text) {
        out.about("process_start_time_seconds", "gauge", "Start of the process in seconds since 1970");
        out.sample("process_start_time_seconds", &[], self.started.micros() as f64 / 1e6);
        for (name, help, value) in [
            ("process_resident_memory_bytes", "Resident memory in bytes", self.resident_bytes),
            ("process_threads", "Threads of the process", self.threads),
            ("process_open_fds", "Open file descriptors", self.open_files),
            ("process_max_fds", "The most file descriptors that may be open", self.max_files),
        ] {
            if let Some(value) = value {
                out.about(name, "gauge", help);
                out.sample(name, &[], value as f64);
            }
        }
    }
}
