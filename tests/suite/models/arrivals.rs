//! Models of the times between requests.

use super::*;

#[test]
fn a_renewal_process_is_scored_by_its_own_distribution() {
    let lab = zoo();
    let score = |family: &str, part: &str, name: &str| {
        let sql = format!(
            "select value from runs join metrics using (run_id) where model = 'renewal' and part = '{part}' and \
             target = 'gap_s' and unit = 'original' and name = '{name}' and params->>'$.model.distribution' = '{family}'"
        );
        lab.scalar(&sql).as_f64().unwrap()
    };
    // The exponential law is the gamma and the Weibull law with shape 1: where these are fitted, they fit no worse.
    for family in ["gamma", "weibull"] {
        assert!(score(family, "train", "nll") <= score("exponential", "train", "nll") + 1e-3, "{family}");
    }
    for family in ["exponential", "gamma", "weibull", "lognormal"] {
        let (nll, crps) = (score(family, "test", "nll"), score(family, "test", "crps_model"));
        assert!(nll > 0.0 && nll < 20.0 && crps > 0.0 && crps < 1.0, "{family}: {nll}, {crps}");
        // Calibrated and on seven quantiles instead of all, it is nearly the same score.
        let quantiles = score(family, "test", "crps");
        assert!((crps / quantiles - 1.0).abs() < 0.2, "{family}: {crps} against {quantiles}");
    }
    let others = "select count(*) from runs join metrics using (run_id) where name = 'nll' and model not in ('renewal', 'hawkes', 'neural_point_process')";
    assert_eq!(lab.scalar(others), 0);
}

#[test]
fn a_self_exciting_process_is_at_least_as_likely_as_one_without_memory() {
    let lab = zoo();
    let nll = |model: &str, part: &str| {
        let sql = format!(
            "select min(value) from runs join metrics using (run_id) where model = '{model}' and part = '{part}' and \
             target = 'gap_s' and name = 'nll' and (model = 'hawkes' or params->>'$.model.distribution' = 'exponential')"
        );
        lab.scalar(&sql).as_f64().unwrap()
    };
    // A process that excites nothing is a Poisson process. Forecasts see the lookback only, hence the margin.
    let (hawkes, poisson) = (nll("hawkes", "train"), nll("renewal", "train"));
    assert!(hawkes <= poisson + 5e-3, "{hawkes} against {poisson}");
    let sql = "select value from runs join metrics using (run_id) where model = 'hawkes' and part = 'test' and \
               target = 'gap_s' and unit = 'original' and name = ";
    let [own, quantiles] =
        ["'crps_model'", "'crps'"].map(|name| lab.scalar(&format!("{sql}{name}")).as_f64().unwrap());
    assert!((own / quantiles - 1.0).abs() < 0.2, "{own} against {quantiles}");
}

#[test]
fn a_neural_point_process_learns_to_be_likelier_than_one_law_for_all_gaps() {
    let lab = Lab::new();
    let file = lab.azure(
        "arrivals",
        "[task.next_request]\nlookback = 10\n[training]\nepochs = 12\nlearning_rate = 5e-3\nloss = \"huber\"\n\
         [[models]]\n[models.linear]\n[[models]]\n[models.neural_point_process]\nhidden = 8\ncomponents = 3\n\
         [[models]]\n[models.renewal]\ndistribution = { grid = [\"exponential\", \"weibull\", \"lognormal\"] }\n",
    );
    lab.run(&file, &[]);
    let score = |model: &str, part: &str, name: &str| {
        let sql = format!(
            "select min(value) from runs join metrics using (run_id) where model = '{model}' and part = '{part}' and \
             target = 'gap_s' and unit = 'original' and name = '{name}'"
        );
        lab.scalar(&sql).as_f64().unwrap()
    };
    let [own, best_law] = ["neural_point_process", "renewal"].map(|model| score(model, "train", "nll"));
    assert!(own < best_law, "{own} against {best_law}");
    let [own, quantiles] = ["crps_model", "crps"].map(|name| score("neural_point_process", "test", name));
    assert!((own / quantiles - 1.0).abs() < 0.2, "{own} against {quantiles}");
    let loss = "select params->>'$.training.loss' from runs where model = 'neural_point_process'";
    assert_eq!(lab.scalar(loss), "mse", "what it minimises is its own, so the key leaves its run");
}
