"""The program run from Python."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import burstlab

INVALID = 'name = "broken"\n[dataset]\nsource = "synthetic-burstgpt"\n[task.next_request]\nlookbak = 5\n'


def test_output_is_streamed_and_the_results_are_opened(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    quickstart = Path(__file__).resolve().parents[2] / "experiments" / "quickstart.toml"
    results = burstlab.run(quickstart, results=folder)
    assert "report: " in capsys.readouterr().out
    assert results.folder == folder


def test_arguments_are_passed_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    experiment = _small(tmp_path)
    burstlab.run(experiment, "--set", "task.next_request.lookback=7", results=tmp_path / "out")
    runs = burstlab.open(tmp_path / "out").query("SELECT params->>'$.task.lookback' AS lookback FROM runs WHERE model = 'linear'")
    assert runs["lookback"].to_list() == [7]


def test_an_invalid_experiment_raises_with_the_programs_words(tmp_path: Path) -> None:
    path = tmp_path / "broken.toml"
    path.write_text(INVALID)
    with pytest.raises(burstlab.UsageError, match="did you mean `lookback`") as caught:
        burstlab.run(path, results=tmp_path / "out")
    assert caught.value.exit_code == 2 and "nothing was run" in caught.value.meaning
    assert caught.value.command == f"burstlab run {path}"


def test_a_budget_that_is_used_up_raises(tmp_path: Path) -> None:
    with pytest.raises(burstlab.StoppedError) as caught:
        burstlab.run(_small(tmp_path), "--max-runs", "1", results=tmp_path / "out")
    assert caught.value.exit_code == 5 and "the same command continues" in str(caught.value)


def test_a_refuted_claim_raises(tmp_path: Path) -> None:
    path = _small(tmp_path)
    claim = '[[claims]]\nname = "none"\nwhere = { "model.kind" = "mean" }\nmetric = "mse"\nat_most = 1e-9\n'
    path.write_text(path.read_text() + claim)
    with pytest.raises(burstlab.ClaimRefutedError) as caught:
        burstlab.run(path, results=tmp_path / "out")
    assert caught.value.exit_code == 4


def test_a_failed_run_raises_and_the_others_are_there(tmp_path: Path) -> None:
    path = _small(tmp_path)
    path.write_text(path.read_text().replace("epochs = 1", "epochs = 3\nlearning_rate = 1e30"))
    with pytest.raises(burstlab.RunFailedError) as caught:
        burstlab.run(path, results=tmp_path / "out")
    assert caught.value.exit_code == 3
    results = burstlab.open(tmp_path / "out")
    assert set(results.runs()["status"]) == {"done", "failed"}
    with pytest.raises(burstlab.RunFilesError, match="the run is failed"):
        results.predictions(results.runs("status=failed")["run_id"][0])


_INTERRUPTED = """
import sys
import burstlab
import polars  # has a handler of interrupts of its own
try:
    burstlab.run(sys.argv[1], results=sys.argv[2])
except burstlab.StoppedError as error:
    print("stopped with", error.exit_code)
"""


@pytest.mark.parametrize("meant_for_all", [True, False])
def test_two_interrupts_stop_the_program(tmp_path: Path, meant_for_all: bool) -> None:
    path = _small(tmp_path)
    path.write_text(path.read_text().replace("epochs = 1", "epochs = 1000000"))
    process = subprocess.Popen(
        [sys.executable, "-c", _INTERRUPTED, str(path), str(tmp_path / "out")],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    # The baseline is done; the linear model would train for minutes.
    assert any("done mean" in line for line in process.stdout)
    for _ in range(2):
        time.sleep(1.0)
        # A terminal and a notebook interrupt the whole group; `kill` interrupts one process.
        (os.killpg if meant_for_all else os.kill)(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert "stopped with 5" in output
    assert "running" not in set(burstlab.open(tmp_path / "out").runs()["status"])


def test_a_program_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    from burstlab import _program

    monkeypatch.setattr(_program, "_NAME", "burstlab-of-nobody")
    with pytest.raises(burstlab.BinaryNotFoundError, match="neither in .* nor on the PATH; install the wheel"):
        burstlab.find_program()


def test_the_module_is_the_program() -> None:
    done = subprocess.run([sys.executable, "-m", "burstlab", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("burstlab ")


def _small(folder: Path) -> Path:
    path = folder / "small.toml"
    path.write_text(
        """
name = "small"
[dataset]
source = "synthetic-burstgpt"
max_rows = 1000
[task.next_request]
lookback = 5
[training]
epochs = 1
[[models]]
[models.mean]
[[models]]
[models.linear]
[search]
seeds = [1]
"""
    )
    return path
