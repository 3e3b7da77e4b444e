//! Which share of a plan a task of an array job is, from the variables that batch systems set.

use super::share::Share;

/// Says how many parts there are where the batch system does not, or where only some of its tasks are submitted again.
const PARTS: &str = "BURSTLAB_PARTS";

/// How a batch system tells a task which one it is.
struct ArraySystem {
    name: &'static str,
    /// The variable with the task's number.
    index: &'static str,
    /// The variable with the number of tasks, where there is one.
    count: Option<&'static str>,
    /// Variables with the first and the last number, where the user chooses them and the count is that of the tasks between
    /// them. A task that is submitted again is then counted without its siblings, and only [`PARTS`] knows of those.
    chosen: Option<[&'static str; 2]>,
    /// What the first task is called.
    first: u64,
}

const SYSTEMS: [ArraySystem; 5] = [
    ArraySystem {
        name: "Slurm",
        index: "SLURM_ARRAY_TASK_ID",
        count: Some("SLURM_ARRAY_TASK_COUNT"),
        chosen: Some(["SLURM_ARRAY_TASK_MIN", "SLURM_ARRAY_TASK_MAX"]),
        first: 1,
    },
    ArraySystem { name: "Kubernetes", index: "JOB_COMPLETION_INDEX", count: None, chosen: None, first: 0 },
    ArraySystem {
        name: "SkyPilot",
        index: "SKYPILOT_JOB_RANK",
        count: Some("SKYPILOT_NUM_JOBS"),
        chosen: None,
        first: 0,
    },
    ArraySystem { name: "HyperQueue", index: "HQ_TASK_ID", count: None, chosen: None, first: 1 },
    ArraySystem { name: "PBS", index: "PBS_ARRAY_INDEX", count: None, chosen: None, first: 1 },
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
        let last = system.first.saturating_add(count).saturating_sub(1);
        match index.checked_sub(system.first) {
            Some(offset) if offset < count => Share::new(offset as usize + 1, count as usize).map(Some),
            _ => Err(format!(
                "{name} is {index}, which is none of the {count} parts that tasks of {tasks} from {first} to {last} stand \
                 for; number the tasks without gaps from {first}, or set {PARTS} to the number of parts",
                name = system.index,
                tasks = system.name,
                first = system.first,
            )),
        }
    }

    /// How many parts there are.
    fn count(&self, system: &ArraySystem) -> Result<u64, String> {
        let own = match system.count {
            Some(name) => self.number(name)?.map(|count| (name, count)),
            None => None,
        };
        match (own, self.number(PARTS)?, system.chosen) {
            (Some(_), Some(parts), Some(_)) => Ok(parts),
            (Some((name, count)), Some(parts), None) if count != parts => Err(format!(
                "{name} is {count} and {PARTS} is {parts}: unset {PARTS}, or submit an array of {parts} tasks"
            )),
            (Some((name, count)), None, Some(range)) => {
                self.require_whole(name, count, range, system.first)?;
                Ok(count)
            }
            (Some((_, count)), _, _) | (None, Some(count), _) => Ok(count),
            (None, None, _) => {
                let names = system.count.map_or(PARTS.to_string(), |name| format!("{name} or {PARTS}"));
                Err(format!(
                    "{} is set, but nothing says how many parts there are: set {names} to the number of tasks",
                    system.index
                ))
            }
        }
    }

    /// Refuses an array that may be some tasks of a larger one, whose parts would be those of another division.
    fn require_whole(
        &self,
        name: &str,
        count: u64,
        [lowest, highest]: [&str; 2],
        first: u64,
    ) -> Result<(), String> {
        let remedy =
            format!("set {PARTS} to the number of parts, also where only some tasks are submitted again");
        let last = first.saturating_add(count).saturating_sub(1);
        for (end, expected) in [(lowest, first), (highest, last)] {
            if let Some(given) = self.number(end)?.filter(|given| *given != expected) {
                return Err(format!(
                    "{end} is {given}, but the {count} tasks of a whole array are numbered from {first} to {last}: number \
                     them so, or {remedy}"
                ));
            }
        }
        if count == 1 {
            return Err(format!("{name} is 1, which does not tell a part from the whole plan: {remedy}"));
        }
        Ok(())
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

    fn slurm<'a>(id: &'a str, count: &'a str, min: &'a str, max: &'a str) -> [(&'static str, &'a str); 4] {
        [
            ("SLURM_ARRAY_TASK_ID", id),
            ("SLURM_ARRAY_TASK_COUNT", count),
            ("SLURM_ARRAY_TASK_MIN", min),
            ("SLURM_ARRAY_TASK_MAX", max),
        ]
    }

    #[test]
    fn every_batch_system_names_its_part() {
        assert_eq!(share(&slurm("1", "4", "1", "4")).unwrap(), "1/4");
        assert_eq!(share(&slurm("4", "4", "1", "4")).unwrap(), "4/4");
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
    fn slurm_tasks_that_are_submitted_again_are_the_parts_they_were() {
        for (variables, part) in [
            (slurm("3", "1", "3", "3"), "3/8"),
            (slurm("6", "4", "5", "8"), "6/8"),
            (slurm("1", "1", "1", "1"), "1/8"),
            (slurm("7", "3", "2", "7"), "7/8"),
        ] {
            let mut variables = variables.to_vec();
            let alone = share(&variables).unwrap_err();
            assert!(alone.contains("set BURSTLAB_PARTS to the number of parts"), "{alone}");
            variables.push((PARTS, "8"));
            assert_eq!(share(&variables).unwrap(), part);
        }
    }

    #[test]
    fn what_does_not_name_a_part_is_an_error_that_names_the_variable() {
        let gaps = slurm("3", "4", "1", "7");
        let from_zero = slurm("0", "4", "0", "3");
        let mut zero_of_parts = from_zero.to_vec();
        zero_of_parts.push((PARTS, "4"));
        let refused: [(&[(&str, &str)], &str); 12] = [
            (&gaps, "SLURM_ARRAY_TASK_MAX is 7, but the 4 tasks of a whole array are numbered from 1 to 4"),
            (
                &from_zero,
                "SLURM_ARRAY_TASK_MIN is 0, but the 4 tasks of a whole array are numbered from 1 to 4",
            ),
            (&zero_of_parts, "SLURM_ARRAY_TASK_ID is 0, which is none of the 4 parts"),
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
        fn the_tasks_of_a_whole_slurm_array_are_all_the_parts_in_order(count in 2_u64..200) {
            let last = count.to_string();
            for task in 1..=count {
                let found = share(&slurm(&task.to_string(), &last, "1", &last));
                prop_assert_eq!(found, Ok(format!("{task}/{count}")));
            }
        }

        #[test]
        fn a_slurm_task_is_the_same_part_whatever_it_is_submitted_with(
            parts in 1_u64..200, min in 0_u64..200, more in 0_u64..200, id in 0_u64..250,
        ) {
            let (count, least, most) = ((more + 1).to_string(), min.to_string(), (min + more).to_string());
            let (id_text, parts_text) = (id.to_string(), parts.to_string());
            let mut variables = slurm(&id_text, &count, &least, &most).to_vec();
            variables.push((PARTS, &parts_text));
            let found = share(&variables);
            if (1..=parts).contains(&id) {
                prop_assert_eq!(found, Ok(format!("{id}/{parts}")));
            } else {
                prop_assert!(found.is_err());
            }
        }

        #[test]
        fn whatever_is_in_the_variables_is_a_part_or_an_error(
            id in ".{0,8}", count in "[0-9]{0,22}", min in "[0-9-]{0,4}", parts in "[0-9]{0,22}",
        ) {
            let found = share(&[
                ("SLURM_ARRAY_TASK_ID", &id),
                ("SLURM_ARRAY_TASK_COUNT", &count),
                ("SLURM_ARRAY_TASK_MIN", &min),
                (PARTS, &parts),
            ]);
            if let Ok(share) = found {
                let (index, count) = share.split_once('/').unwrap();
                let (index, count): (u64, u64) = (index.parse().unwrap(), count.parse().unwrap());
                prop_assert!(index >= 1 && index <= count);
            }
        }
    }
}
