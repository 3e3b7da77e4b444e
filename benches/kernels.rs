//! The kernels of training by themselves: `cargo bench --bench kernels`.

use burstlab::kernel::sequence::{Input, Scope, Sizes, Weights, backward, forward, infer};
use burstlab::kernel::{
    AdamMoments, AdamStep, Fold, GruCell, LstmCell, Pasts, RecurrentCell, WindowSizes, window_gradients,
    window_products,
};
use burstlab::stats::Stream;
use divan::Bencher;

fn main() {
    divan::main();
}

const SIZES: [(usize, usize); 3] = [(32, 32), (64, 32), (64, 256)];

struct Layer {
    sizes: Sizes,
    input: Vec<f32>,
    parameters: [Vec<f32>; 4],
}

impl Layer {
    fn new<C: RecurrentCell>((hidden, batch): (usize, usize)) -> Self {
        let sizes = Sizes { steps: 50, batch, inputs: 5, hidden };
        let width = C::GATES * hidden;
        let mut stream = Stream::weights(1);
        let input = stream.uniform(50 * batch * 5, 1.0);
        let parameters = [width * 5, width * hidden, width, width].map(|count| stream.uniform(count, 0.1));
        Self { sizes, input, parameters }
    }

    fn input(&self) -> Input<'_> {
        let Sizes { batch, inputs, .. } = self.sizes;
        Input { values: &self.input, step_stride: batch * inputs, row_stride: inputs }
    }

    fn weights(&self) -> Weights<'_> {
        let [weight_ih, weight_hh, bias_ih, bias_hh] = &self.parameters;
        Weights { weight_ih, weight_hh, bias_ih, bias_hh }
    }
}

#[divan::bench(types = [LstmCell, GruCell], args = SIZES)]
fn sequence_inference<C: RecurrentCell>(bencher: Bencher<'_, '_>, size: (usize, usize)) {
    let layer = Layer::new::<C>(size);
    bencher.bench_local(|| infer::<C>(layer.sizes, layer.input(), layer.weights(), Scope::Last));
}

#[divan::bench(types = [LstmCell, GruCell], args = SIZES)]
fn sequence_forward<C: RecurrentCell>(bencher: Bencher<'_, '_>, size: (usize, usize)) {
    let layer = Layer::new::<C>(size);
    bencher.bench_local(|| forward::<C>(layer.sizes, layer.input(), layer.weights(), Scope::Last));
}

#[divan::bench(types = [LstmCell, GruCell], args = SIZES)]
fn sequence_backward<C: RecurrentCell>(bencher: Bencher<'_, '_>, size: (usize, usize)) {
    let layer = Layer::new::<C>(size);
    let by_output = vec![1.0; size.0 * size.1];
    bencher
        .with_inputs(|| forward::<C>(layer.sizes, layer.input(), layer.weights(), Scope::Last).1)
        .bench_local_values(|trace| {
            backward::<C>(layer.sizes, layer.weights(), trace, &by_output, Scope::Last, false)
        });
}

/// Batch, lookback, horizon: one step of the Azure trace, and of ETTh1.
const WINDOWS: [(usize, usize, usize); 3] = [(32, 50, 1), (128, 50, 1), (32, 336, 96)];

fn windows((batch, lookback, horizon): (usize, usize, usize)) -> (WindowSizes, Pasts, Vec<f32>) {
    let sizes = WindowSizes { batch, lookback, channels: 3, targets: 3, horizon, sets: 1 };
    let mut stream = Stream::weights(1);
    let pasts = Pasts::gather(&sizes, &stream.uniform(batch * lookback * 3, 1.0));
    (sizes, pasts, stream.uniform(2 * horizon * lookback, 0.1))
}

#[divan::bench(args = WINDOWS)]
fn dlinear_forward(bencher: Bencher<'_, '_>, size: (usize, usize, usize)) {
    let (sizes, pasts, weights) = windows(size);
    let bias = vec![0.0; sizes.horizon];
    bencher.bench_local(|| {
        let folded = Fold::Trend { kernel: 25 }.fold(&weights, sizes.lookback);
        window_products(&sizes, &pasts, &folded, &bias)
    });
}

#[divan::bench(args = WINDOWS)]
fn dlinear_backward(bencher: Bencher<'_, '_>, size: (usize, usize, usize)) {
    let (sizes, pasts, _) = windows(size);
    let by_forecasts = vec![1.0; sizes.batch * sizes.horizon * 3];
    bencher.bench_local(|| {
        let (by_folded, by_bias) = window_gradients(&sizes, &pasts, &by_forecasts);
        (Fold::Trend { kernel: 25 }.unfold(by_folded, sizes.lookback), by_bias)
    });
}

#[divan::bench(args = [1_000, 100_000])]
fn adam(bencher: Bencher<'_, '_>, parameters: usize) {
    let settings = AdamStep {
        learning_rate: 1e-3,
        beta_1: 0.9,
        beta_2: 0.999,
        epsilon: 1e-8,
        decay: 0.0,
        decoupled: false,
    };
    let (mut values, gradient) = (vec![0.1; parameters], vec![0.2; parameters]);
    let mut moments = AdamMoments::default();
    bencher.bench_local(|| moments.step(&settings, &mut values, &gradient, 1.0));
}
