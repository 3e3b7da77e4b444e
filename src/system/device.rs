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

impl DeviceRequest {
    /// Reads `auto`, `cpu`, `cuda`, `cuda:0` or `wgpu`.
    ///
    /// # Errors
    /// Anything else, in one sentence.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda(None)),
            "wgpu" => Ok(Self::Wgpu),
            other => match other.strip_prefix("cuda:").and_then(|index| index.parse().ok()) {
                Some(index) => Ok(Self::Cuda(Some(index))),
                None => Err(format!("`{other}` is not a device")),
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

/// What the machine has, so that slots can be tested without it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// CPU threads.
    pub cores: usize,
    /// Usable CUDA GPUs; `Err` says why there are none.
    pub cuda: Result<usize, String>,
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
    /// A device that is not there, with the remedy.
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
                    "device `cuda:{}` is not there: this machine has {count} CUDA GPUs",
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
fn cuda_devices() -> Result<usize, String> {
    let nvml = nvml_wrapper::Nvml::init().map_err(|error| format!("no NVIDIA driver answers ({error})"))?;
    match nvml.device_count() {
        Ok(0) => Err("this machine has no CUDA GPU".to_string()),
        Ok(count) => Ok(count as usize),
        Err(error) => Err(format!("the GPUs cannot be counted ({error})")),
    }
}

#[cfg(not(feature = "cuda"))]
fn cuda_devices() -> Result<usize, String> {
    if let Some(gpus) = pretended_gpus() {
        return Ok(gpus.len());
    }
    Err("this binary was built without it (build with `cargo build --release --features cuda`)".to_string())
}

/// CUDA GPUs that are not there, for tests of the scheduler in a binary without CUDA: whether each of them works.
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

    fn machine(cores: usize, cuda: Result<usize, String>) -> Machine {
        Machine { cores, cuda, wgpu: false }
    }

    #[test]
    fn cores_are_grouped_by_threads_and_one_slot_is_always_there() {
        let machine = machine(8, Err("none".into()));
        assert_eq!(machine.slots(DeviceRequest::Cpu, 3, 1).unwrap().len(), 2);
        assert_eq!(machine.slots(DeviceRequest::Auto, 64, 1).unwrap(), [Placement::Cpu]);
    }

    #[test]
    fn gpu_shares_alternate_between_the_gpus() {
        let slots = machine(8, Ok(2)).slots(DeviceRequest::Auto, 1, 2).unwrap();
        assert_eq!(slots, [0, 1, 0, 1].map(Placement::Cuda));
    }

    #[test]
    fn a_gpu_that_is_not_there_is_an_error_not_a_fallback() {
        let one = machine(8, Ok(1)).slots(DeviceRequest::Cuda(Some(1)), 1, 1).unwrap_err();
        assert!(one.to_string().contains("cuda:1"), "{one}");
        let none = machine(8, Err("no driver".into())).slots(DeviceRequest::Cuda(None), 1, 1).unwrap_err();
        assert!(
            none.to_string().contains("no driver") && none.to_string().contains("--device cpu"),
            "{none}"
        );
    }
}
