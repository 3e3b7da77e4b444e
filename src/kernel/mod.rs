//! The arithmetic that training spends its time in, on plain slices and for the processor at hand.
//!
//! Everything here is written once for SIMD registers of any width and compiled for several instruction sets, of which
//! the widest that the processor has is chosen at run time. Nothing here knows of tensors or of devices.

mod adam;
mod buffer;
mod cell;
mod logarithm;
mod matrix;
mod product;
pub mod sequence;
mod vector;
mod windows;

pub use adam::{AdamMoments, AdamStep};
pub use cell::{GruCell, LstmCell, RecurrentCell};
pub use logarithm::ln_1p;
pub use matrix::matrix_rate;
pub use windows::{Fold, Pasts, WindowSizes, window_gradients, window_products};
