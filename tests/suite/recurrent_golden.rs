//! Recurrent layers against PyTorch's: outputs and gradients of `torch.nn.LSTM` and `torch.nn.GRU` in float64 (torch
//! 2.15.0), cases in `golden_lstm.json` and `golden_gru.json`: gate orders i, f, g, o and r, z, n; the loss is the sum of
//! the outputs weighted by `loss_weights`.

use burn::tensor::{Tensor, TensorData};
use burstlab::model::{CellKind, RecurrentLayer};
use burstlab::train::ComputeDevice;
use serde_json::Value;

/// All numbers of a nested list, in row-major order.
fn flat(value: &Value) -> Vec<f32> {
    match value {
        Value::Array(items) => items.iter().flat_map(flat).collect(),
        number => vec![number.as_f64().unwrap() as f32],
    }
}

fn size(case: &Value, name: &str) -> usize {
    usize::try_from(case[name].as_u64().unwrap()).unwrap()
}

/// Largest difference relative to the largest value, so that small entries are not held to more than f32 can give.
fn relative_error(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len());
    let largest = expected.iter().fold(1e-6_f32, |largest, value| largest.max(value.abs()));
    found.iter().zip(expected).fold(0.0_f32, |worst, (a, b)| worst.max((a - b).abs())) / largest
}

const LSTM: (CellKind, &str) = (CellKind::Lstm, include_str!("../golden_lstm.json"));
const GRU: (CellKind, &str) = (CellKind::Gru, include_str!("../golden_gru.json"));

#[test]
fn outputs_and_gradients_of_the_fused_layers_agree_with_pytorch() {
    agree_with_pytorch(LSTM, |layer| layer);
    agree_with_pytorch(GRU, |layer| layer);
}

#[test]
fn outputs_and_gradients_of_the_composed_layers_agree_with_pytorch() {
    agree_with_pytorch(LSTM, RecurrentLayer::composed);
    agree_with_pytorch(GRU, RecurrentLayer::composed);
}

fn agree_with_pytorch((kind, golden): (CellKind, &str), prepare: impl Fn(RecurrentLayer) -> RecurrentLayer) {
    let golden: Value = serde_json::from_str(golden).unwrap();
    let device = ComputeDevice::cpu();
    let cases = golden["cases"].as_array().unwrap();
    assert!(cases.len() >= 4);
    for case in cases {
        let (batch, steps, inputs) = (size(case, "batch"), size(case, "steps"), size(case, "input"));
        let (hidden, count) = (size(case, "hidden"), size(case, "layers"));
        let names = ["weight_ih", "weight_hh", "bias_ih", "bias_hh"];
        let layers: Vec<RecurrentLayer> = (0..count)
            .map(|layer| {
                let values = names.map(|name| flat(&case["parameters"][format!("{name}_l{layer}")]));
                prepare(RecurrentLayer::from_values(
                    kind,
                    if layer == 0 { inputs } else { hidden },
                    hidden,
                    values,
                    &device,
                ))
            })
            .collect();
        let input = device.training_tensor([batch, steps, inputs], flat(&case["x"])).require_grad();
        let states = layers.iter().fold(input.clone().swap_dims(0, 1), |states, layer| layer.forward(states));
        let output: Tensor<3> = states.swap_dims(0, 1);
        let expected = flat(&case["output"]);
        let error = relative_error(&device.values(output.clone()), &expected);
        assert!(
            error < 1e-5,
            "output of case {batch}x{steps}x{inputs}, hidden {hidden}, layers {count}: {error}"
        );

        let weights = device.training_tensor([batch, steps, hidden], flat(&case["loss_weights"]));
        let gradients = (output * weights).sum().backward();
        let check = |name: &str, gradient: TensorData| {
            let found: Vec<f32> = gradient.iter::<f32>().collect();
            let error = relative_error(
                &found,
                &flat(if name == "x" { &case["grad_x"] } else { &case["grad_parameters"][name] }),
            );
            assert!(error < 1e-5, "gradient of {name}, hidden {hidden}, layers {count}: {error}");
        };
        check("x", input.grad(&gradients).unwrap().into_data());
        for (index, layer) in layers.iter().enumerate() {
            for (name, tensor) in ["weight_ih", "weight_hh"].iter().zip(layer.weights()) {
                // A window of one step has no hidden state before it: PyTorch's gradient is zero, burn's is absent.
                let gradient = tensor.grad(&gradients).unwrap_or_else(|| tensor.zeros_like().inner());
                check(&format!("{name}_l{index}"), gradient.into_data());
            }
            for (name, tensor) in ["bias_ih", "bias_hh"].iter().zip(layer.biases()) {
                check(&format!("{name}_l{index}"), tensor.grad(&gradients).unwrap().into_data());
            }
        }
    }
}
