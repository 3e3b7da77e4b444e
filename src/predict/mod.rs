//! Forecasts the next steps of a trace with saved models: once, or step by step while the trace grows.
//!
//! A [`Predictor`] holds the saved models of an experiment; each [`SavedModel`] can also be used by itself, and a [`Watch`]
//! follows a trace row by row. A [`LiveForecast`] does so for those who ask for the forecast at any time.

mod backtest;
mod document;
mod feed;
mod forecast;
mod generate;
mod history;
mod line_reader;
mod live;
mod predictor;
mod replicas;
mod roll;
mod saved_model;
mod scores;
mod watch;

pub use document::ForecastDocument;
pub use feed::{BadRow, TraceFeed};
pub use forecast::{Forecast, ForecastStep};
pub use generate::{SampledRequest, to_burstgpt, to_mooncake};
pub use line_reader::{LineEvent, LineReader};
pub use live::{LiveForecast, LiveState, RowFault};
pub use predictor::{Interval, Predictor, RequestForecast};
pub use replicas::{ReplicaPlan, ReplicasWanted};
pub use saved_model::SavedModel;
pub use scores::{LiveScores, StepScore};
pub use watch::Watch;
