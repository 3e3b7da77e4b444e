//! Which share of a plan a task of an array job is, from the variables that batch systems set.

use super::partition::Share;

/// Says how many parts there are where the batch system does not.
const PARTS: &str = "BURSTLAB_PARTS";

/// How a batch system tells a task which one it is.
struct ArraySystem {
    name: &'static str,
    /// The variable with the task's number.
    index: &'static str,
    /// The variable with the number of tasks, where there is one.
    count: Option<&'static str>,
    /// Variables with the first number, the step between two, and the last one, where the user chooses them.
    spacing: Option<[&'static str; 3]>,
    /// What the first task is called, unless the user chooses that.
    first: u64,
}

const SYSTEMS: [ArraySystem; 5] = [
    ArraySystem {
        name: "Slurm",
        index: "SLURM_ARRAY_TASK_ID",
        count: Some("SLURM_ARRAY_TASK_COUNT"),
        spacing: Some(["SLURM_ARRAY_TASK_MIN", "SLURM_ARRAY_TASK_STEP", "SLURM_ARRAY_TASK_MAX"]),
        first: 1,
    },
    ArraySystem { name: "Kubernetes", index: "JOB_COMPLETION_INDEX", count: None, spacing: None, first: 0 },
    ArraySystem {
        name: "SkyPilot",
        index: "SKYPILOT_JOB_RANK",
        count: Some("SKYPILOT_NUM_JOBS"),
        spacing: None,
        first: 0,
    },
    ArraySystem { name: "HyperQueue", index: "HQ_TASK_ID", count: None, spacing: None, first: 1 },
    ArraySystem { name: "PBS", index: "PBS_ARRAY_INDEX", count: None, spacing: None, first: 1 },
];

/// The share of the task that runs in this environment, which `variable` looks up. An empty variable counts as none.
pub(super) fn share_of_array_job(variable: &impl Fn(&str) -> Option<String>) -> Result<Share, String> {
    let environment = Environment { variable };
    let mut found: Option<(&ArraySystem, Share)> = None;
    for system in &SYSTEMS {
        let Some(share) = environment.share(system)? else { continue };
        match found {
            Some((other, before)) if before != share => {
                return Err(format!(
                    "{} says part {before} and {} says part {share}: unset the variables of {} or of {}, or name the \
                     part instead of auto",
                    other.index, system.index, other.name, system.name
                ));
            }
            _ => found = Some((system, share)),
        }
    }
    found.map(|(_, share)| share).ok_or_else(|| {
        let known: Vec<String> =
            SYSTEMS.iter().map(|system| format!("{} ({})", system.index, system.name)).collect();
        format!(
            "this is no task of an array job: none of {} is set; name the part, e.g. 2/4",
            known.join(", ")
        )
    })
}

struct Environment<'a, F> {
    variable: &'a F,
}

impl<F: Fn(&str) -> Option<String>> Environment<'_, F> {
    /// The share that one batch system names; `None` where it has not started this process.
    fn share(&self, system: &ArraySystem) -> Result<Option<Share>, String> {
        let Some(index) = self.number(system.index)? else { return Ok(None) };
        let count = self.count(system)?;
        let (first, step, given_last) = match system.spacing {
            Some([first, step, last]) => (
                self.number(first)?.unwrap_or(system.first),
                self.number(step)?.unwrap_or(1).max(1),
                self.number(last)?.map(|number| (last, number)),
            ),
            None => (system.first, 1, None),
        };
        let last = first.saturating_add(count.saturating_sub(1).saturating_mul(step));
        if let Some((name, given)) = given_last.filter(|(_, given)| *given != last) {
            return Err(format!(
                "{name} is {given}, but {count} tasks from {first} in steps of {step} end with {last}: the array has gaps, and \
                 its tasks stand for no parts; number them evenly, or name the part instead of auto"
            ));
        }
        let misplaced = |index: u64| {
            let (name, tasks) = (system.index, system.name);
            Err(format!(
                "{name} is {index}, which is none of the {count} parts that tasks of {tasks} from {first} to {last} stand \
                 for; number the tasks without gaps from {first}, or set {PARTS} to their number"
            ))
        };
        let Some(offset) = index.checked_sub(first).filter(|offset| offset.is_multiple_of(step)) else {
            return misplaced(index);
        };
        let offset = offset / step;
        if offset >= count {
            return misplaced(index);
        }
        Share::new(offset as usize + 1, count as usize).map(Some)
    }

    /// How many tasks there are.
    fn count(&self, system: &ArraySystem) -> Result<u64, String> {
        let own = match system.count {
            Some(name) => self.number(name)?.map(|count| (name, count)),
            None => None,
        };
        match (own, self.number(PARTS)?) {
            (Some((name, count)), Some(parts)) if count != parts => Err(format!(
                "{name} is {count} and {PARTS} is {parts}: unset {PARTS}, or submit an array of {parts} tasks"
            )),
            (Some((_, count)), _) | (None, Some(count)) => Ok(count),
            (None, None) => {
                let names = system.count.map_or(PARTS.to_string(), |name| format!("{name} or {PARTS}"));
                Err(format!(
                    "{} is set, but nothing says how many parts there are: set {names} to the number of tasks",
                    system.index
                ))
            }
        }
    }

    fn number(&self, name: &str) -> Result<Option<u64>, String> {
        let Some(text) = (self.variable)(name) else { return Ok(None) };
        match text.trim() {
            "" => Ok(None),
            text => text.parse().map(Some).map_err(|_| format!("{name} is `{text}`, which is not a number")),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn share(variables: &[(&str, &str)]) -> Result<String, String> {
        let look = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.to_string())
        };
        share_of_array_job(&look).map(|share| share.to_string())
    }

    #[test]
    fn every_batch_system_names_its_part() {
        let slurm = |id, count, min| {
            share(&[
                ("SLURM_ARRAY_TASK_ID", id),
                ("SLURM_ARRAY_TASK_COUNT", count),
                ("SLURM_ARRAY_TASK_MIN", min),
            ])
        };
        assert_eq!(slurm("1", "4", "1").unwrap(), "1/4");
        assert_eq!(slurm("0", "4", "0").unwrap(), "1/4");
        assert_eq!(slurm("3", "4", "0").unwrap(), "4/4");
        assert_eq!(share(&[("JOB_COMPLETION_INDEX", "0"), ("BURSTLAB_PARTS", "3")]).unwrap(), "1/3");
        assert_eq!(share(&[("SKYPILOT_JOB_RANK", "2"), ("SKYPILOT_NUM_JOBS", "3")]).unwrap(), "3/3");
        assert_eq!(share(&[("HQ_TASK_ID", "2"), ("BURSTLAB_PARTS", "3")]).unwrap(), "2/3");
        assert_eq!(share(&[("PBS_ARRAY_INDEX", "3"), ("BURSTLAB_PARTS", "3")]).unwrap(), "3/3");
        let both = [
            ("HQ_TASK_ID", "2"),
            ("JOB_COMPLETION_INDEX", "1"),
            ("BURSTLAB_PARTS", "3"),
            ("PBS_ARRAY_INDEX", ""),
        ];
        assert_eq!(share(&both).unwrap(), "2/3", "an empty variable counts as none");
    }

    #[test]
    fn what_does_not_name_a_part_is_an_error_that_names_the_variable() {
        let gaps = [
            ("SLURM_ARRAY_TASK_ID", "3"),
            ("SLURM_ARRAY_TASK_COUNT", "4"),
            ("SLURM_ARRAY_TASK_MIN", "1"),
            ("SLURM_ARRAY_TASK_MAX", "7"),
        ];
        let refused: [(&[(&str, &str)], &str); 10] = [
            (
                &gaps,
                "SLURM_ARRAY_TASK_MAX is 7, but 4 tasks from 1 in steps of 1 end with 4: the array has gaps",
            ),
            (
                &[],
                "none of SLURM_ARRAY_TASK_ID (Slurm), JOB_COMPLETION_INDEX (Kubernetes), SKYPILOT_JOB_RANK (SkyPilot)",
            ),
            (
                &[("HQ_TASK_ID", "1")],
                "HQ_TASK_ID is set, but nothing says how many parts there are: set BURSTLAB_PARTS",
            ),
            (&[("SLURM_ARRAY_TASK_ID", "1")], "set SLURM_ARRAY_TASK_COUNT or BURSTLAB_PARTS"),
            (&[("SKYPILOT_JOB_RANK", "1")], "set SKYPILOT_NUM_JOBS or BURSTLAB_PARTS"),
            (
                &[("PBS_ARRAY_INDEX", "one"), ("BURSTLAB_PARTS", "3")],
                "PBS_ARRAY_INDEX is `one`, which is not a number",
            ),
            (&[("PBS_ARRAY_INDEX", "0"), ("BURSTLAB_PARTS", "3")], "number the tasks without gaps from 1"),
            (
                &[("JOB_COMPLETION_INDEX", "3"), ("BURSTLAB_PARTS", "3")],
                "JOB_COMPLETION_INDEX is 3, which is none of the 3",
            ),
            (
                &[("SKYPILOT_JOB_RANK", "1"), ("SKYPILOT_NUM_JOBS", "4"), ("BURSTLAB_PARTS", "3")],
                "SKYPILOT_NUM_JOBS is 4 and BURSTLAB_PARTS is 3",
            ),
            (
                &[("HQ_TASK_ID", "2"), ("PBS_ARRAY_INDEX", "1"), ("BURSTLAB_PARTS", "3")],
                "HQ_TASK_ID says part 2/3 and PBS_ARRAY_INDEX says part 1/3",
            ),
        ];
        for (variables, part) in refused {
            let error = share(variables).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }

    proptest! {
        #[test]
        fn the_tasks_of_any_slurm_array_are_all_the_parts_in_order(
            min in 0_u64..1000, step in 1_u64..50, count in 1_u64..200,
        ) {
            for task in 0..count {
                let id = (min + task * step).to_string();
                let found = share(&[
                    ("SLURM_ARRAY_TASK_ID", &id),
                    ("SLURM_ARRAY_TASK_COUNT", &count.to_string()),
                    ("SLURM_ARRAY_TASK_MIN", &min.to_string()),
                    ("SLURM_ARRAY_TASK_STEP", &step.to_string()),
                    ("SLURM_ARRAY_TASK_MAX", &(min + (count - 1) * step).to_string()),
                ]);
                prop_assert_eq!(found, Ok(format!("{}/{count}", task + 1)));
            }
        }

        #[test]
        fn whatever_is_in_the_variables_is_a_part_or_an_error(
            id in ".{0,8}", count in "[0-9]{0,22}", min in "[0-9-]{0,4}", step in "[0-9]{0,3}",
        ) {
            let found = share(&[
                ("SLURM_ARRAY_TASK_ID", &id),
                ("SLURM_ARRAY_TASK_COUNT", &count),
                ("SLURM_ARRAY_TASK_MIN", &min),
                ("SLURM_ARRAY_TASK_STEP", &step),
            ]);
            if let Ok(share) = found {
                let (index, count) = share.split_once('/').unwrap();
                let (index, count): (u64, u64) = (index.parse().unwrap(), count.parse().unwrap());
                prop_assert!(index >= 1 && index <= count);
            }
        }
    }
}
