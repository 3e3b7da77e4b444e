"""Runs Optuna's TPE on the functions of examples/tpe_functions.rs and holds ours to it; called by compare-tpe.sh."""

import json
import math
import pathlib
import sys

import numpy
import optuna

SEEDS, TRIALS = 20, 100
MINIMA = {"branin": 0.397887, "hartmann6": -3.322368, "ackley-mixed": 0.0}
MOST_REGRET = 1.25

HEIGHTS = [1.0, 1.2, 3.0, 3.2]
WIDTHS = [[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14], [3, 3.5, 1.7, 10, 17, 8], [17, 8, 0.05, 10, 0.1, 14]]
CENTRES = [
    [1312, 1696, 5569, 124, 8283, 5886],
    [2329, 4135, 8307, 3736, 1004, 9991],
    [2348, 1451, 3522, 2883, 3047, 6650],
    [4047, 8828, 8732, 5743, 1091, 381],
]


def branin(trial):
    x, y = trial.suggest_float("x", -5, 10), trial.suggest_float("y", 0, 15)
    slope = y - 5.1 / (4 * math.pi**2) * x * x + 5 / math.pi * x - 6
    return slope**2 + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x) + 10


def hartmann6(trial):
    at = [trial.suggest_float(f"x{axis}", 0, 1) for axis in range(6)]
    hills = (
        height * math.exp(-sum(w * (x - c * 1e-4) ** 2 for w, x, c in zip(widths, at, centres)))
        for height, widths, centres in zip(HEIGHTS, WIDTHS, CENTRES)
    )
    return -sum(hills)


def ackley_mixed(trial):
    inner = [
        trial.suggest_float("x", -5, 10),
        trial.suggest_float("y", -5, 10),
        math.log10(trial.suggest_float("rate", 1e-6, 10, log=True)) + 3,
        trial.suggest_int("whole", -10, 10),
    ]
    squares = sum(value * value for value in inner) / 4
    cosines = sum(math.cos(2 * math.pi * value) for value in inner) / 4
    offset = [2.0, 0.5, 0.0, 1.0][trial.suggest_categorical("choice", [0, 1, 2, 3])]
    return -20 * math.exp(-0.2 * math.sqrt(squares)) - math.exp(cosines) + 20 + math.e + offset


def optuna_best(function, seed):
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed))
    study.optimize(function, n_trials=TRIALS)
    return study.best_value


def read(path):
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return {line["function"]: numpy.array(line["best"]) for line in lines}


def worse(ours, theirs, minimum):
    """The reason why `ours` is worse than `theirs`, or None."""
    generator = numpy.random.default_rng(0)
    draw = lambda values: numpy.median(generator.choice(values, (10_000, len(values))), axis=1)
    low = numpy.quantile(draw(ours) - draw(theirs), 0.025)
    if low > 0:
        return f"the difference of the medians is above 0 (95 % interval from {low:.4f})"
    ratio = (numpy.median(ours) - minimum) / (numpy.median(theirs) - minimum)
    if ratio > MOST_REGRET:
        return f"the median regret is {ratio:.2f} times Optuna's"
    return None


def main():
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    work = pathlib.Path(sys.argv[1])
    ours, single, control = read(work / "tpe"), read(work / "tpe-single"), read(work / "random")
    print(f"median best of {SEEDS} seeds after {TRIALS} trials; Optuna {optuna.__version__}")
    print(f"{'function':14} {'minimum':>9} {'ours, by 8':>11} {'ours, by 1':>11} {'Optuna':>9} {'random':>9}")
    failures = []
    for name, function in [("branin", branin), ("hartmann6", hartmann6), ("ackley-mixed", ackley_mixed)]:
        theirs = numpy.array([optuna_best(function, seed) for seed in range(SEEDS)])
        medians = [numpy.median(values) for values in (ours[name], single[name], theirs, control[name])]
        print(f"{name:14} {MINIMA[name]:9.4f} {medians[0]:11.4f} {medians[1]:11.4f} {medians[2]:9.4f} {medians[3]:9.4f}")
        if len(ours[name]) != SEEDS or len(control[name]) != SEEDS:
            failures.append(f"{name}: not {SEEDS} seeds")
        reason = worse(ours[name], theirs, MINIMA[name])
        if reason:
            failures.append(f"{name}: ours is worse: {reason}")
        if worse(control[name], theirs, MINIMA[name]) is None:
            failures.append(f"{name}: random search passes too, so this comparison tells nothing")
    for failure in failures:
        print(f"FAILED: {failure}")
    if failures:
        sys.exit(1)
    print("ours is no worse than Optuna's on any function")


main()
