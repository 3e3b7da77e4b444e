//! Which runs are trained together: those of one shape, as many as fit.

use std::collections::HashMap;
use std::sync::Arc;

use crate::model::pack::{StepValues, packing_obstacle};
use crate::plan::Run;
use crate::spec::{ModelSpec, PackSize, TrainingSpec};
use crate::system::device::Placement;
use crate::train::PackRoom;

/// Runs that `pack = "auto"` trains together at most.
const MOST_RUNS: usize = 64;

/// Kind of the event that a run starts in a pack.
pub const PACKED: &str = "packed";

/// Whether a run is trained with others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packing {
    /// With runs of the same shape, so many at most.
    Together {
        /// What runs of one pack have in common.
        shape: Arc<str>,
        /// Runs of a pack at most.
        most: usize,
    },
    /// Alone, and why.
    Alone(&'static str),
}

impl Packing {
    /// What becomes of a run whose search judges it after these epochs.
    pub fn of(run: &Run, rungs: &[usize], size: PackSize, room: PackRoom) -> Self {
        if let Some(obstacle) = packing_obstacle(&run.spec.model) {
            return Self::Alone(obstacle);
        }
        let most = most_that_fit(run, size, room);
        if most < 2 {
            return Self::Alone("two of its shape do not fit");
        }
        Self::Together { shape: shape(run, rungs).into(), most }
    }
}

/// Lanes of a slot: the runs that it trains together at most.
pub fn lanes(placement: Placement, size: PackSize) -> usize {
    match (size, placement) {
        (PackSize::Runs(runs), _) => runs,
        // The fused kernels of the CPU are faster one run at a time.
        (PackSize::Auto, Placement::Cpu) => 1,
        (PackSize::Auto, Placement::Cuda(_) | Placement::Wgpu) => MOST_RUNS,
    }
}

/// A given number is limited by the adapter's largest tensor only.
fn most_that_fit(run: &Run, size: PackSize, room: PackRoom) -> usize {
    let values = StepValues::of(&run.spec.model, run.shape, run.spec.training.batch_size);
    let fitting = |values: usize, bytes: u64| {
        let each = values.saturating_mul(size_of::<f32>()).max(1) as u64;
        usize::try_from(bytes / each).unwrap_or(usize::MAX)
    };
    let wanted = match size {
        PackSize::Runs(runs) => runs,
        PackSize::Auto => MOST_RUNS.min(fitting(values.kept, room.step_bytes)),
    };
    wanted.min(fitting(values.largest, room.tensor_bytes)).max(1)
}

/// What runs of one pack have in common: everything but their seeds, how they descend, and dropout.
fn shape(run: &Run, rungs: &[usize]) -> String {
    let mut spec = run.spec.clone();
    let TrainingSpec {
        optimizer,
        learning_rate,
        weight_decay,
        schedule,
        early_stopping_patience,
        gradient_clip_norm,
        ..
    } = TrainingSpec::default();
    spec.training = TrainingSpec {
        optimizer,
        learning_rate,
        weight_decay,
        schedule,
        early_stopping_patience,
        gradient_clip_norm,
        ..spec.training
    };
    match &mut spec.model {
        ModelSpec::Lstm(model) | ModelSpec::Gru(model) => model.dropout = 0.0,
        ModelSpec::TsMixer(model) => model.dropout = 0.0,
        ModelSpec::Tcn(model) => model.dropout = 0.0,
        _ => {}
    }
    format!("{} fold {} of {}, judged after {rungs:?}", spec.params(), run.fold, run.dataset_sha256)
}

/// What is packed of a plan, in words, one line for each kind of model that differs: nothing where no slot takes packs.
pub fn packing_lines<'a>(
    runs: impl IntoIterator<Item = (&'a Run, &'a [usize])>,
    placement: Placement,
    size: PackSize,
    room: PackRoom,
) -> Vec<String> {
    if lanes(placement, size) < 2 {
        return Vec::new();
    }
    let mut shapes: Vec<(Arc<str>, &'static str, usize, usize)> = Vec::new();
    let mut alone: Vec<(&'static str, &'static str, usize)> = Vec::new();
    for (run, rungs) in runs {
        let kind = run.spec.model.kind();
        match Packing::of(run, rungs, size, room) {
            Packing::Together { shape, most } => match shapes.iter_mut().find(|(own, ..)| *own == shape) {
                Some((_, _, count, _)) => *count += 1,
                None => shapes.push((shape, kind, 1, most)),
            },
            Packing::Alone(why) => {
                match alone.iter_mut().find(|(own, reason, _)| *own == kind && *reason == why) {
                    Some((_, _, count)) => *count += 1,
                    None => alone.push((kind, why, 1)),
                }
            }
        }
    }
    let runs_of = |count: usize| if count == 1 { "1 run".to_string() } else { format!("{count} runs") };
    let together = shapes.into_iter().map(|(_, kind, count, most)| {
        let why = match size {
            PackSize::Runs(wanted) if most < wanted => ", since the adapter takes no larger tensor",
            _ => "",
        };
        match count {
            1 => format!("1 run of {kind} alone: no other has its shape"),
            _ => format!("{} of {kind} together, at most {most} at once{why}", runs_of(count)),
        }
    });
    let alone =
        alone.into_iter().map(|(kind, why, count)| format!("{} of {kind} alone: {why}", runs_of(count)));
    let mut lines: Vec<(String, usize)> = Vec::new();
    for line in together.chain(alone) {
        match lines.iter_mut().find(|(known, _)| *known == line) {
            Some((_, times)) => *times += 1,
            None => lines.push((line, 1)),
        }
    }
    let told = lines.into_iter().map(|(line, times)| match times {
        1 => line,
        _ => format!("{times} times {line}"),
    });
    told.collect()
}

/// What is known of the runs of the plan.
#[derive(Debug, Default)]
pub struct Packings(pub(super) HashMap<usize, Packing>);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::test_runs::run;

    #[test]
    fn a_cpu_takes_packs_only_when_a_number_is_given() {
        assert_eq!(lanes(Placement::Cpu, PackSize::Auto), 1);
        assert_eq!(lanes(Placement::Cpu, PackSize::Runs(4)), 4);
        assert_eq!(lanes(Placement::Wgpu, PackSize::Runs(1)), 1);
        assert_eq!(lanes(Placement::Cuda(1), PackSize::Auto), MOST_RUNS);
    }

    /// Of a GPU of which nothing is known.
    fn fit(run: &Run) -> usize {
        most_that_fit(run, PackSize::Auto, PackRoom::default())
    }

    #[test]
    fn a_wide_table_makes_small_packs() {
        let mut wide = run("[models.linear]", 1, 1);
        wide.spec.training.batch_size = 256;
        assert_eq!(fit(&wide), MOST_RUNS);
        (wide.shape.channels, wide.shape.targets) = (2000, 2000);
        let linear = fit(&wide);
        assert!((1..8).contains(&linear), "{linear}");
        wide.shape.horizon = 96;
        assert!(fit(&wide) < linear, "far forecasts take room too");
    }

    #[test]
    fn small_batches_count_as_those_of_validation() {
        let mut small = run("[models.lstm]\nhidden = 256\nlayers = 2", 1, 1);
        small.shape.lookback = 200;
        let mut of = |batch_size| {
            small.spec.training.batch_size = batch_size;
            fit(&small)
        };
        assert!(of(64) < MOST_RUNS);
        assert_eq!(of(1), of(64));
    }

    #[test]
    fn weights_take_room_too() {
        let mut wide = run("[models.lstm]\nhidden = 1024\nlayers = 2", 1, 1);
        (wide.shape.lookback, wide.spec.training.batch_size) = (8, 64);
        let of = |step_bytes, tensor_bytes| {
            most_that_fit(&wide, PackSize::Auto, PackRoom { step_bytes, tensor_bytes })
        };
        // Some 13 million weights, six times over.
        assert!((4..7).contains(&of(2 << 30, u64::MAX)), "{}", of(2 << 30, u64::MAX));
        assert_eq!(of(u64::MAX, 128 << 20), 2, "a row of weights is a tensor");
        let mut dilated = run("[models.tcn]\nhidden = 64\nkernel = 3\nblocks = 8", 1, 1);
        let short = fit(&dilated);
        dilated.shape.lookback *= 2;
        assert!(short <= MOST_RUNS && fit(&dilated) <= short);
    }

    #[test]
    fn a_larger_gpu_takes_larger_packs_unless_a_tensor_gets_too_large_for_it() {
        let mut large = run("[models.lstm]\nhidden = 256", 1, 1);
        large.shape.lookback = 200;
        large.spec.training.batch_size = 256;
        let with = |size, step_bytes, tensor_bytes| {
            most_that_fit(&large, size, PackRoom { step_bytes, tensor_bytes })
        };
        let of = |step_bytes, tensor_bytes| with(PackSize::Auto, step_bytes, tensor_bytes);
        let (small, all) = (2 << 30, u64::MAX);
        assert!(of(small, all) < of(20 << 30, all));
        // The gates of all steps: 200 steps, 256 windows and 1024 values, of four bytes.
        assert_eq!(of(all, 1 << 30), 5);
        assert_eq!(of(all, 128 << 20), 1);
        let ninety_six = |tensor_bytes| with(PackSize::Runs(96), small, tensor_bytes);
        assert_eq!(ninety_six(all), 96, "how much memory that takes is up to who asks for it");
        assert_eq!(ninety_six(1 << 30), 5, "but the adapter takes no larger tensor");
        let room = PackRoom { step_bytes: small, tensor_bytes: 1 << 30 };
        let lines = packing_lines([(&large, &[][..]); 2], Placement::Wgpu, PackSize::Runs(96), room);
        let told = "2 runs of lstm together, at most 5 at once, since the adapter takes no larger tensor";
        assert_eq!(lines, [told]);
    }
}
