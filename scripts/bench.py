"""The rounds and the table of bench.sh, which sets the environment: run that."""
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BURSTLAB, PEERS = os.environ["BURSTLAB"], os.environ["PEERS"]
BASELINES, TRACE, OUT = (Path(os.environ[name]) for name in ("BASELINES", "TRACE", "OUT"))
ROUNDS = int(os.environ.get("ROUNDS", "5"))
CORES = len(os.sched_getaffinity(0))
# One core for work of one thread; everything else may use all of them.
ONE_CORE = ["taskset", "-c", str(max(os.sched_getaffinity(0)))]
ONE_THREAD = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "RAYON_NUM_THREADS": "1"}
SCRATCH = tempfile.TemporaryDirectory()
rows = []


def run(*command, env=None, cwd=None):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, env=env, cwd=cwd)
    if done.returncode:
        sys.exit(f"bench.py: {' '.join(map(str, command))} failed\n{done.stdout}{done.stderr}")
    return done.stdout


def baseline(name, *arguments, one_core=True):
    pinned = ONE_CORE if one_core else []
    return run(*pinned, sys.executable, BASELINES / f"{name}_baseline.py", *arguments, env=ONE_THREAD)


def ours(*work):
    out = run(*ONE_CORE, PEERS, *work, env=ONE_THREAD)
    return [json.loads(line) for line in out.splitlines()]


def alternate(*sides):
    """Medians of what each side returns, all sides once in every round; a side returns a dict of numbers."""
    found = [[] for _ in sides]
    for _ in range(ROUNDS):
        for side, results in zip(sides, found):
            results.append(side())
    return [{key: statistics.median(one[key] for one in results) for key in results[0]} for results in found]


def row(work, unit, ours, peers, target, smaller=True, note=""):
    best = min(peers.values()) if smaller else max(peers.values())
    ratio = best / ours if smaller else ours / best
    rows.append({"work": work, "unit": unit, "burstlab": ours, "peers": peers, "ratio": ratio,
                 "target": f"{target} or more", "met": ratio >= target, "note": note})
    print(f"{work}: {ratio:.2f}x (target {target}x)", file=sys.stderr)


def floor(work, unit, ours, products, target):
    """A step's time as a multiple of that of its matrix products alone, which is a lower bound."""
    ratio = ours / products
    rows.append({"work": work + " against its matrix products alone", "unit": unit, "burstlab": ours,
                 "peers": {"products": products}, "ratio": ratio, "target": f"{target} or less",
                 "met": ratio <= target, "note": ""})
    print(f"{work}: {ratio:.2f} times its matrix products (target {target})", file=sys.stderr)


def steps():
    def mine():
        return {f"{one['hidden']},{one['layers']},{one['batch']}{kind}": one[key] for one in ours("step")
                for kind, key in (("", "ms"), (" floor", "matrix_floor_ms"))}

    def theirs(*argument):
        pattern = r"hidden (\d+) layers (\d+) batch (\d+): ([\d.]+) ms"
        return {",".join(found[:3]): float(found[3]) for found in re.findall(pattern, baseline("jax", *argument))}

    mine, torch, jax = alternate(mine, lambda: theirs("torch"), theirs)
    for size, better, than_torch in (("32,1,32", 1.6, None), ("64,2,32", 1.3, 1.8), ("64,2,256", 1.5, None)):
        name = "LSTM step (hidden, layers, batch) = ({})".format(size.replace(",", ", "))
        row(name, "ms", mine[size], {"PyTorch": torch[size], "JAX": jax[size]}, better)
        if than_torch:
            row(name + " against PyTorch alone", "ms", mine[size], {"PyTorch": torch[size]}, than_torch)
        floor(name, "ms", mine[size], mine[size + " floor"], 2)


def epochs():
    for model, target in (("dlinear", 8), ("nlinear", 5)):
        for batch in (32, 128):
            def theirs():
                out = baseline("torch", "--csv", TRACE, "--model", model, "--batch", batch)
                return {key: json.loads(out)["runs"][0][key] for key in ("windows_per_s", "infer_windows_per_s")}

            def mine():
                found = next(one for one in ours(model) if one["batch"] == batch)
                return {key: found[key] for key in ("windows_per_s", "infer_windows_per_s")}

            mine, torch = alternate(mine, theirs)
            row(f"{model} epoch, batch {batch}", "windows/s", mine["windows_per_s"], {"PyTorch": torch["windows_per_s"]},
                target, smaller=False)


def inference():
    for model in ("dlinear", "nlinear", "lstm"):
        def theirs():
            out = baseline("torch", "--csv", TRACE, "--model", model)
            return {"rate": json.loads(out)["runs"][0]["infer_windows_per_s"]}

        mine, torch = alternate(lambda: {"rate": ours(model)[0]["infer_windows_per_s"]}, theirs)
        row(f"inference over the test part, {model}", "windows/s", mine["rate"], {"PyTorch": torch["rate"]}, 2, smaller=False)


SWEEP = """name = "bench-sweep"
[dataset]
source = "{trace}"
[task.next_request]
lookback = 50
[training]
epochs = 3
batch_size = 32
learning_rate = 1e-3
[[models]]
[models.lstm]
hidden = 32
[search]
seeds = {seeds}
"""

OVERHEAD = """name = "bench-overhead"
[dataset]
source = "{trace}"
max_rows = 2000
[task.next_request]
lookback = 10
[[models]]
[models.moving_average]
window = {{ grid = {sizes} }}
[[models]]
[models.seasonal_naive]
season = {{ grid = {sizes} }}
"""


def sweep(text):
    """Seconds of a whole `burstlab run` into a fresh store, report included."""
    # Nothing is removed before the end: ext4 makes new files slowly for minutes after thousands were deleted.
    folder = tempfile.mkdtemp(dir=SCRATCH.name)
    file = Path(folder) / "bench.toml"
    file.write_text(text)
    begin = time.perf_counter()
    run(BURSTLAB, "run", file, env={**os.environ, "BURSTLAB_RESULTS": folder + "/results"}, cwd=folder)
    return {"s": time.perf_counter() - begin}


def sweeps():
    def torch():
        out = baseline("torch", "--csv", TRACE, "--epochs", 3, "--procs", CORES, "--seeds", 24, one_core=False)
        return {"s": json.loads(out)["wall_s"]}

    def jax():
        out = baseline("jax_sweep", "--csv", TRACE, "--epochs", 3, "--seeds", 24, "--groups", CORES, one_core=False)
        total, compilation = re.search(r"total ([\d.]+) s, compile ([\d.]+) s", out).groups()
        return {"s": float(total), "compile_s": float(compilation)}

    mine, torch, jax = alternate(lambda: sweep(SWEEP.format(trace=TRACE, seeds=list(range(1, 25)))), torch, jax)
    work = "24 LSTM runs, 3 epochs, all cores, validation and report included"
    row(work, "s", mine["s"], {"PyTorch": torch["s"]}, 2)
    row(work + ", beside all runs as one vmapped program a core", "s", mine["s"], {"JAX": jax["s"]}, 2,
        note=f"{jax['compile_s']:.1f} s of JAX's time is compilation; it scores no validation part and saves nothing")


def overhead():
    def trials():
        return {"ms": float(re.search(r"ms_per_trial ([\d.]+)", baseline("optuna", 200, one_core=False))[1])}

    mine, optuna = alternate(lambda: sweep(OVERHEAD.format(trace=TRACE, sizes=list(range(1, 501)))), trials)
    row("1,000 runs of a baseline, each", "ms", mine["s"], {"Optuna": optuna["ms"]}, 10,
        note="every run is scored on 3 parts and saved with its predictions; the report is included")


def traces():
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "trace.csv"
        run(BURSTLAB, "dataset", "synth", "--rows", 1_429_737, "--out", file)

        def mine():
            found = json.loads(run(PEERS, f"trace={file}", "trace"))
            return {"s": found["ready_s"], "mib": found["peak_mib"]}

        def theirs():
            out = baseline("pandas", file, one_core=False)
            return {"s": float(re.search(r"ready_s ([\d.]+)", out)[1]), "mib": float(re.search(r"peak_mib (\d+)", out)[1])}

        mine, pandas = alternate(mine, theirs)
        row("1.43 M rows, from CSV to windows", "s", mine["s"], {"pandas": pandas["s"]}, 2.5,
            note=f"peak {mine['mib']:.0f} MiB against {pandas['mib']:.0f}")


def refits():
    def mine():
        return {"ms": next(one["ms"] for one in ours("arima") if one["work"] == "arima")}

    def theirs():
        script = Path(__file__).parent / "statsforecast_baseline.py"
        return {"ms": json.loads(run(*ONE_CORE, sys.executable, script, env=ONE_THREAD, cwd=script.parent.parent))["ms"]}

    mine, peer = alternate(mine, theirs)
    row("1,000 refits of an automatic ARIMA model on 240 values, each", "ms", mine["ms"], {"statsforecast": peer["ms"]}, 2,
        note="statsforecast does every tenth of them")


def processor():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":")[1].strip()
    return "unknown processor"


MEASUREMENTS = {"step": steps, "epoch": epochs, "inference": inference, "sweep": sweeps, "overhead": overhead,
                "trace": traces, "arima": refits}
wanted = os.environ.get("ROWS", ",".join(MEASUREMENTS)).split(",")
if unknown := [name for name in wanted if name not in MEASUREMENTS]:
    sys.exit(f"bench.py: ROWS names {', '.join(unknown)}; known are {', '.join(MEASUREMENTS)}")
for name in wanted:
    MEASUREMENTS[name]()
header = f"{processor()}, {CORES} cores, medians of {ROUNDS} alternating rounds"
print(f"{header}\n\n| work | burstlab | beside | ratio | target | |\n|---|---|---|---|---|---|")
for one in rows:
    peers = ", ".join(f"{name} {value:.4g}" for name, value in one["peers"].items())
    verdict = "" if one["met"] else "**missed** "
    print(f"| {one['work']} | {one['burstlab']:.4g} {one['unit']} | {peers} | {one['ratio']:.2f} | {one['target']} | {verdict}{one['note']} |")
OUT.write_text(json.dumps({"machine": header, "rows": rows}, indent=1))
