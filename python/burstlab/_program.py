"""The burstlab program: where it is installed, and how it is run."""

from __future__ import annotations

import os
import queue
import shlex
import shutil
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Sequence
from pathlib import Path

from ._errors import COMMAND_ERRORS, BinaryNotFoundError, CommandError

StrPath = str | os.PathLike[str]

_NAME = "burstlab"
# What an error keeps of the output: the end, where the program says what went wrong.
_KEPT_LINES = 40
_POLL_S = 0.1


def find_program() -> str:
    """The program that came with this package; where the package runs from a source tree, the one on the PATH.

    Raises:
        BinaryNotFoundError: There is neither.
    """
    folders = [Path(sysconfig.get_path("scripts"))]
    folders.append(Path(sysconfig.get_path("scripts", sysconfig.get_preferred_scheme("user"))))
    # pip install --target puts the program beside the packages.
    folders.append(Path(__file__).resolve().parent.parent / "bin")
    for folder in folders:
        program = folder / _NAME
        if program.is_file() and os.access(program, os.X_OK):
            return str(program)
    found = shutil.which(_NAME)
    if found is None:
        looked = ", ".join(str(folder) for folder in folders)
        raise BinaryNotFoundError(
            f"the program `{_NAME}` is neither in {looked} nor on the PATH; install the wheel with pip, or build the "
            "program with `cargo install --path .`"
        )
    return found


def ask(arguments: Sequence[str], results: StrPath) -> str:
    """Runs a command that reads, and returns what it prints.

    Raises:
        CommandError: The exit code is not 0.
    """
    command = [find_program(), *arguments]
    done = subprocess.run(
        command, env=_environment(results), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise _error(arguments, done.returncode, done.stderr or done.stdout)
    return done.stdout


def stream(arguments: Sequence[str], results: StrPath | None) -> None:
    """Runs a command, and prints its output as it comes, also into a notebook.

    An interrupt (Ctrl-C in a terminal, or the stop button of a notebook) goes to all processes of the group, so also to the
    program: the first one makes it finish the current runs, and the second one stops it at once.

    Raises:
        CommandError: The exit code is not 0.
    """
    process = subprocess.Popen(
        [find_program(), *arguments],
        env=_environment(results),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    reader = threading.Thread(target=_read_lines, args=(process, lines), daemon=True)
    reader.start()
    kept: list[str] = []
    interrupts, ended = 0, False
    try:
        while not ended:
            try:
                line = _next_line(lines)
                ended = line is None
                if line is not None:
                    kept = [*kept[-_KEPT_LINES:], line]
                    sys.stdout.write(line)
                    sys.stdout.flush()
            except KeyboardInterrupt:
                interrupts += 1
                if interrupts > 1:
                    # What the second Ctrl-C does, for an interrupt that was meant for Python alone.
                    process.terminate()
        process.wait()
    finally:
        # Whatever else ends this function, such as a standard output that is closed, ends the program too.
        if process.poll() is None:
            process.terminate()
            process.wait()
    if process.returncode != 0:
        raise _error(arguments, process.returncode, "".join(kept))


def _read_lines(process: subprocess.Popen[str], lines: queue.SimpleQueue[str | None]) -> None:
    """Puts each line of the output into a queue, and None at the end."""
    assert process.stdout is not None
    with process.stdout as output:
        for line in output:
            lines.put(line)
    lines.put(None)


def _next_line(lines: queue.SimpleQueue[str | None]) -> str | None:
    # Never waits for long: polars, for one, sets the handler of interrupts so that they do not end a wait, and Python would
    # hear of them with the next line only.
    while True:
        try:
            return lines.get(timeout=_POLL_S)
        except queue.Empty:
            continue


def _environment(results: StrPath | None) -> dict[str, str]:
    environment = dict(os.environ)
    if results is not None:
        environment["BURSTLAB_RESULTS"] = os.fspath(results)
    return environment


def _error(arguments: Sequence[str], exit_code: int, output: str) -> CommandError:
    kind = COMMAND_ERRORS.get(exit_code, CommandError)
    return kind(shlex.join([_NAME, *arguments]), exit_code, output)
