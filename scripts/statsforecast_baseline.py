"""AutoARIMA of statsforecast on windows of the load that comes with burstlab, for bench.py: milliseconds for each window.

    python scripts/statsforecast_baseline.py [EVERY]

chooses and fits a model for every EVERY-th (10th) of the 1,000 windows of 240 rows that `cargo bench --bench peers -- arima` takes.
"""
import csv
import json
import sys
import time

import numpy as np
from statsforecast.models import AutoARIMA

WINDOWS, VALUES = 1_000, 240
every = int(sys.argv[1]) if len(sys.argv) > 1 else 10
with open("dataset/servegen/servegen-m-large-load.csv") as file:
    requests = np.array([float(row["requests"]) for row in csv.DictReader(file)])
starts = range(0, WINDOWS, every)
# The first call compiles.
AutoARIMA().fit(requests[:VALUES])
begin = time.perf_counter()
for start in starts:
    AutoARIMA().forecast(requests[start:start + VALUES], h=1)
print(json.dumps({"refits": len(starts), "ms": (time.perf_counter() - begin) * 1e3 / len(starts)}))
