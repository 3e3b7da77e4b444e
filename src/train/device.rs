//! Where a model computes: a burn device chosen at run time, and the few ways in which tensors enter and leave it.

use burn::module::Param;
#[cfg(feature = "wgpu")]
use burn::tensor::wgpu::wgpu;
use burn::tensor::{Device, Tensor, TensorData};

use crate::system::device::{Placement, WgpuAdapters};
#[cfg(feature = "wgpu")]
use crate::system::gpu_memory;

/// What is known of a GPU.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct GpuLimits {
    /// Its memory.
    pub memory_bytes: Option<u64>,
    /// Bytes that one tensor may have at most.
    pub tensor_bytes: Option<u64>,
}

/// A device with and without autodiff.
#[derive(Debug, Clone)]
pub struct ComputeDevice {
    cpu: bool,
    plain: Device,
    autodiff: Device,
}

impl ComputeDevice {
    /// The CPU, through burn's pure-Rust flex backend.
    pub fn cpu() -> Self {
        Self::new(Device::flex(), true)
    }

    /// The device that a slot was given.
    ///
    /// # Errors
    /// A device whose support is not compiled in.
    pub fn open(placement: &Placement) -> anyhow::Result<Self> {
        match placement {
            Placement::Cpu => Ok(Self::cpu()),
            // A GPU worker sees its own GPU only, so it is always the first.
            #[cfg(feature = "cuda")]
            Placement::Cuda(_) => Ok(Self::new(Device::cuda(0), false)),
            #[cfg(feature = "wgpu")]
            Placement::Wgpu => Ok(Self::new(Device::wgpu(burn::tensor::DeviceKind::DefaultDevice), false)),
            #[cfg(not(feature = "cuda"))]
            Placement::Cuda(gpu) => match crate::system::device::pretended_gpus() {
                Some(gpus) if gpus.get(*gpu) == Some(&true) => Ok(Self::cpu()),
                Some(_) => anyhow::bail!("this GPU is broken, as BURSTLAB_PRETEND_CUDA says"),
                None => anyhow::bail!("this binary was built without support for {placement}"),
            },
            #[cfg(not(feature = "wgpu"))]
            Placement::Wgpu => anyhow::bail!("this binary was built without support for {placement}"),
        }
    }

    /// What wgpu finds on this machine.
    #[cfg(feature = "wgpu")]
    pub fn wgpu_adapters() -> WgpuAdapters {
        match ChosenAdapter::find() {
            ChosenAdapter::Found(adapter) if adapter.get_info().device_type == wgpu::DeviceType::Cpu => {
                WgpuAdapters::Software
            }
            ChosenAdapter::Found(_) | ChosenAdapter::Unknown => WgpuAdapters::Gpu,
            ChosenAdapter::Nothing => WgpuAdapters::Nothing,
        }
    }

    /// What wgpu finds on this machine: nothing in a binary without it.
    #[cfg(not(feature = "wgpu"))]
    pub fn wgpu_adapters() -> WgpuAdapters {
        WgpuAdapters::Nothing
    }

    /// What is known of the adapter that is computed on. It says how large a tensor can be; how much memory the card has is
    /// asked of its driver.
    #[cfg(feature = "wgpu")]
    pub(super) fn wgpu_limits() -> GpuLimits {
        let ChosenAdapter::Found(adapter) = ChosenAdapter::find() else { return GpuLimits::default() };
        let (info, limits) = (adapter.get_info(), adapter.limits());
        let is_card = info.device_type == wgpu::DeviceType::DiscreteGpu;
        GpuLimits {
            // What shares the memory of the machine has no memory of its own.
            memory_bytes: if is_card { gpu_memory::bytes_of_card(&info.device_pci_bus_id) } else { None },
            tensor_bytes: Some(limits.max_storage_buffer_binding_size.min(limits.max_buffer_size)),
        }
    }

    /// What is known of the adapter that is computed on: nothing in a binary without it.
    #[cfg(not(feature = "wgpu"))]
    pub(super) fn wgpu_limits() -> GpuLimits {
        GpuLimits::default()
    }

    fn new(plain: Device, cpu: bool) -> Self {
        let autodiff = plain.clone().autodiff();
        Self { cpu, plain, autodiff }
    }

    /// Whether this is the CPU backend, which has operations of our own.
    pub fn is_cpu(&self) -> bool {
        self.cpu
    }

    /// A trainable parameter.
    pub fn parameter<const D: usize>(&self, shape: [usize; D], values: Vec<f32>) -> Param<Tensor<D>> {
        Param::from_data(TensorData::new(values, shape), &self.autodiff)
    }

    /// A constant of a training step.
    pub fn training_tensor<const D: usize>(&self, shape: [usize; D], values: Vec<f32>) -> Tensor<D> {
        Tensor::from_data(TensorData::new(values, shape), &self.autodiff)
    }

    /// A tensor of inference, without gradients.
    pub fn plain_tensor<const D: usize>(&self, shape: [usize; D], values: Vec<f32>) -> Tensor<D> {
        Tensor::from_data(TensorData::new(values, shape), &self.plain)
    }

    /// The values of a tensor, in row-major order.
    pub fn values<const D: usize>(&self, tensor: Tensor<D>) -> Vec<f32> {
        tensor.into_data().iter::<f32>().collect()
    }
}

/// The variable that names the adapter for burn's wgpu backend, in place of the one that wgpu prefers.
#[cfg(feature = "wgpu")]
const NAMED_DEVICE: &str = "CUBECL_WGPU_DEFAULT_DEVICE";

/// The adapter that is computed on, of those that wgpu finds.
#[cfg(feature = "wgpu")]
enum ChosenAdapter {
    /// This one.
    Found(wgpu::Adapter),
    /// Whether there is the named one, burn says when the device is opened.
    Unknown,
    /// There is none.
    Nothing,
}

#[cfg(feature = "wgpu")]
impl ChosenAdapter {
    /// The named adapter, or else the one that wgpu prefers: a GPU before a software renderer.
    fn find() -> Self {
        let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
        let Ok(name) = std::env::var(NAMED_DEVICE) else {
            let options = wgpu::RequestAdapterOptions {
                power_preference: wgpu::PowerPreference::HighPerformance,
                ..wgpu::RequestAdapterOptions::default()
            };
            let preferred = answer_of(instance.request_adapter(&options)).and_then(Result::ok);
            return preferred.map_or(ChosenAdapter::Nothing, ChosenAdapter::Found);
        };
        let named = named_device(&name).and_then(|(kind, index)| {
            let of_kind = |adapter: &wgpu::Adapter| adapter.get_info().device_type == kind;
            adapters(&instance).into_iter().filter(of_kind).nth(index)
        });
        named.map_or(ChosenAdapter::Unknown, ChosenAdapter::Found)
    }
}

/// The adapters of the graphics API that burn takes: the first one that has a GPU, or else the first one that has any.
#[cfg(feature = "wgpu")]
fn adapters(instance: &wgpu::Instance) -> Vec<wgpu::Adapter> {
    const APIS: &[wgpu::Backends] = if cfg!(target_os = "macos") {
        &[wgpu::Backends::METAL]
    } else {
        &[wgpu::Backends::VULKAN, wgpu::Backends::DX12, wgpu::Backends::GL]
    };
    let mut software = Vec::new();
    for api in APIS {
        let found = answer_of(instance.enumerate_adapters(*api)).unwrap_or_default();
        if found.iter().any(|adapter| adapter.get_info().device_type != wgpu::DeviceType::Cpu) {
            return found;
        }
        if software.is_empty() {
            software = found;
        }
    }
    software
}

/// Kind and number of an adapter as [`NAMED_DEVICE`] gives them: `Cpu`, or for example `DiscreteGpu(1)`.
#[cfg(feature = "wgpu")]
fn named_device(name: &str) -> Option<(wgpu::DeviceType, usize)> {
    if name == "Cpu" {
        return Some((wgpu::DeviceType::Cpu, 0));
    }
    let (kind, index) = name.strip_suffix(')')?.split_once('(')?;
    let kind = match kind {
        "DiscreteGpu" => wgpu::DeviceType::DiscreteGpu,
        "IntegratedGpu" => wgpu::DeviceType::IntegratedGpu,
        "VirtualGpu" => wgpu::DeviceType::VirtualGpu,
        "Other" => wgpu::DeviceType::Other,
        _ => return None,
    };
    Some((kind, index.parse().ok()?))
}

/// What a future has to say at once; those of wgpu wait for nothing outside of a browser.
#[cfg(feature = "wgpu")]
fn answer_of<F: Future>(future: F) -> Option<F::Output> {
    use std::task::{Context, Poll, Waker};

    match std::pin::pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => Some(answer),
        Poll::Pending => None,
    }
}

#[cfg(all(test, feature = "wgpu"))]
mod tests {
    use super::*;

    #[test]
    fn an_adapter_is_named_by_its_kind_and_its_number() {
        assert_eq!(named_device("Cpu"), Some((wgpu::DeviceType::Cpu, 0)));
        assert_eq!(named_device("DiscreteGpu(1)"), Some((wgpu::DeviceType::DiscreteGpu, 1)));
        for wrong in ["", "Gpu(0)", "DiscreteGpu", "DiscreteGpu(first)", "Cpu(0"] {
            assert_eq!(named_device(wrong), None, "{wrong}");
        }
    }
}
