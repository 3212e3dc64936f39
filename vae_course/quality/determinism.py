"""Test that notebooks print the same text when they run again, and with two threads.

Each notebook is executed here with one thread. Then nbval runs it once more with one thread and
once with two, and compares every output with the first run. No stored outputs from a similar
machine are needed, and any data set will do. `course.py faults` runs this test.
"""

import os
import shutil
import sys

import nbformat

from vae_course.commands.notebooks import FOLDER, execute, notebook_paths
from vae_course.commands.test import NBVAL, RESULTS, run_pytest


def same_text(numbers: list[str]) -> bool:
    """Return whether notebooks (by default all of them) print the same text each time."""
    copies = RESULTS / "determinism"
    shutil.rmtree(copies, ignore_errors=True)
    # in a folder of its own, because notebooks write files
    shutil.copytree(FOLDER, copies)
    os.environ["OMP_NUM_THREADS"] = "1"
    paths = [copies / path.name for path in notebook_paths(numbers)]
    for path in paths:
        nbformat.write(execute(path), path)
    options = ["--nbval", *NBVAL, *map(str, paths)]
    passed = [
        run_pytest(f"determinism-threads-{threads}", *options, OMP_NUM_THREADS=threads)[0]
        for threads in ("1", "2")
    ]
    return all(passed)


if __name__ == "__main__":
    RESULTS.mkdir(exist_ok=True)
    sys.exit(0 if same_text(sys.argv[1:]) else 1)
