"""`course.py mutations [--only NAME ...]`: check that the tests notice changes of the code.

The command applies each mutant of mutants.toml to a copy of the course, never to this folder, and
runs the mutant's tests there. At least one must fail by an assertion, or because a notebook's
output differs from the stored one. Any other error, such as a failed import, proves nothing.
"""

import argparse
import contextlib
import json
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import nbformat
import pytest
import tqdm

from vae_course import ROOT
from vae_course.commands.jupyter import prepare_kernels
from vae_course.commands.test import strict_here
from vae_lib._files import write_text_atomically
from vae_lib.data import default_root, load_images
from vae_lib.progress import progress_bar

MUTANTS = Path(__file__).with_name("mutants.toml")
REPORT = ROOT / "build" / "mutations"
OURS = ("vae_lib", "vae_course", "tests", "course")  # modules that a mutant can change
IMPORTED_ONCE = "vae_lib._torchvision"  # registers operators with torch, which works only once
NOT_COPIED = (".git", ".venv", ".*_cache", ".hypothesis", "__pycache__", "build", "data")
SECONDS = 600  # time limit for the tests of one mutant
DEAD, SURVIVED, ERROR = "dead", "SURVIVED", "ERROR"


class MutantError(Exception):
    """A mutant cannot be applied, or a test fails without a mutant."""


class Mutant(NamedTuple):
    """A change of the code: replace the only occurrence of `old` in `file` by `new`.

    At least one of `tests` must then fail.
    """

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


class Verdict(NamedTuple):
    """The result for one mutant, with the test that decided it and that test's message."""

    mutant: str
    file: str
    verdict: str
    test: str
    message: str
    seconds: float


def load_mutants(path: Path = MUTANTS) -> dict[str, Mutant]:
    """Return the mutants of a TOML file by their names."""
    rows = tomllib.loads(path.read_text(encoding="utf-8"))["mutant"]
    mutants = [Mutant(**{**row, "tests": tuple(row["tests"])}) for row in rows]
    return {mutant.name: mutant for mutant in mutants}


def cell_sources(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    """Return the code cells of a notebook."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def mutated(mutant: Mutant, text: str) -> str:
    """Return the text of a file with the mutant applied.

    Raises:
        MutantError: if `old` does not occur exactly once, or the result is not valid Python.
    """
    notebook = None
    if mutant.file.endswith(".ipynb"):  # only its code, not its outputs
        notebook = nbformat.reads(text, as_version=4)
        text = "\0".join(cell.source for cell in cell_sources(notebook))
    if (found := text.count(mutant.old)) != 1:
        raise MutantError(
            f"{mutant.name}: the pattern was found {found} times in {mutant.file}, but must occur "
            f"once:\n{mutant.old}"
        )
    parts = text.split("\0")
    changed = [part.replace(mutant.old, mutant.new) for part in parts]
    try:
        for part in set(changed) - set(parts):  # other cells may contain magics such as %pip
            compile(part, mutant.file, "exec")
    except SyntaxError as error:
        raise MutantError(f"{mutant.name}: the result is not valid Python: {error}") from error
    if notebook is None:
        return changed[0]
    for cell, source in zip(cell_sources(notebook), changed, strict=True):
        cell.source = source
    return nbformat.writes(notebook)


@contextlib.contextmanager
def applied(mutant: Mutant, copy: Path) -> Iterator[None]:
    """Apply a mutant to the copy, and restore the file afterwards."""
    path = copy / mutant.file
    before = path.read_bytes()
    path.write_text(mutated(mutant, before.decode()), encoding="utf-8")
    try:
        yield
    finally:
        path.write_bytes(before)


def run_tests(copy: Path, tests: Sequence[str]) -> dict | None:
    """Run tests in the copy up to the first failure.

    The tests run in a fork of this process, which has already imported torch.

    Args:
        copy: the copy of the course.
        tests: the arguments for pytest.

    Returns:
        The results that the plugin `outcomes` recorded, or None if pytest could not start.
    """
    found = copy / "verdict.json"
    found.unlink(missing_ok=True)
    process = multiprocessing.get_context("fork").Process(target=_pytest, args=(copy, tests, found))
    process.start()
    process.join(SECONDS)
    if process.is_alive():
        process.kill()
        process.join()
        timeout = f"not finished after {SECONDS} seconds"
        return {"failures": [{"test": "", "message": timeout, "by_assertion": False}]}
    if not found.exists():
        print((copy / "pytest.log").read_text(errors="replace")[-2000:])
        return None
    return json.loads(found.read_text(encoding="utf-8"))


def _pytest(copy: Path, tests: Sequence[str], found: Path) -> None:
    """Run pytest with the modules of the copy instead of those of this folder."""
    log = os.open(copy / "pytest.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.chdir(copy)
    for name in list(sys.modules):
        if name.partition(".")[0] in OURS and name != IMPORTED_ONCE:
            del sys.modules[name]
    sys.path[:] = [str(copy), *(path for path in sys.path if Path(path).resolve() != ROOT)]
    sys.dont_write_bytecode = True  # bytecode would hide a change within the same second
    options = ["-q", "-x", "-p", "no:cacheprovider", "-p", "vae_course.quality.outcomes"]
    options += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]  # imported before the fork
    os.environ.update(OUTCOMES=str(found), PYTHONPATH=str(copy))  # the latter for kernels
    if any(test.endswith(".ipynb") for test in tests):
        options += ["--nbval", "--nbval-current-env", f"--nbval-cell-timeout={SECONDS // 2}"]
        os.environ["VAE_LIB_IMAGES"] = "fashion-mnist"  # as the stored outputs were made
    pytest.main([*options, *tests])


def judge(mutant: Mutant, copy: Path) -> Verdict:
    """Apply a mutant, run its tests and return the verdict."""
    started = time.monotonic()
    with applied(mutant, copy):
        found = run_tests(copy, mutant.tests)
    seconds = time.monotonic() - started
    if found is None:
        return Verdict(mutant.name, mutant.file, ERROR, "", "pytest could not start", seconds)
    if not found["failures"]:
        return Verdict(mutant.name, mutant.file, SURVIVED, " ".join(mutant.tests), "", seconds)
    first = found["failures"][0]
    verdict = DEAD if first["by_assertion"] else ERROR
    return Verdict(mutant.name, mutant.file, verdict, first["test"], first["message"], seconds)


def require_all_pass(copy: Path, mutants: Sequence[Mutant]) -> None:
    """Check that all tests of the mutants pass in the unchanged copy.

    Raises:
        MutantError: if a test fails or is skipped.
    """
    tests = list(dict.fromkeys(test for mutant in mutants for test in mutant.tests))
    notebooks = [test for test in tests if test.endswith(".ipynb")]
    units = [test for test in tests if test not in notebooks]
    for group in ([units] if units else []) + [[notebook] for notebook in notebooks]:
        found = run_tests(copy, group)
        if found is None or found["failures"] or found["skipped"] or not found["passed"]:
            raise MutantError(f"some tests do not pass on the unchanged code: {found}")


def table(verdicts: Sequence[Verdict]) -> str:
    """Return the report as Markdown."""
    lines = ["| mutant | in | verdict | seen by |", "|---|---|---|---|"]
    for v in verdicts:
        seen = f"{v.test}: {v.message}" if v.verdict == ERROR else v.test
        lines.append(f"| {v.mutant} | {v.file} | {v.verdict} | {seen} |")
    dead = sum(v.verdict == DEAD for v in verdicts)
    lines += ["", f"{dead} of {len(verdicts)} mutants are dead; {summary(verdicts)}."]
    return "\n".join(lines) + "\n"


def summary(verdicts: Sequence[Verdict]) -> str:
    """Return who survived, and what died by something else than an assertion."""
    names = {kind: [v.mutant for v in verdicts if v.verdict == kind] for kind in (SURVIVED, ERROR)}
    survived = ", ".join(names[SURVIVED]) or "none"
    return f"survived: {survived}; by an error: {', '.join(names[ERROR]) or 'none'}"


def examine(root: Path, mutants: Sequence[Mutant]) -> list[Verdict]:
    """Judge every mutant in a copy of the course.

    Args:
        root: the folder of the course, which stays unchanged.
        mutants: the mutants to apply.

    Raises:
        MutantError: if a mutant cannot be applied, or a test fails without one.
    """
    for mutant in mutants:
        mutated(mutant, (root / mutant.file).read_text(encoding="utf-8"))
    verdicts = []
    with tempfile.TemporaryDirectory(prefix="mutations-") as folder:
        copy = Path(folder).resolve() / "course"
        shutil.copytree(root, copy, ignore=shutil.ignore_patterns(*NOT_COPIED))
        steps = len(mutants) + 1
        with progress_bar(description="Mutations", total=steps, unit="mutant") as bar:
            bar.set_postfix_str("unchanged code")
            require_all_pass(copy, mutants)
            bar.update()
            for mutant in mutants:
                bar.set_postfix_str(mutant.name)
                verdicts.append(judge(mutant, copy))
                if verdicts[-1].verdict != DEAD:
                    bar.write(" ".join(verdicts[-1][:5]))
                bar.update()
    return verdicts


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="course.py mutations", description=__doc__)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="apply only these mutants")
    names = parser.parse_args(arguments).only
    known = load_mutants()
    if unknown := set(names or ()) - set(known):
        parser.error(f"no mutant is called {', '.join(unknown)}; there are {', '.join(known)}")
    if not strict_here(load_images("auto").name):
        print("mutations: notebooks can be compared only on Linux with Fashion-MNIST")
        return 1
    os.environ["VAE_LIB_DATA"] = str(default_root())  # since the copy has no data folder
    prepare_kernels()
    tqdm.tqdm.monitor_interval = 0  # no monitor thread, because we fork
    try:
        verdicts = examine(ROOT, [known[name] for name in names or known])
    except MutantError as error:
        print(f"mutations: {error}")
        return 1
    except KeyboardInterrupt:
        print("\nmutations: stopped; nothing was changed in this folder")
        return 130
    report = table(verdicts)
    if not names:
        write_text_atomically(REPORT.with_suffix(".md"), report)
        rows = [verdict._asdict() for verdict in verdicts]
        write_text_atomically(REPORT.with_suffix(".json"), json.dumps(rows, indent=1))
    print(report)
    return 0 if all(verdict.verdict == DEAD for verdict in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
