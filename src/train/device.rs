//! Where a model computes: a burn device chosen at run time, and the few ways in which tensors enter and leave it.

use burn::module::Param;
use burn::tensor::{Device, Tensor, TensorData};

use crate::system::device::{Placement, WgpuAdapters};

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
        let software = Device::wgpu(burn::tensor::DeviceKind::Cpu);
        let devices = Device::enumerate(burn::tensor::DeviceType::Wgpu);
        if devices.iter().any(|device| *device != software) {
            WgpuAdapters::Gpu
        } else if devices.is_empty() {
            WgpuAdapters::Nothing
        } else {
            WgpuAdapters::Software
        }
    }

    /// What wgpu finds on this machine: nothing in a binary without it.
    #[cfg(not(feature = "wgpu"))]
    pub fn wgpu_adapters() -> WgpuAdapters {
        WgpuAdapters::Nothing
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
