//! A resolved run as keys to paste into an experiment file.

use toml::{Table, Value};

use super::file::TrainingSpec;
use super::run_spec::RunSpec;

impl RunSpec {
    /// The keys that make an experiment's trial this run: those of `[training]` that are not the defaults, the lookback where
    /// the model reads it from the task, and the `[[models]]` entry with all its hyperparameters.
    ///
    /// # Errors
    /// Values that TOML cannot write, such as whole numbers beyond 63 bits.
    pub fn to_keys(&self) -> Result<String, toml::ser::Error> {
        let mut keys = Table::new();
        if self.model.is_trained() {
            let defaults = Table::try_from(TrainingSpec::default())?;
            let mut training = Table::try_from(&self.training)?;
            training.retain(|key, value| defaults.get(key) != Some(value));
            if !training.is_empty() {
                keys.insert("training".to_string(), Value::Table(training));
            }
        }
        if self.model.own_lookback().is_none() && self.model.kind() != "ensemble" {
            let lookback = i64::try_from(self.task.lookback()).unwrap_or(i64::MAX);
            let task = Table::from_iter([("lookback".to_string(), Value::Integer(lookback))]);
            let kind = Table::from_iter([(self.task.kind().to_string(), Value::Table(task))]);
            keys.insert("task".to_string(), Value::Table(kind));
        }
        let model = Value::try_from(&self.model)?;
        keys.insert("models".to_string(), Value::Array(vec![model]));
        toml::to_string(&keys)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::spec::{Experiment, RunSpec};

    const HEAD: &str =
        "name = \"e\"\n[dataset]\nsource = \"synthetic-burstgpt\"\n[task.next_request]\nhorizon = 3\n";

    #[test]
    fn pasted_keys_make_the_same_trial() {
        let text = format!(
            "{HEAD}lookback = 7\n[training]\nepochs = 4\nlearning_rate = 0.01\n[training.schedule.cosine]\nmin_learning_rate = 0.001\n\
             [[models]]\n[models.lstm]\nhidden = 8\n"
        );
        let experiment = Experiment::parse("e.toml", text, &[]).unwrap();
        let spec = &experiment.trials[0].spec;
        let keys = spec.to_keys().unwrap();
        assert!(keys.contains("learning_rate = 0.01") && !keys.contains("batch_size"), "{keys}");
        let mut whole: toml::Table = HEAD.parse().unwrap();
        for (key, value) in keys.parse::<toml::Table>().unwrap() {
            match (whole.get_mut(&key), value) {
                (Some(toml::Value::Table(own)), toml::Value::Table(more)) => {
                    let (kind, fields) = more.into_iter().next().unwrap();
                    let own = own.get_mut(&kind).unwrap().as_table_mut().unwrap();
                    own.extend(fields.as_table().unwrap().clone());
                }
                (_, value) => {
                    whole.insert(key, value);
                }
            }
        }
        let pasted = Experiment::parse("e.toml", whole.to_string(), &[]).unwrap();
        assert_eq!(pasted.trials[0].spec, *spec);
    }

    #[test]
    fn a_model_that_is_not_trained_has_its_entry_alone() {
        let text = format!("{HEAD}lookback = 7\n[[models]]\n[models.persistence]\n");
        let experiment = Experiment::parse("e.toml", text, &[]).unwrap();
        assert_eq!(experiment.trials[0].spec.to_keys().unwrap().trim(), "[[models]]\n\n[models.persistence]");
    }

    #[test]
    fn a_run_comes_back_from_the_parameters_that_the_store_keeps() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments");
        let mut kinds = std::collections::BTreeSet::new();
        for entry in walkdir::WalkDir::new(folder).into_iter().map(Result::unwrap) {
            let Ok(experiment) = Experiment::load(entry.path(), &[]) else { continue };
            for trial in experiment.trials.iter().chain(&experiment.corners()) {
                kinds.insert(trial.spec.model.kind());
                assert_eq!(RunSpec::from_params(&trial.spec.params()).unwrap(), trial.spec);
            }
        }
        assert!(kinds.len() > 15, "{kinds:?}");
    }
}
