#!/usr/bin/env python3
"""Executes the notebook of the documentation in a fresh folder: run_notebook.py [--write]

The folder has the experiments and nothing else, so that results and printed paths are those of a new user. With --write the
outputs are kept in the notebook, without what differs from machine to machine.
"""

import os
import sys
import tempfile
from pathlib import Path

import nbclient
import nbformat

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOK = ROOT / "docs" / "notebooks" / "quickstart.ipynb"


def main() -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    # The notebook says where its results go by saying nothing.
    os.environ.pop("BURSTLAB_RESULTS", None)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "experiments").symlink_to(ROOT / "experiments")
        place = {"metadata": {"path": folder}}
        nbclient.NotebookClient(notebook, timeout=300, coalesce_streams=True, resources=place).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    shown = sum(len(str(output)) for output in outputs)
    assert outputs and folder not in str(outputs), "an output names the folder of this run"
    assert shown < 200_000, f"the outputs have {shown:,} characters"
    if "--write" in sys.argv[1:]:
        for cell in notebook.cells:
            cell.metadata.pop("execution", None)
        notebook.metadata = {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        }
        nbformat.write(notebook, NOTEBOOK)
    print(f"{NOTEBOOK.relative_to(ROOT)}: {len(notebook.cells)} cells, outputs of {shown:,} characters")


main()
