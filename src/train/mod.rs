//! Training by gradient descent: devices, losses, learning-rate schedules and the loop itself.

mod adam;
mod device;
mod fit;
mod loss;
mod network;
mod pack;
mod room;
mod schedule;
mod task;

pub use device::ComputeDevice;
pub(crate) use fit::fit_network;
pub use loss::{Criterion, Objective};
pub(crate) use loss::{pinball, target_weights};
pub(crate) use network::infer;
pub use network::{Network, Noise};
pub(crate) use pack::{PackAudience, PackMember, fit_pack, inference_batch};
pub use pack::{PackBackward, PackGradients, PackNetwork, PackNoise, PackWeights, RowLayout};
pub use room::PackRoom;
pub use schedule::RateSchedule;
pub use task::{Epoch, FitData, FitError, OnEpoch, Shape};
