//! What the machine says: its devices, its memory, which processes live, and whether the user asked to stop; the exit codes.

pub mod device;
pub mod exit_code;
pub mod gpu_memory;
pub mod interrupt;
pub mod memory;
pub mod process;

/// The name of this machine, where the system tells it.
pub fn host_name() -> Option<String> {
    sysinfo::System::host_name()
}
