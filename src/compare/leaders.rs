//! The chosen trial of each model of a revision, without its metrics. It is kept with the standing of the revision, so that a
//! comparison need not read every run of a sweep to find the few that it is about.

use serde::{Deserialize, Serialize};

use super::board::{Board, BoardRow};
use super::comparison::leaderboards;
use crate::store::{RevisionRow, Store};

/// The meaning of what is kept: it rises when a standing or its leaders are computed in another way.
pub(super) const STANDING_VERSION: u32 = 1;

/// The models of one setting.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct SettingModels {
    /// What tells this setting from the others of its revision; empty if there is only one.
    pub(super) title: String,
    /// How many runs of the setting are to come, of how many; `None` where no further result is.
    pub(super) to_come: Option<(usize, usize)>,
    /// The models, the lowest test error first.
    pub(super) models: Vec<ChosenTrial>,
}

/// One model with its trial that is best on validation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct ChosenTrial {
    /// Name under which the model competes.
    pub(super) model: String,
    /// Kind of the model.
    pub(super) kind: String,
    /// The model with the axis values of the trial.
    pub(super) label: String,
    /// Whether it is a naive baseline.
    pub(super) baseline: bool,
    /// The runs of the trial that are done.
    pub(super) run_ids: Vec<String>,
    /// The objective's metric on the test part.
    pub(super) test: f64,
    /// `1 - error / error of the best baseline`; `None` for that baseline itself.
    pub(super) skill: Option<f64>,
}

/// As the store keeps them.
#[derive(Serialize, Deserialize)]
struct KeptModels {
    version: u32,
    settings: Vec<SettingModels>,
}

impl SettingModels {
    /// The models of each setting of a revision: what is kept of them, or else from its runs in the store.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub(super) fn read(store: &mut Store, revision: &RevisionRow) -> anyhow::Result<Vec<Self>> {
        let kept = store.kept_leaders(&revision.id())?;
        match kept.and_then(|text| Self::of_kept(&text)) {
            Some(settings) => Ok(settings),
            None => Ok(Self::of(leaderboards(store, revision)?)),
        }
    }

    /// The models as they are kept; `None` if another version of this program kept other things.
    pub(super) fn of_kept(text: &str) -> Option<Vec<Self>> {
        let kept: KeptModels = serde_json::from_str(text).ok()?;
        (kept.version == STANDING_VERSION).then_some(kept.settings)
    }

    /// The models of some leaderboards.
    pub(super) fn of(boards: Vec<Board>) -> Vec<Self> {
        boards.into_iter().map(Self::of_board).collect()
    }

    fn of_board(Board { title, rows, completion, .. }: Board) -> Self {
        let to_come = completion.runs - completion.done - completion.failed;
        Self {
            title,
            to_come: completion.is_partial().then_some((to_come, completion.runs)),
            models: rows.into_iter().map(ChosenTrial::of).collect(),
        }
    }

    /// The text that the store keeps.
    ///
    /// # Errors
    /// Never: there are only numbers, texts and lists in it.
    pub(super) fn to_kept(settings: Vec<Self>) -> serde_json::Result<String> {
        serde_json::to_string(&KeptModels { version: STANDING_VERSION, settings })
    }
}

impl ChosenTrial {
    fn of(row: BoardRow) -> Self {
        Self {
            model: row.model,
            kind: row.kind,
            label: row.label,
            baseline: row.baseline,
            run_ids: row.run_ids,
            test: row.test.mean,
            skill: row.skill,
        }
    }
}
