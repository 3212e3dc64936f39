"""`course.py test`: the unit tests, and one pass of nbval over all notebooks.

Strict (the text of every output is compared) where the data set is Fashion-MNIST and the machine is
Linux on x86-64, as the stored outputs were made; lax (every cell runs without error) elsewhere.
--all adds the slow tests (the solved notebooks among them) and a lax pass on the drawn garments.
"""

import argparse
import contextlib
import difflib
import os
import platform
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import nbformat

from vae_course import ROOT
from vae_course.commands.kernel import quiet_kernel
from vae_course.commands.notebooks import execute, notebook_paths
from vae_lib.data import load_images

RESULTS = ROOT / "test-results"
SECONDS_PER_CELL = "300"


def run_pytest(name: str, *arguments: str, **environment: str) -> tuple[bool, Path]:
    """Run pytest on two cores; return whether it passed, and its report."""
    report = RESULTS / f"{name}.xml"
    report.unlink(missing_ok=True)
    command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "--dist", "loadfile"]
    command += [f"--junitxml={report}", *arguments]
    # each worker has one core: more threads would only wait for each other
    variables = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
    started = time.monotonic()
    passed = subprocess.call(command, cwd=ROOT, env=variables) == 0
    print(f"{name}: {'passed' if passed else 'FAILED'} in {time.monotonic() - started:.0f} s\n")
    return passed, report


def count_run(report: Path) -> int:
    """Return how many tests a report holds that ran, skipped ones not counted."""
    if not report.exists():
        return 0
    cases = ElementTree.parse(report).iter("testcase")
    return sum(case.find("skipped") is None for case in cases)


def code_cells(paths: list[Path]) -> int:
    """Return how many code cells the notebooks hold."""
    notebooks = [nbformat.read(path, as_version=4) for path in paths]
    return sum(cell.cell_type == "code" for notebook in notebooks for cell in notebook.cells)


def run_notebooks(name: str, *, strict: bool, source: str) -> bool:
    """Run every cell of every notebook under nbval, on one data set."""
    paths = notebook_paths()
    mode = "--nbval" if strict else "--nbval-lax"
    print(f"{name}: {len(paths)} notebooks on {source}, {'strict' if strict else 'lax'}")
    passed, report = run_pytest(
        name,
        mode,
        "--nbval-current-env",
        f"--nbval-cell-timeout={SECONDS_PER_CELL}",
        f"--nbval-sanitize-with={ROOT / 'tests' / 'nbval.cfg'}",
        "-p",
        "no:cacheprovider",
        *map(str, paths),
        VAE_LIB_IMAGES=source,
    )
    if not passed and report.exists():
        keep_failures(name, report, source)
    found, expected = count_run(report), code_cells(paths)
    if found != expected:
        print(f"{name}: FAILED, nbval ran {found} cells and the notebooks hold {expected}")
        return False
    return passed


def keep_failures(name: str, report: Path, source: str) -> None:
    """Execute the failing notebooks once more; keep them, and a diff of what they print."""
    cases = ElementTree.parse(report).iter("testcase")
    failing = [
        case.get("classname", "")
        for case in cases
        if case.find("failure") is not None or case.find("error") is not None
    ]
    os.environ["VAE_LIB_IMAGES"] = source
    for path in notebook_paths():
        if any(path.stem in classname for classname in failing):
            try:
                executed = execute(path, allow_errors=True)
            except RuntimeError as error:  # a cell that never ends, or a kernel that dies
                print(f"{path.name} could not be run to its end: {error}")
                continue
            kept = RESULTS / f"{name}-{path.name}"
            nbformat.write(executed, kept)
            stored = nbformat.read(path, as_version=4)
            difference = "\n".join(
                difflib.unified_diff(
                    text_of(stored), text_of(executed), "stored", "now", n=1, lineterm=""
                )
            )
            kept.with_suffix(".diff").write_text(difference)
            print(f"{path.name} as it ran now: {kept}\n{difference[:4000]}")


def text_of(notebook: nbformat.NotebookNode) -> list[str]:
    """Return the text of all outputs, a line each, under the number of their cell."""
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
    """Were the stored outputs made on such a machine, from this data set?"""
    alike = platform.system() == "Linux" and platform.machine() in ("x86_64", "AMD64")
    return alike and source == "fashion-mnist"


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="course.py test", description=__doc__)
    parser.add_argument("--all", action="store_true", help="also the slow parts")
    everything = parser.parse_args(arguments).all
    quiet_kernel()
    RESULTS.mkdir(exist_ok=True)
    source = load_images("auto").name
    print(f"Data set in use: {source}\n")
    selection = [] if everything else ["-m", "not slow"]
    passed = [run_pytest("unit-tests", "tests", *selection)[0]]
    passed.append(run_notebooks(f"notebooks-{source}", strict=strict_here(source), source=source))
    if everything and source != "drawn":
        with no_data():
            passed.append(run_notebooks("notebooks-drawn", strict=False, source="drawn"))
    print("All passed." if all(passed) else "FAILED; see above, and test-results/.")
    return 0 if all(passed) else 1


@contextlib.contextmanager
def no_data():
    """Point the data root to an empty folder."""
    before = os.environ.get("VAE_LIB_DATA")
    with tempfile.TemporaryDirectory() as empty:
        os.environ["VAE_LIB_DATA"] = empty
        yield
    os.environ.pop("VAE_LIB_DATA")
    if before is not None:
        os.environ["VAE_LIB_DATA"] = before


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
