//! Training by gradient descent: devices, randomness, learning-rate schedules and the loop itself.

mod adam;
mod device;
mod fit;
mod loss;
mod schedule;
mod stream;

pub use device::ComputeDevice;
pub(crate) use fit::fit_network;
pub use loss::{Criterion, HUBER_DELTA, Objective};
pub(crate) use loss::{pinball, target_weights};
pub use schedule::RateSchedule;
pub use stream::Stream;
