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

/// What wgpu finds on a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WgpuAdapters {
    /// A GPU.
    Gpu,
    /// Only a renderer that computes on the CPU, such as Mesa's llvmpipe.
    Software,
    /// Nothing.
    Nothing,
}

/// What `auto` stands for, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceChoice {
    /// The device.
    pub request: DeviceRequest,
    /// Why, as the rest of a sentence after "since".
    pub why: String,
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let device = match self.request {
            DeviceRequest::Cuda(_) => "CUDA",
            DeviceRequest::Wgpu => "wgpu",
            DeviceRequest::Cpu | DeviceRequest::Auto => "the CPU",
        };
        write!(formatter, "device auto is {device}, since {}", self.why)
    }
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

    /// What `auto` stands for. A software renderer is never chosen: it computes on the cores that the CPU's own kernels use
    /// better. Plans without a model that computes on a GPU stay on the CPU.
    pub fn choose(&self, needs_gpu: bool, adapters: impl FnOnce() -> WgpuAdapters) -> DeviceChoice {
        let choice = |request, why: &str| DeviceChoice { request, why: why.to_string() };
        if !needs_gpu {
            return choice(DeviceRequest::Cpu, "none of the models computes on a GPU");
        }
        match &self.cuda {
            Ok(count) if *count > 0 => {
                let gpus = if *count == 1 { "a CUDA GPU".to_string() } else { format!("{count} CUDA GPUs") };
                return choice(DeviceRequest::Cuda(None), &format!("this machine has {gpus}"));
            }
            Ok(_) if !self.wgpu => return choice(DeviceRequest::Cpu, &NoCuda::NoGpu.to_string()),
            Err(why) if !self.wgpu && *why != NoCuda::NotBuilt => {
                return choice(DeviceRequest::Cpu, &why.to_string());
            }
            Ok(_) | Err(_) => {}
        }
        if !self.wgpu {
            return choice(DeviceRequest::Cpu, "this binary was built without support for GPUs");
        }
        match adapters() {
            WgpuAdapters::Gpu => choice(DeviceRequest::Wgpu, "wgpu finds a GPU"),
            WgpuAdapters::Software => choice(
                DeviceRequest::Cpu,
                "wgpu finds only a software renderer, which computes on the CPU too",
            ),
            WgpuAdapters::Nothing => choice(DeviceRequest::Cpu, "wgpu finds no GPU"),
        }
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
            // What else it stands for is a matter of the plan: `choose` says so.
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
    use std::sync::mpsc::RecvTimeoutError;

    use super::process::ANSWER_LIMIT;

    // The driver of a card that has failed may never answer; its thread is then left behind.
    let (sender, answer) = std::sync::mpsc::channel();
    std::thread::spawn(move || sender.send(counted_by_driver()));
    answer.recv_timeout(ANSWER_LIMIT).unwrap_or_else(|error| {
        let fault = match error {
            RecvTimeoutError::Timeout => {
                format!("it has not answered within {}", humantime::format_duration(ANSWER_LIMIT))
            }
            RecvTimeoutError::Disconnected => "it cannot be asked".to_string(),
        };
        Err(NoCuda::NoDriver(fault))
    })
}

#[cfg(feature = "cuda")]
fn counted_by_driver() -> Result<usize, NoCuda> {
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
    fn auto_is_a_gpu_where_there_is_one_for_the_plan_and_never_a_software_renderer() {
        let of = |cuda, wgpu, needs_gpu, adapters: WgpuAdapters| {
            let machine = Machine { cores: 8, cuda, wgpu };
            machine.choose(needs_gpu, || adapters).to_string()
        };
        let none = Err(NoCuda::NotBuilt);
        let said = of(none.clone(), true, true, WgpuAdapters::Software);
        assert!(said.starts_with("device auto is the CPU") && said.contains("software renderer"), "{said}");
        assert_eq!(
            of(none.clone(), true, true, WgpuAdapters::Gpu),
            "device auto is wgpu, since wgpu finds a GPU"
        );
        assert!(
            of(Ok(2), true, true, WgpuAdapters::Gpu)
                .starts_with("device auto is CUDA, since this machine has 2")
        );
        assert!(of(Ok(2), true, false, WgpuAdapters::Gpu).contains("the CPU, since none of the models"));
        assert!(of(none, false, true, WgpuAdapters::Gpu).ends_with("built without support for GPUs"));
        let driver = Err(NoCuda::NoDriver("no library".to_string()));
        assert!(of(driver, false, true, WgpuAdapters::Nothing).contains("no NVIDIA driver answers"));
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
