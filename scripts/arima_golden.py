"""Values that the tests of `arima` are held to: exact maximum likelihood of given orders by statsmodels, and orders chosen by
statsforecast's AutoARIMA.

    python scripts/arima_golden.py AZURE.csv ETTh1.csv > tests/golden_arima.json

needs numpy, pandas, statsmodels 0.15 and statsforecast 2.1. AZURE.csv is the Azure conversation trace of 2023.
"""
import json
import sys
import warnings

import numpy as np
import pandas as pd
import statsmodels
from statsforecast.models import AutoARIMA
from statsmodels.tsa.statespace.sarimax import SARIMAX

warnings.filterwarnings("ignore")
azure, ett = sys.argv[1:]
trace = pd.read_csv(azure)
arrival = pd.to_datetime(trace.TIMESTAMP)
window = ((arrival - arrival.iloc[0]).dt.total_seconds() // 10).astype(int)
load = pd.read_csv("dataset/servegen/servegen-m-large-load.csv")
SERIES = {
    "Azure, requests in 10 s": np.bincount(window)[:240].astype(float),
    "Azure, ln(1 + request tokens) in 10 s": np.log1p(np.bincount(window, trace.ContextTokens)[:240]),
    "ETTh1, OT": pd.read_csv(ett).OT.to_numpy()[:400],
    "ServeGen, thousands of requests in an hour": (load.requests.to_numpy().reshape(-1, 6).sum(1) / 1000).round(3),
}
PLAIN = [((1, 0, 0), True), ((0, 1, 1), False), ((1, 1, 1), False), ((2, 0, 1), True), ((3, 1, 2), False), ((1, 1, 1), True)]
SEASONAL = [((1, 0, 1), (1, 0, 0, 24), True), ((0, 1, 1), (0, 1, 1, 24), False), ((1, 0, 0), (0, 1, 1, 24), True)]


def best_fit(values, order, seasonal, constant):
    """The most likely of the fits from the usual start and from random ones."""
    model = SARIMAX(values, order=order, seasonal_order=seasonal, trend="c" if constant else "n", simple_differencing=True,
                    concentrate_scale=True)
    random = np.random.default_rng(1)
    starts = [None] + [random.uniform(-0.5, 0.5, len(model.start_params)) for _ in range(4)]
    found = []
    for start in starts:
        if start is not None and constant:
            start[0] = model.start_params[0]
        try:
            fit = model.fit(start, disp=0, maxiter=500, gtol=1e-9)
            found.append(model.fit(fit.params, method="nm", disp=0, maxiter=4000))
        except Exception:
            continue
    return max(found, key=lambda fit: fit.llf)


def fixed(values, order, seasonal, constant):
    fit = best_fit(values, order, seasonal, constant)
    # The same coefficients on the undifferenced series, for forecasts of it. Its trend is that of the recursion.
    whole = SARIMAX(values, order=order, seasonal_order=seasonal, trend="c" if constant else "n", concentrate_scale=True,
                    loglikelihood_burn=order[1] + seasonal[1] * seasonal[3]).smooth(fit.params)
    forecast = whole.get_forecast(6)
    p, q, P, Q = order[0], order[2], seasonal[0], seasonal[2]
    names = ["ar"] * p + ["ma"] * q + ["seasonal_ar"] * P + ["seasonal_ma"] * Q
    coefficients = {"ar": [], "ma": [], "seasonal_ar": [], "seasonal_ma": []}
    for name, value in zip(names, fit.params[int(constant):]):
        coefficients[name].append(value)
    parameters = p + q + P + Q + int(constant) + 1
    count = fit.nobs
    aicc = -2 * fit.llf + 2 * parameters * (1 + (parameters + 1) / (count - parameters - 1))
    return {"order": order, "seasonal_order": seasonal[:3], "season": seasonal[3], "constant": constant,
            "coefficients": coefficients, "variance": fit.scale, "log_likelihood": fit.llf, "aicc": aicc,
            "forecast": list(forecast.predicted_mean), "standard_error": list(forecast.se_mean)}


def chosen(values, season):
    model = AutoARIMA(season_length=season, approximation=False).fit(values)
    arma = model.model_["arma"]
    return {"season": season if season > 1 else 0, "order": [arma[0], arma[5], arma[1]], "seasonal_order": [arma[2], arma[6], arma[3]],
            "constant": any(name in model.model_["coef"] for name in ("intercept", "drift")), "aicc": model.model_["aicc"]}


cases = []
for name, values in SERIES.items():
    print(name, file=sys.stderr)
    daily = "Azure" not in name
    models = [fixed(values, order, (0, 0, 0, 0), constant) for order, constant in PLAIN]
    models += [fixed(values, *case) for case in SEASONAL if daily]
    cases.append({"series": name, "values": list(values), "models": models,
                  "chosen": [chosen(values, season) for season in ([1, 24] if daily else [1])]})
source = f"statsmodels {statsmodels.__version__} (SARIMAX) and statsforecast 2.1.1 (AutoARIMA); made by scripts/arima_golden.py"
print("{" + f'"source": {json.dumps(source)}, "cases": [\n' + ",\n".join(json.dumps(case) for case in cases) + "\n]}")
