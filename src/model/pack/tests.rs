//! A run in a pack against the same run alone.

use std::ops::ControlFlow;

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::*;
use crate::dataset::{Channel, ChannelScale, ScaledSteps, Scaler, StepTimes, Transform, Windows};
use crate::spec::{
    BiasCorrection, DlinearSpec, LinearSpec, Loss, Optimizer, RecurrentSpec, Schedule, TcnSpec, TrainingSpec,
    TsMixerSpec,
};
use crate::stats::Stream;
use crate::train::{Epoch, FitError};

const LOOKBACK: usize = 6;
const HORIZON: usize = 2;
const TARGETS: usize = 2;
const STEPS: usize = 140;
const TRAIN: std::ops::Range<usize> = LOOKBACK..90;
const VALID: std::ops::Range<usize> = 92..136;

/// Two waves with noise, and a channel of noise that is no target.
fn steps() -> ScaledSteps {
    let mut stream = Stream::sampling(5);
    let mut inputs = Vec::new();
    let mut targets = Vec::new();
    for step in 0..STEPS {
        let wave = |period: f32| (step as f32 / period).sin();
        let noise = stream.uniform(3, 0.5);
        let own = [wave(4.0) + noise[0], wave(9.0) + noise[1]];
        targets.extend(own);
        inputs.extend([own[0], own[1], noise[2]]);
    }
    ScaledSteps { inputs: inputs.into(), targets: targets.into(), channels: 3, target_count: TARGETS }
}

fn scaler() -> Scaler {
    let channel = |name: &str| ChannelScale {
        channel: Channel { name: name.to_string(), unit: String::new(), transform: Transform::Identity },
        mean: 0.0,
        mean_rest: 0.0,
        std: 1.0,
        constant: false,
        clip: None,
    };
    Scaler { channels: ["a", "b", "c"].map(channel).to_vec(), fitted: TRAIN }
}

fn fit_data<'a>(steps: &'a ScaledSteps, scaler: &'a Scaler) -> FitData<'a> {
    let windows = |origins| Windows { steps, times: StepTimes::default(), origins, horizon: HORIZON };
    FitData { train: windows(TRAIN), valid: windows(VALID), train_steps: TRAIN, scaler }
}

fn context<'a>(
    training: &'a TrainingSpec,
    seed: u64,
    scaler: &'a Scaler,
    device: &'a ComputeDevice,
) -> BuildContext<'a> {
    BuildContext {
        shape: Shape {
            lookback: LOOKBACK,
            horizon: HORIZON,
            channels: 3,
            targets: TARGETS,
            heads: training.loss.heads(),
        },
        training,
        seed,
        device,
        scales: &scaler.channels,
        correction: BiasCorrection::None,
        members: Vec::new(),
    }
}

/// What came of a training: its epochs, and what was learned.
#[derive(Debug, Default)]
struct TrainedMember {
    epochs: Vec<Epoch>,
    outcome: Option<Result<Parameters, FitError>>,
}

impl TrainedMember {
    fn parameters(&self) -> &Parameters {
        self.outcome.as_ref().unwrap().as_ref().unwrap()
    }
}

#[derive(Debug, Clone)]
struct RandomMember {
    spec: ModelSpec,
    training: TrainingSpec,
    seed: u64,
}

fn alone(run: &RandomMember, data: &FitData<'_>, scaler: &Scaler) -> TrainedMember {
    let device = ComputeDevice::cpu();
    let context = context(&run.training, run.seed, scaler, &device);
    let mut model = build_unbounded(&run.spec, &context, Vec::new());
    let mut epochs = Vec::new();
    let outcome = model.fit(data, &mut |epoch| {
        epochs.push(epoch);
        ControlFlow::Continue(())
    });
    TrainedMember { epochs, outcome: Some(outcome.map(|()| model.parameters())) }
}

/// Notes everything; stops the run `stopped` after its first epoch.
struct Notes {
    runs: Vec<TrainedMember>,
    stopped: Option<usize>,
}

impl PackedModelAudience for Notes {
    fn epochs(&mut self, epochs: &[(usize, Epoch)]) -> Vec<bool> {
        let goes_on = epochs.iter().map(|(run, epoch)| {
            self.runs[*run].epochs.push(*epoch);
            self.stopped != Some(*run)
        });
        goes_on.collect()
    }

    fn ended(&mut self, model: usize, outcome: Result<Parameters, FitError>) {
        assert!(self.runs[model].outcome.replace(outcome).is_none(), "it has ended twice");
    }
}

fn together(
    runs: &[RandomMember],
    stopped: Option<usize>,
    data: &FitData<'_>,
    scaler: &Scaler,
) -> Vec<TrainedMember> {
    let device = ComputeDevice::cpu();
    let models = runs.iter().map(|run| PackedModel {
        spec: &run.spec,
        context: context(&run.training, run.seed, scaler, &device),
    });
    let models: Vec<PackedModel<'_>> = models.collect();
    let mut notes = Notes { runs: runs.iter().map(|_| TrainedMember::default()).collect(), stopped };
    fit_together(&models, data, &mut notes);
    notes.runs
}

/// On the CPU a pack sums in another order than a run alone, which has kernels of its own. Adam divides by the size of a
/// gradient, which enlarges the difference where a gradient is nearly zero; most losses agree to some millionths.
const SAME: f64 = 1e-4;
/// A run alone on a GPU is a pack of one, so that both are the same program.
const SAME_PROGRAM: f64 = 1e-5;

fn relative(found: f64, expected: f64) -> f64 {
    (found - expected).abs() / expected.abs().max(1e-12)
}

/// The loss of a model with these parameters on the validation windows.
fn valid_loss(run: &RandomMember, parameters: &Parameters, data: &FitData<'_>, scaler: &Scaler) -> f64 {
    let device = ComputeDevice::cpu();
    let context = context(&run.training, run.seed, scaler, &device);
    let mut model = build_unbounded(&run.spec, &context, Vec::new());
    model.load(parameters).unwrap();
    let forecast = model.forecast(&data.valid);
    let targets = data.valid.gather_targets(&(0..data.valid.len()).collect::<Vec<_>>());
    let squares = forecast.iter().zip(&targets).map(|(a, b)| f64::from(a - b).powi(2));
    squares.sum::<f64>() / targets.len() as f64
}

fn any_model() -> impl Strategy<Value = ModelSpec> {
    let linear = |per_channel| LinearSpec { per_channel, ..LinearSpec::default() };
    let dlinear = |per_channel| DlinearSpec { kernel: 3, per_channel, ..DlinearSpec::default() };
    let recurrent = |layers| RecurrentSpec { hidden: 6, layers, dropout: 0.0 };
    prop::sample::select(vec![
        ModelSpec::Linear(linear(false)),
        ModelSpec::Nlinear(linear(true)),
        ModelSpec::Dlinear(dlinear(false)),
        ModelSpec::Dlinear(dlinear(true)),
        ModelSpec::Lstm(recurrent(1)),
        ModelSpec::Lstm(recurrent(2)),
        ModelSpec::Gru(recurrent(1)),
        ModelSpec::Gru(recurrent(3)),
        ModelSpec::TsMixer(TsMixerSpec { hidden: 5, blocks: 2, dropout: 0.0 }),
        ModelSpec::Tcn(TcnSpec { hidden: 4, kernel: 3, blocks: 2, dropout: 0.0 }),
    ])
}

fn with_dropout(mut spec: ModelSpec, rate: f64) -> ModelSpec {
    match &mut spec {
        ModelSpec::Lstm(model) | ModelSpec::Gru(model) if model.layers > 1 => model.dropout = rate,
        ModelSpec::TsMixer(model) => model.dropout = rate,
        ModelSpec::Tcn(model) => model.dropout = rate,
        _ => {}
    }
    spec
}

fn any_training(loss: Loss, drop_last: bool) -> impl Strategy<Value = TrainingSpec> {
    let schedule = prop::sample::select(vec![
        Schedule::Constant,
        Schedule::Halve { from_epoch: 2 },
        Schedule::ReduceOnPlateau { patience: 1, factor: 0.5 },
        Schedule::Cosine { min_learning_rate: 1e-4 },
    ]);
    let optimizer = prop::sample::select(vec![Optimizer::Adam, Optimizer::Adamw]);
    let decay = prop::sample::select(vec![0.0, 0.01]);
    let rest = (prop::option::of(1_usize..3), prop::option::of(0.05_f64..2.0));
    (1e-4_f64..2e-2, schedule, optimizer, decay, rest).prop_map(
        move |(learning_rate, schedule, optimizer, weight_decay, (patience, clip))| TrainingSpec {
            loss,
            drop_last,
            epochs: 4,
            batch_size: 16,
            learning_rate,
            schedule,
            optimizer,
            weight_decay,
            early_stopping_patience: patience,
            gradient_clip_norm: clip,
            ..TrainingSpec::default()
        },
    )
}

fn any_pack() -> impl Strategy<Value = Vec<RandomMember>> {
    let losses = prop::sample::select(vec![Loss::Mse, Loss::Mse, Loss::Huber]);
    (any_model(), losses, any::<bool>()).prop_flat_map(|(spec, loss, drop_last)| {
        let dropout = prop::sample::select(vec![0.0, 0.2, 0.5]);
        let run = (0_u64..1_000, any_training(loss, drop_last), dropout).prop_map(
            move |(seed, training, dropout)| RandomMember {
                spec: with_dropout(spec.clone(), dropout),
                training,
                seed,
            },
        );
        prop::collection::vec(run, 2..6)
    })
}

/// Whether one epoch is better than all others by more than rounding: otherwise the weights of either may be kept.
fn has_a_clear_best(epochs: &[Epoch]) -> bool {
    let mut losses: Vec<f64> = epochs.iter().map(|epoch| epoch.valid_loss).collect();
    losses.sort_by(f64::total_cmp);
    losses.len() < 2 || relative(losses[0], losses[1]) > 2.0 * SAME
}

// The cases are the same each time. Where early stopping or a schedule decides between two losses that are equal but for
// rounding, a pack may decide otherwise than a run alone, and no fault of it would be found in that.
proptest! {
    #![proptest_config(ProptestConfig { cases: 48, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() })]
    #[test]
    fn a_run_in_a_pack_has_the_numbers_of_the_run_alone(runs in any_pack()) {
        let (steps, scaler) = (steps(), scaler());
        let data = fit_data(&steps, &scaler);
        for (run, packed) in runs.iter().zip(together(&runs, None, &data, &scaler)) {
            let loss = |parameters: &Parameters| valid_loss(run, parameters, &data, &scaler);
            let of_one = together(std::slice::from_ref(run), None, &data, &scaler).remove(0);
            for (other, within) in [(alone(run, &data, &scaler), SAME), (of_one, SAME_PROGRAM)] {
                prop_assert_eq!(packed.epochs.len(), other.epochs.len());
                for (found, expected) in packed.epochs.iter().zip(&other.epochs) {
                    prop_assert_eq!(found.epoch, expected.epoch);
                    prop_assert_eq!(found.learning_rate, expected.learning_rate);
                    prop_assert!(relative(found.train_loss, expected.train_loss) < within, "{found:?} {expected:?}");
                    prop_assert!(relative(found.valid_loss, expected.valid_loss) < within, "{found:?} {expected:?}");
                }
                if has_a_clear_best(&other.epochs) {
                    let (found, expected) = (packed.parameters(), other.parameters());
                    prop_assert!(relative(loss(found), loss(expected)) < within);
                }
            }
        }
    }
}

/// The slope of a pinball loss jumps where a forecast meets its target, so that rounding can turn a step: these have one epoch.
#[test]
fn a_pinball_loss_in_a_pack_is_that_of_the_run_alone() {
    let (steps, scaler) = (steps(), scaler());
    let data = fit_data(&steps, &scaler);
    let members = [(1, 1e-2), (2, 3e-3), (3, 1e-3)].map(|(seed, learning_rate)| {
        let mut member = run(seed, learning_rate);
        (member.training.loss, member.training.epochs) = (Loss::Pinball, 1);
        member
    });
    for (run, packed) in members.iter().zip(together(&members, None, &data, &scaler)) {
        let (found, expected) = (packed.epochs[0], alone(run, &data, &scaler).epochs[0]);
        assert!(relative(found.train_loss, expected.train_loss) < SAME, "{found:?} {expected:?}");
        assert!(relative(found.valid_loss, expected.valid_loss) < SAME, "{found:?} {expected:?}");
    }
}

fn run(seed: u64, learning_rate: f64) -> RandomMember {
    let spec = ModelSpec::Lstm(RecurrentSpec { hidden: 4, layers: 1, dropout: 0.0 });
    let training = TrainingSpec { epochs: 3, batch_size: 16, learning_rate, ..TrainingSpec::default() };
    RandomMember { spec, training, seed }
}

#[test]
fn a_run_that_diverges_or_is_stopped_ends_alone_and_the_others_go_on_as_if_it_had_not_been_there() {
    let (steps, scaler) = (steps(), scaler());
    let data = fit_data(&steps, &scaler);
    let mut runs = vec![run(1, 1e-3), run(2, 1e30), run(3, 1e-3), run(4, 1e-3)];
    runs[0].training.optimizer = Optimizer::Adamw;
    let ended = together(&runs, Some(2), &data, &scaler);
    let outcomes: Vec<_> = ended.iter().map(|run| run.outcome.as_ref().unwrap()).collect();
    assert!(matches!(outcomes[1], Err(FitError::Diverged { epoch: 1, .. })), "{:?}", outcomes[1]);
    assert_eq!(*outcomes[2], Err(FitError::Stopped { epoch: 1 }));
    for at in [0, 3] {
        let alone = alone(&runs[at], &data, &scaler);
        assert_eq!(ended[at].epochs.len(), 3);
        let (found, expected) = (ended[at].epochs[2].valid_loss, alone.epochs[2].valid_loss);
        assert!(relative(found, expected) < SAME, "{found} {expected}");
        assert!(outcomes[at].is_ok());
    }
}

#[test]
fn a_pack_of_one_has_the_numbers_of_the_run_alone_and_stops_when_it_is_told_to() {
    let (steps, scaler) = (steps(), scaler());
    let (data, device) = (fit_data(&steps, &scaler), ComputeDevice::cpu());
    let run = run(1, 1e-3);
    let fit = |last: usize| {
        let context = context(&run.training, run.seed, &scaler, &device);
        let mut epochs = Vec::new();
        let outcome = fit_alone(PackedModel { spec: &run.spec, context }, &data, &mut |epoch| {
            epochs.push(epoch);
            if epoch.epoch == last { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        (outcome, epochs)
    };
    let (outcome, epochs) = fit(9);
    let expected = alone(&run, &data, &scaler);
    assert_eq!(epochs.len(), expected.epochs.len());
    for (found, expected) in epochs.iter().zip(&expected.epochs) {
        assert!(relative(found.valid_loss, expected.valid_loss) < SAME, "{found:?} {expected:?}");
    }
    let loss = |parameters: &Parameters| valid_loss(&run, parameters, &data, &scaler);
    assert!(relative(loss(&outcome.unwrap()), loss(&expected.outcome.unwrap().unwrap())) < SAME);
    let (outcome, epochs) = fit(2);
    assert_eq!((outcome, epochs.len()), (Err(FitError::Stopped { epoch: 2 }), 2));
}

#[test]
fn every_kind_of_model_is_packed_or_says_why_not() {
    let shape = Shape { lookback: 8, horizon: 1, channels: 2, targets: 1, heads: 1 };
    for kind in ModelSpec::KINDS {
        let table = match kind {
            "moving_average" => r#"{"moving_average": {"window": 2}}"#.to_string(),
            "seasonal_naive" => r#"{"seasonal_naive": {"season": 2}}"#.to_string(),
            "renewal" => r#"{"renewal": {"distribution": "gamma"}}"#.to_string(),
            "ensemble" => r#"{"ensemble": {"members": ["zero"]}}"#.to_string(),
            _ => format!("{{\"{kind}\": {{}}}}"),
        };
        let spec: ModelSpec = serde_json::from_str(&table).unwrap();
        assert_eq!(packing_obstacle(&spec).is_none(), network(&spec, shape).is_some(), "{kind}");
    }
}
