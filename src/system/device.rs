//! Which devices a machine has, and the slots that follow from them.

use std::fmt;

use anyhow::ensure;

/// The device that an experiment asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceRequest {
    /// GPUs where there are some, else the CPU.
    Auto,
    /// The CPU.
    Cpu,
    /// All CUDA GPUs, or the one with this index.
    Cuda(Option<usize>),
    /// The default adapter of wgpu.
    Wgpu,
}

/// A text that names no device.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a device")]
pub struct UnknownDevice(String);

impl DeviceRequest {
    /// Reads `auto`, `cpu`, `cuda`, `cuda:0` or `wgpu`.
    ///
    /// # Errors
    /// Anything else.
    pub fn parse(text: &str) -> Result<Self, UnknownDevice> {
        match text {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda(None)),
            "wgpu" => Ok(Self::Wgpu),
            other => match other.strip_prefix("cuda:").and_then(|index| index.parse().ok()) {
                Some(index) => Ok(Self::Cuda(Some(index))),
                None => Err(UnknownDevice(other.to_string())),
            },
        }
    }
}

/// Where one slot computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placement {
    /// A group of cores.
    Cpu,
    /// A share of a CUDA GPU.
    Cuda(usize),
    /// The default adapter of wgpu.
    Wgpu,
}

impl Placement {
    /// The device class that a run's identity names.
    pub fn class(self) -> &'static str {
        match self {
            Placement::Cpu => "cpu",
            Placement::Cuda(_) => "cuda",
            Placement::Wgpu => "wgpu",
        }
    }

    /// Reads what [`fmt::Display`] wrote.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "cpu" => Some(Placement::Cpu),
            "wgpu" => Some(Placement::Wgpu),
            other => other.strip_prefix("cuda:")?.parse().ok().map(Placement::Cuda),
        }
    }
}

impl fmt::Display for Placement {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Placement::Cpu => formatter.write_str("cpu"),
            Placement::Cuda(index) => write!(formatter, "cuda:{index}"),
            Placement::Wgpu => formatter.write_str("wgpu"),
        }
    }
}

/// Why a machine has no CUDA GPU that can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoCuda {
    /// This program cannot use one.
    #[error("this binary was built without it (build with `cargo build --release --features cuda`)")]
    NotBuilt,
    /// The driver is missing or does not answer.
    #[error("no NVIDIA driver answers ({0})")]
    NoDriver(String),
    /// The driver cannot count its GPUs.
    #[error("the GPUs cannot be counted ({0})")]
    Uncounted(String),
    /// There is none.
    #[error("this machine has no CUDA GPU")]
    NoGpu,
}

/// What the machine has, so that slots can be tested without it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// CPU threads.
    pub cores: usize,
    /// Usable CUDA GPUs, or why there are none.
    pub cuda: Result<usize, NoCuda>,
    /// Whether wgpu is compiled in.
    pub wgpu: bool,
}

impl Machine {
    /// Looks at this machine.
    pub fn detect() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self { cores, cuda: cuda_devices(), wgpu: cfg!(feature = "wgpu") }
    }

    /// The slots for a request: one for each group of `threads` cores or each share of a GPU.
    ///
    /// # Errors
    /// A device that does not exist, with the remedy.
    pub fn slots(
        &self,
        request: DeviceRequest,
        threads: usize,
        runs_per_gpu: usize,
    ) -> anyhow::Result<Vec<Placement>> {
        match request {
            DeviceRequest::Cpu => Ok(vec![Placement::Cpu; (self.cores / threads).max(1)]),
            DeviceRequest::Auto => match self.cuda {
                Ok(count) if count > 0 => Ok(shares(0..count, runs_per_gpu)),
                _ => self.slots(DeviceRequest::Cpu, threads, runs_per_gpu),
            },
            DeviceRequest::Cuda(index) => {
                let count = self.cuda.clone().map_err(|why| {
                    anyhow::anyhow!("device `cuda` cannot be used: {why}; use --device cpu, or auto")
                })?;
                let gpus = index.map_or(0..count, |index| index..index + 1);
                ensure!(
                    !gpus.is_empty() && gpus.end <= count,
                    "device `cuda:{}` does not exist: this machine has {count} CUDA GPUs",
                    gpus.start
                );
                Ok(shares(gpus, runs_per_gpu))
            }
            DeviceRequest::Wgpu => {
                ensure!(
                    self.wgpu,
                    "device `wgpu` cannot be used: this binary was built without it; \
                     build with `cargo build --release --features wgpu`, or use --device cpu"
                );
                Ok(vec![Placement::Wgpu; runs_per_gpu])
            }
        }
    }
}

/// Neighbouring slots take different GPUs, so that the first runs spread over all of them.
fn shares(gpus: std::ops::Range<usize>, runs_per_gpu: usize) -> Vec<Placement> {
    (0..runs_per_gpu).flat_map(|_| gpus.clone().map(Placement::Cuda)).collect()
}

#[cfg(feature = "cuda")]
fn cuda_devices() -> Result<usize, NoCuda> {
    let nvml = nvml_wrapper::Nvml::init().map_err(|error| NoCuda::NoDriver(error.to_string()))?;
    match nvml.device_count() {
        Ok(0) => Err(NoCuda::NoGpu),
        Ok(count) => Ok(count as usize),
        Err(error) => Err(NoCuda::Uncounted(error.to_string())),
    }
}

#[cfg(not(feature = "cuda"))]
fn cuda_devices() -> Result<usize, NoCuda> {
    pretended_gpus().map(|gpus| gpus.len()).ok_or(NoCuda::NotBuilt)
}

/// CUDA GPUs that are not there, for tests of the dispatcher in a binary without CUDA: whether each of them works.
///
/// `BURSTLAB_PRETEND_CUDA=ok,broken` makes two, of which the first computes on the CPU and the second cannot be opened.
#[cfg(not(feature = "cuda"))]
pub fn pretended_gpus() -> Option<Vec<bool>> {
    let list = std::env::var("BURSTLAB_PRETEND_CUDA").ok()?;
    Some(list.split(',').map(|gpu| gpu == "ok").collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(cores: usize, cuda: Result<usize, NoCuda>) -> Machine {
        Machine { cores, cuda, wgpu: false }
    }

    #[test]
    fn cores_are_grouped_by_threads_and_one_slot_is_always_there() {
        let machine = machine(8, Err(NoCuda::NotBuilt));
        assert_eq!(machine.slots(DeviceRequest::Cpu, 3, 1).unwrap().len(), 2);
        assert_eq!(machine.slots(DeviceRequest::Auto, 64, 1).unwrap(), [Placement::Cpu]);
    }

    #[test]
    fn gpu_shares_alternate_between_the_gpus() {
        let slots = machine(8, Ok(2)).slots(DeviceRequest::Auto, 1, 2).unwrap();
        assert_eq!(slots, [0, 1, 0, 1].map(Placement::Cuda));
    }

    #[test]
    fn a_gpu_that_does_not_exist_is_an_error_not_a_fallback() {
        let one = machine(8, Ok(1)).slots(DeviceRequest::Cuda(Some(1)), 1, 1).unwrap_err();
        assert!(one.to_string().contains("cuda:1"), "{one}");
        let none = machine(8, Err(NoCuda::NoDriver("no library".into())))
            .slots(DeviceRequest::Cuda(None), 1, 1)
            .unwrap_err();
        assert!(
            none.to_string().contains("no NVIDIA driver answers (no library)")
                && none.to_string().contains("--device cpu"),
            "{none}"
        );
    }
}
