#!/usr/bin/env bash
# Measures what a newcomer waits for: the README's first command and the build of `cargo test --release` after it.
#
#   scripts/measure-build.sh [--bare] [--record]
#
# Prints wall and CPU seconds and the crates of both, writes them to build-time.json in cargo's target folder, and fails
# where they exceed scripts/build-limits.json:
#
# - `crates`, the packages that are built. Judged always.
# - `cpu_ratio`, the CPU seconds as a multiple of those that scripts/build-reference.rs takes on all cores right after
#   it, so that one limit holds for slow and fast processors. Judged only where nothing was built before; otherwise the last
#   measurement in this target folder is shown.
# - Crates that the tests need with other features than the program, which cargo then builds twice. Judged always.
#
# --bare builds into an empty folder of its own, which is removed afterwards. --record writes today's figures as the new
# limits: the crates as they are, the ratios with a margin of a quarter.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
bare=false record=false
for argument in "$@"; do
    case "$argument" in
        --bare) bare=true ;;
        --record) record=true ;;
        *) echo "usage: scripts/measure-build.sh [--bare] [--record]" >&2; exit 2 ;;
    esac
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export BURSTLAB_RESULTS="${BURSTLAB_RESULTS:-$work/results}" WORK="$work" BARE="$bare" RECORD="$record"
python3 - <<'PYTHON'
import json, os, resource, subprocess, sys, time
from pathlib import Path

LIMITS = Path("scripts/build-limits.json")
MARGIN = 1.25
CORES = len(os.sched_getaffinity(0))
COMMANDS = {
    "run": ["cargo", "run", "--release", "--message-format=json-render-diagnostics", "--", "run", "experiments/quickstart.toml"],
    "test": ["cargo", "test", "--release", "--no-run", "--message-format=json-render-diagnostics"],
}


def cpu_s():
    """CPU seconds of all processes that this one started and that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def reference_s():
    """CPU seconds that one copy of the reference takes to compile while every core compiles one."""
    command = ["rustc", "--edition", "2024", "--crate-type", "lib", "-C", "opt-level=3", "-C", "codegen-units=1"]
    before = cpu_s()
    copies = [subprocess.Popen([*command, "scripts/build-reference.rs", "-o", f"{os.environ['WORK']}/reference-{core}.rlib"])
              for core in range(CORES)]
    if any([copy.wait() for copy in copies]):
        sys.exit("measure-build.sh: the reference does not compile")
    return (cpu_s() - before) / CORES


def measure(command):
    """Seconds and crates of a command, and whether it found anything built."""
    begin, before, built_s = time.perf_counter(), cpu_s(), None
    crates, units, fresh, compiled = set(), set(), 0, 0
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as cargo:
        for line in cargo.stdout:
            if not line.startswith('{"reason":'):
                print(line, end="")
                continue
            message = json.loads(line)
            if message["reason"] == "compiler-artifact":
                crates.add(message["package_id"])
                units.add((message["package_id"], message["target"]["name"], *sorted(message["features"])))
                fresh += message["fresh"]
                compiled += not message["fresh"]
            elif message["reason"] == "build-finished":
                built_s = time.perf_counter() - begin
    if cargo.returncode:
        sys.exit(f"measure-build.sh: {' '.join(command)} failed")
    return {"wall_s": round(time.perf_counter() - begin, 1), "build_wall_s": round(built_s, 1),
            "cpu_s": round(cpu_s() - before, 1), "crates": len(crates), "units_built": compiled, "units_found": fresh}, units


metadata = json.loads(subprocess.check_output(["cargo", "metadata", "--format-version=1", "--no-deps"]))
record_file = Path(metadata["target_directory"]) / "build-time.json"
limits = json.loads(LIMITS.read_text()) if LIMITS.exists() else {}
if os.environ["BARE"] == "true":
    os.environ["CARGO_TARGET_DIR"] = f"{os.environ['WORK']}/target"
first, units = measure(COMMANDS["run"])
bare = first["units_found"] == 0
second, units_of_tests = measure(COMMANDS["test"])
found = {"run": first, "test": second}
if bare:
    # After the build, not before it: a processor that has rested runs faster for a while.
    reference = reference_s()
    for one in found.values():
        one["cpu_ratio"] = round(one["cpu_s"] / reference, 1)
    record = {"measured": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()), "cores": CORES,
              "rustc": subprocess.check_output(["rustc", "--version"], text=True).strip(),
              "reference_cpu_s": round(reference, 2), **found}
    record_file.parent.mkdir(parents=True, exist_ok=True)
    record_file.write_text(json.dumps(record, indent=1) + "\n")

over = []
# A development dependency that turns on a feature of another crate makes cargo build that crate again for the tests, and
# everything above it, this program included.
for package in sorted({package.split("#")[-1] for package, *_ in units - units_of_tests}):
    over.append(f"{package} is built a second time for the tests, with other features: `cargo tree -e features -i "
                f"{package}` shows which; turn them on in [dependencies] too")
for name, one in found.items():
    title = "cargo run --release -- run experiments/quickstart.toml" if name == "run" else "cargo test --release --no-run"
    print(f"{title}: {one['crates']} crates", end="")
    if bare:
        print(f", {one['wall_s']:.0f} s of wall ({one['build_wall_s']:.0f} s to build), {one['cpu_s'] / 60:.1f} CPU minutes on "
              f"{CORES} cores, {one['cpu_ratio']:.1f} times the reference of {reference:.1f} s")
    else:
        print(f", {one['units_built']} of {one['units_built'] + one['units_found']} units built now")
    for key in ("crates", "cpu_ratio"):
        limit = limits.get(name, {}).get(key)
        if key in one and limit is not None and one[key] > limit:
            over.append(f"{title}: {key} is {one[key]}, the limit is {limit}")
if not bare:
    print("the build times are not judged: part of the build was there already (--bare measures from nothing)")
    if record_file.exists():
        last = json.loads(record_file.read_text())
        each = ", ".join(f"{name} {last[name]['wall_s']:.0f} s of wall, {last[name]['cpu_s']:.0f} s of CPU" for name in COMMANDS)
        print(f"last measured in this target folder on {last['measured']}, {last['cores']} cores: {each}")
if os.environ["RECORD"] == "true":
    if not bare:
        sys.exit("measure-build.sh: only a build from nothing can be recorded; add --bare")
    limits = {name: {"crates": one["crates"], "cpu_ratio": round(one["cpu_ratio"] * MARGIN, 1)} for name, one in found.items()}
    LIMITS.write_text(json.dumps(limits, indent=2) + "\n")
    print(f"wrote {LIMITS}")
elif not limits:
    sys.exit(f"measure-build.sh: {LIMITS} is missing; write it with --bare --record")
elif over:
    sys.exit("\n".join([*over, "measure-build.sh: the build has grown: `cargo tree` and `cargo build --release --timings` show "
                               f"where; where the growth is worth it, raise the limit in {LIMITS} and say why in the commit"]))
PYTHON
