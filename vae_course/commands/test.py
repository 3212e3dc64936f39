"""`course.py test`: run the unit tests and all notebooks.

On Linux (x86-64) with Fashion-MNIST, the text of every notebook output is compared with the stored
one; on other machines and data, every cell has to run without an error. --all adds the slow tests,
and runs the notebooks once more, on the drawn garments and with their exercises solved, except
those that have no exercises and load none of these data.
"""

import argparse
import difflib
import os
import platform
import re
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import nbformat

from vae_course import ROOT
from vae_course.commands.jupyter import prepare_kernels
from vae_course.commands.notebook_tests import write_notebooks
from vae_course.commands.notebooks import execute, notebook_paths
from vae_course.commands.solutions import read_solutions
from vae_lib.data import load_images

RESULTS = ROOT / "test-results"
NBVAL = (
    "--nbval-current-env",
    "--nbval-cell-timeout=300",
    f"--nbval-sanitize-with={ROOT / 'tests' / 'nbval.cfg'}",
    "-p",
    "no:cacheprovider",
)
WORKERS = 4  # on two cores, since tests of browsers, servers and kernels often wait
DATA = re.compile(r"\bload_(images|pretrained)\b")  # how a notebook gets the course's data
SLOWEST = 12  # files listed after `test --all`


def run_pytest(name: str, *arguments: str, **environment: str) -> tuple[bool, Path]:
    """Run pytest with several workers; return whether it passed, and its report."""
    report = RESULTS / f"{name}.xml"
    report.unlink(missing_ok=True)
    command = [sys.executable, "-m", "pytest", "-q", "-n", str(WORKERS), "--dist", "loadfile"]
    command += [f"--junitxml={report}", *arguments]
    # one thread for each worker: with more, they would wait for each other
    variables = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
    started = time.monotonic()
    passed = subprocess.call(command, cwd=ROOT, env=variables) == 0
    print(f"{name}: {'passed' if passed else 'FAILED'} in {time.monotonic() - started:.0f} s\n")
    return passed, report


def run_everything(passes: Sequence[str], *arguments: str) -> bool:
    """Run the unit tests and all notebooks in one pool; return whether all passed.

    Args:
        passes: how the notebooks run, each a mode and a data set, such as "strict-fashion-mnist".
        arguments: further arguments for pytest.
    """
    folders = [RESULTS / name for name in passes]
    for folder in folders:
        write_notebooks(notebooks_of(folder.name), folder)
    plugin = ["-p", "vae_course.commands.notebook_tests", "--no-loadscope-reorder"]
    places = ["tests", *map(str, folders)]
    passed, report = run_pytest("tests", *places, *plugin, *NBVAL, *arguments)
    whole = [check_pass(folder, report) for folder in folders]
    return passed and all(whole)


def notebooks_of(name: str) -> list[Path]:
    """Return the notebooks that a pass runs, such as "solved-drawn".

    A notebook that has no exercises and loads neither of the course's data sets would run the same
    cells on the same numbers in every pass, so only the first pass runs it.
    """
    paths = notebook_paths()
    if not name.startswith("solved"):
        return paths
    return [
        path
        for path in paths
        if read_solutions(path.name[:2]) or DATA.search(path.read_text(encoding="utf-8"))
    ]


def check_pass(folder: Path, report: Path) -> bool:
    """Print the results of one pass over the notebooks; return whether every cell was run."""
    mode, _, source = folder.name.partition("-")
    cases = [case for case in cases_of(report) if folder.name in case.get("classname", "")]
    found = sum(case.find("skipped") is None for case in cases)
    expected = code_cells(notebooks_of(folder.name))
    print(f"notebooks-{source}: {found} of {expected} cells, {mode}")
    failing = {case.get("classname", "") for case in cases if has_failed(case)}
    for path in sorted(folder.glob("*.ipynb")):
        if any(path.stem in classname for classname in failing):
            keep_failure(path, source)
    return found == expected


def cases_of(report: Path) -> list[ElementTree.Element]:
    """Return the test cases of a report."""
    return list(ElementTree.parse(report).iter("testcase")) if report.exists() else []


def has_failed(case: ElementTree.Element) -> bool:
    """Return whether a test case failed or ended with an error."""
    return case.find("failure") is not None or case.find("error") is not None


def slowest_files(report: Path) -> str:
    """Return the files that took longest, with their seconds."""
    seconds: Counter[str] = Counter()
    for case in cases_of(report):
        seconds[case.get("classname", "")] += float(case.get("time", 0))  # type: ignore[assignment]
    lines = [f"  {total:6.1f} s  {name}" for name, total in seconds.most_common(SLOWEST)]
    return "\n".join(["The files that took longest:", *lines])


def code_cells(paths: list[Path]) -> int:
    """Return the number of code cells in the notebooks."""
    notebooks = [nbformat.read(path, as_version=4) for path in paths]
    return sum(cell.cell_type == "code" for notebook in notebooks for cell in notebook.cells)


def keep_failure(path: Path, source: str) -> None:
    """Execute a failing notebook again, and save it with a diff of its printed text."""
    os.environ["VAE_LIB_IMAGES"] = source
    try:
        executed = execute(path, allow_errors=True)
    except RuntimeError as error:  # a cell that never ends, or a kernel that dies
        print(f"{path.name} could not be run to the end: {error}")
        return
    kept = RESULTS / f"{path.parent.name}-{path.name}"
    nbformat.write(executed, kept)
    texts = text_of(nbformat.read(path, as_version=4)), text_of(executed)
    lines = difflib.unified_diff(*texts, "stored", "now", n=1, lineterm="")
    difference = "\n".join(lines)
    kept.with_suffix(".diff").write_text(difference, encoding="utf-8")
    print(f"{path.name}, as it ran now: {kept}\n{difference[:4000]}")


def text_of(notebook: nbformat.NotebookNode) -> list[str]:
    """Return the lines of all text outputs, each cell's after a line with its number."""
    lines = []
    for number, cell in enumerate(c for c in notebook.cells if c.cell_type == "code"):
        lines.append(f"Cell {number}")
        for output in cell.outputs:
            text = output.get("text") or output.get("data", {}).get("text/plain")
            if output.output_type == "error":
                text = f"{output.ename}: {output.evalue}"
            lines += (text or "").splitlines()
    return lines


def strict_here(source: str) -> bool:
    """Return whether this machine and data set reproduce the stored outputs exactly."""
    alike = platform.system() == "Linux" and platform.machine() in ("x86_64", "AMD64")
    return alike and source == "fashion-mnist"


def all_passes() -> list[str]:
    """Return the passes of `test --all` over the notebooks; `test` makes only the first."""
    source = load_images("auto").name
    return [f"{'strict' if strict_here(source) else 'lax'}-{source}", "solved-drawn"]


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="course.py test", description=__doc__)
    parser.add_argument("--all", action="store_true", help="also the slow tests")
    everything = parser.parse_args(arguments).all
    prepare_kernels()
    RESULTS.mkdir(exist_ok=True)
    passes = all_passes()
    print(f"Data set in use: {passes[0].partition('-')[2]}\n")
    if everything:
        passed = run_everything(passes)
        print(slowest_files(RESULTS / "tests.xml"))
    else:
        passed = run_everything(passes[:1], "-m", "not slow")
    print("All passed." if passed else "FAILED; see above, and test-results/.")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
