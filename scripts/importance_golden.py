"""Prints tests/golden_importance.json: what Optuna's fANOVA makes of documented functions.

Needs optuna 5.0.0 and scikit-learn 1.9.1, and takes a few minutes:
    PYTHON scripts/importance_golden.py > tests/golden_importance.json

Each function is evaluated at 60 random points and judged by FanovaImportanceEvaluator with 40 seeds of its forest. The file has
the points, the objectives, and the mean and standard deviation of each parameter's importance over these seeds.

The learning rate is given to Optuna as its logarithm, because its evaluator would otherwise weigh the range 0.01 to 0.1 ten
times as much as 0.001 to 0.01 although the search draws from both alike.

The cell is given to it in two ways. As a number, 0 or 1, two choices weigh the same. As a categorical parameter, it is one column
for each choice, and Optuna averages over all combinations of these columns, also over those that stand for no choice.
"""

import json
import math
import random

import numpy
import optuna
import sklearn

TRIALS, SEEDS = 60, 40


def two_cells(rate, hidden, dropout, cell):
    """The rate matters most, as a parabola in its logarithm; then the cell and the width; dropout not at all."""
    return (math.log10(rate) + 2.5) ** 2 + 0.8 * cell + 0.002 * (128 - hidden)


def interacting(rate, hidden, dropout, cell):
    """The best rate depends on the cell, and dropout matters only a little."""
    best = -3.5 if cell == 0 else -1.5
    return abs(math.log10(rate) - best) + 0.5 * dropout + 10 / hidden


def three_cells(rate, hidden, dropout, cell):
    """As two_cells, with three choices of which the last is good: Optuna's one-hot columns weigh them unequally."""
    return (math.log10(rate) + 2.5) ** 2 + [1.6, 0.8, 0.0][cell] + 0.002 * (128 - hidden)


def draw_trials(function, cells, number):
    draw = random.Random(number)
    points = [
        [draw.uniform(-4, -1), draw.randint(8, 128), draw.uniform(0, 0.5), draw.randrange(cells)] for _ in range(TRIALS)
    ]
    return points, [function(10 ** point[0], *point[1:]) for point in points]


def importances(points, objectives, cell):
    distributions = {
        "log10_rate": optuna.distributions.FloatDistribution(-4, -1),
        "hidden": optuna.distributions.FloatDistribution(7.5, 128.5),
        "dropout": optuna.distributions.FloatDistribution(0, 0.5),
        "cell": cell,
    }
    study = optuna.create_study()
    for point, value in zip(points, objectives):
        params = dict(zip(distributions, point))
        study.add_trial(optuna.trial.create_trial(params=params, distributions=distributions, value=value))
    shares = []
    for seed in range(SEEDS):
        evaluator = optuna.importance.FanovaImportanceEvaluator(seed=seed)
        found = optuna.importance.get_param_importances(study, evaluator=evaluator)
        shares.append([found[name] for name in distributions])
    mean, deviation = numpy.mean(shares, axis=0), numpy.std(shares, axis=0, ddof=1)
    return {"mean": mean.round(5).tolist(), "deviation": deviation.round(5).tolist()}


def evaluate(function, cells, number):
    points, objectives = draw_trials(function, cells, number)
    study = {"function": function.__name__, "choices": cells, "trials": points, "objectives": objectives}
    if cells == 2:
        study["as_number"] = importances(points, objectives, optuna.distributions.FloatDistribution(0, 1))
    categories = optuna.distributions.CategoricalDistribution(list(range(cells)))
    study["as_categories"] = importances(points, objectives, categories)
    return study


def main():
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    studies = [evaluate(two_cells, 2, 1), evaluate(interacting, 2, 2), evaluate(three_cells, 3, 3)]
    source = (
        f"scripts/importance_golden.py with Optuna {optuna.__version__} and scikit-learn {sklearn.__version__}: "
        f"FanovaImportanceEvaluator, {SEEDS} seeds"
    )
    lines = ",\n".join("  " + json.dumps(study) for study in studies)
    print(f'{{\n "source": {json.dumps(source)},\n "studies": [\n{lines}\n ]\n}}')


main()
