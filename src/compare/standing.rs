//! How a revision stands, for lists of experiments.

use serde::{Deserialize, Serialize};

use super::board::Board;
use super::comparison::boards;
use super::grouping::group_by;
use super::leaders::{STANDING_VERSION, SettingModels};
use super::settings::{Objectives, axes_of, objective_of, settings_of};
use crate::spec::{BASELINES, ObjectiveSpec};
use crate::store::{RevisionCounts, RevisionRow, RunRow, Status, Store};

/// A revision with what came of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RevisionStanding {
    version: u32,
    /// How many of its runs stand where.
    pub counts: RevisionCounts,
    /// The model with the lowest test error in each setting, and its skill.
    pub best: Vec<BestModel>,
    /// Whether a supervisor is at it.
    #[serde(skip)]
    pub is_running: bool,
    /// The metric that its trials are chosen by.
    pub objective: ObjectiveSpec,
    /// The mean objective of each trial of the first setting of which every run is done, in the order of the plan: those of
    /// trained models, or of all where none is trained.
    pub course: Vec<f64>,
}

/// The best model of a setting.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BestModel {
    /// The model with the axis values of its trial.
    pub label: String,
    /// How much lower its error is than that of the best naive baseline.
    pub skill: Option<f64>,
}

impl RevisionStanding {
    /// Reads how a revision stands: what is kept of it, or else from its runs in the store.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn read(store: &mut Store, revision: &RevisionRow) -> anyhow::Result<Self> {
        let kept = store.kept_standing(&revision.id())?;
        let mut standing = match kept.as_deref().and_then(Self::of_kept) {
            Some(kept) => kept,
            None => Self::compute(store, revision)?.0,
        };
        standing.is_running = revision.finished_at.is_none()
            && store.is_at_work(&revision.experiment, Some(revision.revision))?;
        Ok(standing)
    }

    /// A standing as it is kept; `None` if another version of this program kept other things.
    pub fn of_kept(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok().filter(|standing: &Self| standing.version == STANDING_VERSION)
    }

    /// How a revision stands, and its leaders.
    fn compute(store: &mut Store, revision: &RevisionRow) -> anyhow::Result<(Self, Vec<SettingModels>)> {
        let id = revision.id();
        let counts = store.counts_of(&id)?;
        let objective = objective_of(revision)?;
        let objectives = Objectives::read(store, &id, &objective)?;
        let runs = store.planned_runs(&id)?;
        let settings = settings_of(&runs);
        let boards = boards(&settings, revision, &objectives, &axes_of(revision)?);
        let course = settings.first().map_or(Vec::new(), |(_, runs)| course(runs, &objectives));
        let standing = Self {
            version: STANDING_VERSION,
            counts,
            best: boards.iter().filter_map(best_of).collect(),
            is_running: false,
            objective,
            course,
        };
        Ok((standing, SettingModels::of(boards)))
    }

    /// The best model of the first setting.
    pub fn skill(&self) -> Option<f64> {
        self.best.first().and_then(|best| best.skill)
    }

    /// How the last execution of the revision ended.
    pub fn ended(&self, revision: &RevisionRow) -> String {
        match (&revision.outcome, &revision.finished_at) {
            (Some(outcome), _) => outcome.clone(),
            (None, _) if self.is_running => "running".to_string(),
            (None, Some(_)) => "not recorded".to_string(),
            (None, None) => "killed, or never ended".to_string(),
        }
    }
}

/// Keeps how every revision stands whose last execution has ended, where that is not kept yet, so that lists need not compute it.
///
/// # Errors
/// A store that cannot be read or written.
pub fn keep_standings(store: &mut Store) -> anyhow::Result<()> {
    for revision in store.revisions_without_standing(is_readable)? {
        let id = revision.id();
        let mark = store.revision_mark(&id)?;
        // A damaged row of one experiment is told of where that experiment is read, and costs no other one anything.
        let Ok((standing, leaders)) = RevisionStanding::compute(store, &revision) else { continue };
        let kept = [serde_json::to_string(&standing)?, SettingModels::to_kept(leaders)?];
        store.keep_standing(&id, &mark, kept.each_ref().map(String::as_str))?;
    }
    Ok(())
}

fn is_readable([standing, leaders]: [&str; 2]) -> bool {
    RevisionStanding::of_kept(standing).is_some() && SettingModels::of_kept(leaders).is_some()
}

/// What people want to know is how good their models are; the baselines are in the skill.
fn best_of(board: &Board) -> Option<BestModel> {
    let row = board.rows.iter().find(|row| !row.baseline).or(board.rows.first())?;
    let mark = if row.baseline { " (baseline)" } else { "" };
    Some(BestModel { label: format!("{}{mark}", row.label), skill: row.skill })
}

fn course(runs: &[&RunRow], objectives: &Objectives) -> Vec<f64> {
    let mean = |own: &[&RunRow]| -> Option<f64> {
        let value = |run: &&RunRow| {
            if run.status == Status::Done { objectives.chosen.get(&run.run_id).copied() } else { None }
        };
        let values: Vec<f64> = own.iter().map(value).collect::<Option<_>>()?;
        Some(values.iter().sum::<f64>() / values.len() as f64).filter(|mean| mean.is_finite())
    };
    let of = |is_wanted: &dyn Fn(&RunRow) -> bool| -> Vec<f64> {
        let wanted = runs.iter().copied().filter(|run| is_wanted(run));
        let trials = group_by(wanted, |run| &run.params);
        trials.iter().filter_map(|(_, own)| mean(own)).collect()
    };
    let trained = of(&|run| !BASELINES.contains(&run.model.as_str()));
    if trained.is_empty() { of(&|_| true) } else { trained }
}
