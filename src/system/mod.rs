//! What the machine says: its devices, its memory, and which processes live, and whether the user asked to stop.

pub mod device;
pub mod interrupt;
pub mod memory;
pub mod process;
