//! How much of a device a pack may take.

use super::device::{ComputeDevice, GpuLimits};
use crate::system::device::Placement;
use crate::system::gpu_memory;

/// Memory for the values of a training step where nobody tells how much a GPU has. Most have several times as much.
const UNKNOWN_STEP_BYTES: u64 = 2 << 30;

/// A training step gets one part in so many of a GPU's memory: the values that it keeps are known roughly, the optimizer and
/// the best weights come on top, and the runtime holds blocks back that it has freed.
const PARTS_OF_MEMORY: u64 = 4;

/// What a pack may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PackRoom {
    /// Bytes of the values that a training step keeps, in a pack of automatic size.
    pub step_bytes: u64,
    /// Bytes of the largest tensor.
    pub tensor_bytes: u64,
}

impl Default for PackRoom {
    fn default() -> Self {
        Self::within(GpuLimits::default(), 1)
    }
}

impl PackRoom {
    /// The room that every GPU of these slots has: slots of one GPU share it.
    pub fn of(slots: &[Placement]) -> Self {
        Self::by(slots, limits)
    }

    fn by(slots: &[Placement], limits: impl Fn(Placement) -> GpuLimits) -> Self {
        let mut smallest = Self { step_bytes: u64::MAX, tensor_bytes: u64::MAX };
        for (at, placement) in slots.iter().enumerate() {
            if *placement == Placement::Cpu || slots[..at].contains(placement) {
                continue;
            }
            let sharers = slots.iter().filter(|other| *other == placement).count() as u64;
            let own = Self::within(limits(*placement), sharers);
            smallest.step_bytes = smallest.step_bytes.min(own.step_bytes);
            smallest.tensor_bytes = smallest.tensor_bytes.min(own.tensor_bytes);
        }
        if smallest.step_bytes == u64::MAX { Self::default() } else { smallest }
    }

    fn within(limits: GpuLimits, sharers: u64) -> Self {
        let whole = limits.memory_bytes.map_or(UNKNOWN_STEP_BYTES, |bytes| bytes / PARTS_OF_MEMORY);
        Self { step_bytes: whole / sharers, tensor_bytes: limits.tensor_bytes.unwrap_or(u64::MAX) }
    }
}

fn limits(placement: Placement) -> GpuLimits {
    match placement {
        Placement::Cpu => GpuLimits::default(),
        Placement::Cuda(index) => {
            GpuLimits { memory_bytes: gpu_memory::nvidia_bytes(&index.to_string()), tensor_bytes: None }
        }
        Placement::Wgpu => ComputeDevice::wgpu_limits(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_gets_a_quarter_of_the_memory_which_the_slots_of_a_gpu_share() {
        let limits = GpuLimits { memory_bytes: Some(80 << 30), tensor_bytes: Some(2 << 30) };
        assert_eq!(PackRoom::within(limits, 1), PackRoom { step_bytes: 20 << 30, tensor_bytes: 2 << 30 });
        assert_eq!(PackRoom::within(limits, 4).step_bytes, 5 << 30);
        let unknown = PackRoom::within(GpuLimits::default(), 1);
        assert_eq!(unknown, PackRoom { step_bytes: 2 << 30, tensor_bytes: u64::MAX });
        assert_eq!(PackRoom::of(&[Placement::Cpu]), unknown);
    }

    #[test]
    fn a_pack_fits_every_gpu_and_leaves_room_for_the_other_slots_of_it() {
        let limits = |placement: Placement| {
            let gibibytes = if placement == Placement::Cuda(0) { 80 } else { 24 };
            GpuLimits { memory_bytes: Some(gibibytes << 30), tensor_bytes: None }
        };
        let step_bytes = |slots: &[Placement]| PackRoom::by(slots, limits).step_bytes;
        let (large, small) = (Placement::Cuda(0), Placement::Cuda(1));
        assert_eq!(step_bytes(&[large, large, Placement::Cpu]), 10 << 30);
        assert_eq!(step_bytes(&[large, large, small]), 6 << 30);
        assert_eq!(step_bytes(&[large, small, small, small]), 2 << 30);
    }
}
