"""Values that the seasons of `ets` are held to: the best of several searches of statsmodels.

    python scripts/ets_season_golden.py ETTh1.csv > tests/golden_ets_season.json

needs numpy, pandas and statsmodels 0.15.
"""
import json
import sys
import warnings

import numpy as np
import pandas as pd
import statsmodels
from statsmodels.tsa.exponential_smoothing.ets import ETSModel

warnings.filterwarnings("ignore")
load = pd.read_csv("dataset/servegen/servegen-m-large-load.csv")
hourly = load.requests.to_numpy().reshape(-1, 6).sum(1)
SERIES = {
    "ETTh1, OT": (24, pd.read_csv(sys.argv[1]).OT.to_numpy()[:168]),
    "ServeGen, ln of requests in an hour": (24, np.log(hourly[:168]).round(6)),
    "ServeGen, ln of requests in a quarter of a day": (4, np.log(load.requests.to_numpy().reshape(-1, 36).sum(1)).round(6)),
}
FORMS = {"ANA": {}, "AAA": {"trend": "add"}, "AAdA": {"trend": "add", "damped_trend": True}}
cases = []
for name, (season, values) in SERIES.items():
    models = {}
    for form, keys in FORMS.items():
        model = ETSModel(values, error="add", seasonal="add", seasonal_periods=season, **keys)
        bounds = {"smoothing_level": (1e-4, 0.9999), "smoothing_trend": (1e-4, 0.9999), "smoothing_seasonal": (1e-4, 0.9999),
                  "damping_trend": (0.8, 0.98)}
        model.set_bounds({key: value for key, value in bounds.items() if key in model.param_names})
        found = []
        for level, slope, seasonal in ((0.5, 0.01, 0.05), (0.9, 0.001, 0.01), (0.2, 0.01, 0.3), (0.99, 0.001, 0.001)):
            start = model.fit(disp=0, maxiter=1).params.copy()
            for key, value in (("smoothing_level", level), ("smoothing_trend", slope * level), ("smoothing_seasonal", seasonal * (1 - level))):
                if key in model.param_names:
                    start[model.param_names.index(key)] = value
            found.append(model.fit(start, disp=0, maxiter=5_000))
        fit = max(found, key=lambda one: one.llf)
        weights = {key: fit.params[model.param_names.index(key)] for key in model.param_names if not key.startswith("initial")}
        models[form] = {"weights": weights, "log_likelihood": fit.llf, "forecast": list(fit.forecast(6))}
        print(name, form, fit.llf, file=sys.stderr)
    cases.append({"series": name, "season": season, "values": list(values), "models": models})
source = f"statsmodels {statsmodels.__version__}, ETSModel with additive errors and seasons, the best of four starts; made by scripts/ets_season_golden.py"
print("{" + f'"source": {json.dumps(source)}, "cases": [\n' + ",\n".join(json.dumps(case) for case in cases) + "\n]}")
