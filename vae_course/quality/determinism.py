"""The same notebooks give the same text: run again, and run with two threads instead of one.

Each notebook is executed here with one thread; then nbval runs it once more with one thread and
once with two, and compares every output with that. So it needs no stored outputs from a machine
like this one, and any data set will do. `course.py faults` runs it.
"""

import os
import shutil
import sys

import nbformat

from vae_course.commands.notebooks import FOLDER, execute, notebook_paths
from vae_course.commands.test import RESULTS, run_pytest

SECONDS_PER_CELL = "300"


def same_text(numbers: list[str]) -> bool:
    """Tell whether notebooks (all of them, where no numbers are given) repeat their text."""
    copies = RESULTS / "determinism"
    shutil.rmtree(copies, ignore_errors=True)
    # beside nothing of the course: what a notebook writes stays there
    shutil.copytree(FOLDER, copies)
    os.environ["OMP_NUM_THREADS"] = "1"
    paths = [copies / path.name for path in notebook_paths(numbers)]
    for path in paths:
        nbformat.write(execute(path), path)
    options = ["--nbval", "--nbval-current-env", f"--nbval-cell-timeout={SECONDS_PER_CELL}"]
    options += ["-p", "no:cacheprovider", *map(str, paths)]
    passed = [
        run_pytest(f"determinism-threads-{threads}", *options, OMP_NUM_THREADS=threads)[0]
        for threads in ("1", "2")
    ]
    return all(passed)


if __name__ == "__main__":
    RESULTS.mkdir(exist_ok=True)
    sys.exit(0 if same_text(sys.argv[1:]) else 1)
