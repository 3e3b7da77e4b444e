//! `burstlab run --engine kubernetes`: the manifests of a plan, and with `--apply` their way through a cluster.

use std::collections::HashSet;
use std::path::{Path, absolute};

use anyhow::{Context, bail, ensure};
use serde_json::{Value, json};

use super::OutputFormat;
use super::console::Console;
use super::handover::{self, arguments, finished, part_arguments, runs_of};
use super::planned_experiment::PlannedExperiment;
use super::run_args::RunArgs;
use crate::engine::JobCommands;
use crate::engine::kubernetes::{
    self, CONFIG, Cluster, ClusterJob, Manifests, ObjectNames, VOLUME, assignment_hash, by_hand, is_claim,
};
use crate::plan::Assignment;
use crate::spec::{Experiment, KubernetesSpec};
use crate::store::{experiment_folder, results_folder};
use crate::text::counted;

/// Writes the manifests of one planned experiment, or prints them, or takes them through a cluster.
pub(super) fn submit(planned: &PlannedExperiment, args: &RunArgs, console: Console) -> anyhow::Result<()> {
    let experiment = &planned.sweep.experiment;
    let spec = &experiment.spec;
    let settings = &spec.scheduler.kubernetes;
    let image = given(experiment, "image", settings.image.as_deref())?;
    let volume = given(experiment, "volume", settings.volume.as_deref())?;
    let results = absolute(results_folder()).context("cannot find the results folder")?;
    let folder = kubernetes::folder(&results, &spec.name);
    let here = if args.force { HashSet::new() } else { finished(&spec.name, &results)? };
    if planned.sweep.runs().iter().all(|run| here.contains(&run.id)) {
        let runs = planned.sweep.runs().len();
        console.note(&format!("{}: all {runs} runs are done already, nothing to run", spec.name));
        return Ok(());
    }
    if let Some(note) = source_note(&experiment.source_said) {
        console.note(&format!("{}: {note}", spec.name));
    }
    let handing = Handing {
        planned,
        args,
        console,
        cluster: Cluster { namespace: settings.namespace.as_deref() },
        names: ObjectNames::of(&spec.name),
        results: &results,
        folder: &folder,
        image,
        volume,
    };
    handing.hand_over(here)
}

/// What is to be said of a path of this machine that the pods are given as it is. An image may well hold it, so it is no error.
fn source_note(source: &str) -> Option<String> {
    let path = Path::new(source);
    (path.is_absolute() && !path.starts_with(VOLUME)).then(|| {
        format!(
            "dataset.source is {source}, and a pod finds it only if the image has a file of this name; else put the trace into \
             the folder dataset of the volume and name it relative to that, or as {VOLUME}/dataset/NAME"
        )
    })
}

/// What the cluster cannot do without.
fn given<'a>(experiment: &Experiment, key: &str, value: Option<&'a str>) -> anyhow::Result<&'a str> {
    value.ok_or_else(|| {
        let message = format!("scheduler.kubernetes.{key} is missing, and --engine kubernetes needs it");
        let help = match key {
            "image" => "name an image with burstlab, e.g. image = \"registry.example.org/burstlab:0.1\"",
            _ => "name a volume claim that several pods can write to, e.g. volume = \"burstlab\"",
        };
        experiment.error_at(&["scheduler", "kubernetes"], message, "", help.to_string()).into()
    })
}

/// One experiment on its way to a cluster.
struct Handing<'a> {
    planned: &'a PlannedExperiment,
    args: &'a RunArgs,
    console: Console,
    cluster: Cluster<'a>,
    names: ObjectNames,
    results: &'a Path,
    folder: &'a Path,
    image: &'a str,
    volume: &'a str,
}

impl<'a> Handing<'a> {
    fn hand_over(&self, mut done: HashSet<String>) -> anyhow::Result<()> {
        let name = self.name();
        let mut complete = None;
        if self.args.apply {
            self.cluster.require()?;
            let before = match self.earlier(&self.names.parts, &done)? {
                Some((earlier, job)) if !job.is_over() => {
                    self.console.note(&format!("{name}: the job {} is under way", self.names.parts));
                    self.wait_for_parts()?;
                    let manifests = self.manifests(earlier, job.parts);
                    return self.run_last(&manifests);
                }
                before => before,
            };
            // The last job runs what the parts left, so nothing is handed over beside it.
            if let Some((earlier, last)) = self.earlier(&self.names.last, &done)?
                && !last.is_over()
            {
                return self.run_last(&self.manifests(earlier, last.parts));
            }
            if let Some((earlier, job)) = before
                && !self.args.force
            {
                done.extend(earlier.done_but_for(&job.incomplete()).cloned());
                // The job that says so stays as it is.
                complete = Some(earlier).filter(|earlier| earlier.incomplete(&done).is_empty());
            }
        }
        let parts = self.settings().parts;
        let assignment = match complete {
            Some(assignment) => assignment,
            None => handover::assignment(self.planned, parts, self.folder, &done, &[self.results])?,
        };
        let incomplete = assignment.incomplete(&done);
        let manifests = self.manifests(assignment, incomplete);
        if self.args.dry_run {
            return self.show(&manifests);
        }
        if !self.args.apply {
            return self.write(&manifests);
        }
        if manifests.parts.is_empty() {
            let last = self.cluster.job(&self.names.last)?;
            let hash = assignment_hash(&manifests.assignment)?;
            if last.is_some_and(|last| last.success == Some(true) && last.assignment == hash) {
                self.console.note(&format!("{name}: all parts and the last job are done, nothing to run"));
                return Ok(());
            }
        }
        self.run_parts(&manifests)?;
        self.run_last(&manifests)
    }

    /// The parts that were handed over last time and the job of this name, where they divide this very plan.
    fn earlier(
        &self,
        job_name: &str,
        done: &HashSet<String>,
    ) -> anyhow::Result<Option<(Assignment, ClusterJob)>> {
        let Some(job) = self.cluster.job(job_name)? else { return Ok(None) };
        let earlier = Assignment::read(&self.folder.join("parts.json"))?;
        let earlier = match earlier {
            Some(earlier) if assignment_hash(&earlier)? == job.assignment => {
                let every: Vec<usize> = (1..=earlier.part_count()).collect();
                let known = done.iter().chain(earlier.done_but_for(&every)).cloned().collect();
                earlier.covers(runs_of(&self.planned.sweep), &known, earlier.part_count()).then_some(earlier)
            }
            _ => None,
        };
        ensure!(
            earlier.is_some() || job.is_over(),
            "the job {job_name} runs the parts of another plan; wait for its end, or remove it with `kubectl delete job {job_name}`"
        );
        Ok(earlier.map(|earlier| (earlier, job)))
    }

    fn manifests(&self, assignment: Assignment, parts: Vec<usize>) -> Manifests<'a> {
        let PlannedExperiment { sweep, class, .. } = self.planned;
        let experiment = &sweep.experiment;
        let settings = &experiment.spec.scheduler.kubernetes;
        // On the volume the folders are named as they are here.
        let results = Path::new(VOLUME).join("results");
        let commands = JobCommands {
            program: "burstlab".to_string(),
            results: results.display().to_string(),
            folder: kubernetes::folder(&results, &experiment.spec.name).display().to_string(),
            assignment: format!("{CONFIG}/parts.json"),
            count: assignment.part_count(),
            arguments: arguments(
                &format!("{CONFIG}/experiment.toml"),
                experiment,
                settings.cpus,
                class,
                self.args,
            ),
            part_arguments: part_arguments(self.args),
        };
        Manifests {
            experiment: &experiment.spec.name,
            text: &experiment.text,
            kubernetes: settings,
            image: self.image,
            volume: self.volume,
            grace: experiment.spec.scheduler.grace.0,
            commands,
            assignment,
            parts,
        }
    }

    fn show(&self, manifests: &Manifests<'_>) -> anyhow::Result<()> {
        let (all, parts) = (manifests.all()?, &manifests.parts);
        if self.args.format == OutputFormat::Json {
            let manifests: Vec<&Value> = all.iter().map(|(_, manifest)| manifest).collect();
            self.result(json!({ "parts": parts, "manifests": manifests }));
            return Ok(());
        }
        for (file, manifest) in all {
            self.console.result(&format!("# {}\n{manifest:#}", self.folder.join(file).display()));
        }
        Ok(())
    }

    fn write(&self, manifests: &Manifests<'_>) -> anyhow::Result<()> {
        let files = kubernetes::write(manifests, self.folder)?;
        if self.args.format == OutputFormat::Json {
            self.result(json!({
                "parts": manifests.parts, "first": files.first, "last": files.last, "applied": false,
            }));
            return Ok(());
        }
        let commands = by_hand(&files, self.cluster.namespace, self.name());
        self.console.result(&format!(
            "{}: {} of {} parts have runs left; to hand them over, give --apply, or\n    {}",
            self.name(),
            manifests.parts.len(),
            self.settings().parts,
            commands.join("\n    ")
        ));
        Ok(())
    }

    /// Hands over the parts that have runs left, if any, and waits until their job is over.
    fn run_parts(&self, manifests: &Manifests<'_>) -> anyhow::Result<()> {
        let files = kubernetes::write(manifests, self.folder)?;
        if !manifests.parts.is_empty() {
            // A job cannot be changed once it is made.
            self.cluster.remove(&self.names.parts)?;
        }
        for manifest in &files.first {
            if is_claim(manifest) {
                self.cluster.make_claim(self.volume, manifest)?;
            } else {
                self.cluster.apply(manifest)?;
            }
        }
        if manifests.parts.is_empty() {
            self.console.note(&format!("{}: every part is done", self.name()));
            return Ok(());
        }
        self.console.note(&format!(
            "{}: the job {} runs {} of {} parts",
            self.name(),
            self.names.parts,
            manifests.parts.len(),
            manifests.commands.count
        ));
        self.wait_for_parts()
    }

    /// A part that is given up stops nothing: the last job runs what it left.
    fn wait_for_parts(&self) -> anyhow::Result<()> {
        let name = self.name();
        let report = |job: &ClusterJob| {
            let failed = match job.failed.len() {
                0 => String::new(),
                failed => format!(", {} given up", counted(failed, "part")),
            };
            let of = job.parts.len();
            self.console.note(&format!("{name}: {} of {of} parts complete{failed}", job.completed.len()));
        };
        let job =
            kubernetes::wait(&self.cluster, &self.names.parts, report, |error| self.note_silence(error))?;
        if job.success == Some(false) {
            self.console.note(&format!(
                "{name}: {} did not complete, and the last job runs what is left; `{}` shows why",
                counted(job.incomplete().len(), "part"),
                self.cluster.logs_command(&self.names.parts)
            ));
        }
        Ok(())
    }

    fn run_last(&self, manifests: &Manifests<'_>) -> anyhow::Result<()> {
        let (name, last) = (self.name(), &self.names.last);
        let hash = assignment_hash(&manifests.assignment)?;
        match self.cluster.job(last)?.filter(|job| !job.is_over()) {
            Some(job) if job.assignment == hash => {
                self.console.note(&format!("{name}: the job {last} is under way"));
            }
            Some(_) => bail!(
                "the job {last} runs another plan; wait for its end, or remove it with `kubectl delete job {last}`"
            ),
            None => {
                let files = kubernetes::write(manifests, self.folder)?;
                self.cluster.remove(last)?;
                self.cluster.apply(&files.last)?;
                self.console.note(&format!(
                    "{name}: the job {last} merges the stores, runs what is left and writes the report"
                ));
            }
        }
        let job = kubernetes::wait(&self.cluster, last, |_| {}, |error| self.note_silence(error))?;
        if job.success != Some(true) {
            bail!(
                "the job {last} failed: `{}` shows why, and the same command tries again",
                self.cluster.logs_command(last)
            );
        }
        let report = experiment_folder(Path::new("results"), name).join("report.html");
        if self.args.format == OutputFormat::Json {
            self.result(json!({
                "parts": manifests.parts, "last": last, "applied": true, "volume": self.volume, "report": report,
            }));
            return Ok(());
        }
        let volume = self.volume;
        self.console.result(&format!("{name}: the report is {} on the volume {volume}", report.display()));
        Ok(())
    }

    fn note_silence(&self, error: &anyhow::Error) {
        self.console
            .note(&format!("{}: the cluster does not answer and is asked again: {error:#}", self.name()));
    }

    /// Prints a document with the name of the experiment.
    fn result(&self, mut document: Value) {
        document["experiment"] = json!(self.name());
        self.console.result(&document.to_string());
    }

    fn name(&self) -> &'a str {
        &self.planned.sweep.experiment.spec.name
    }

    fn settings(&self) -> &'a KubernetesSpec {
        &self.planned.sweep.experiment.spec.scheduler.kubernetes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_path_that_pods_may_not_have_is_worth_a_note() {
        for source in ["azure-conv", "traces/load.csv", "/burstlab/dataset/load.csv"] {
            assert_eq!(source_note(source), None);
        }
        let note = source_note("/data/load.csv").unwrap();
        assert!(note.contains("dataset.source is /data/load.csv"), "{note}");
        assert!(source_note("/burstlab-other/load.csv").is_some());
    }
}
