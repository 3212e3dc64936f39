"""`course.py solutions [04 ...]`: write the notebooks with solved exercises.

The command writes to build/solutions/, which git ignores. With --execute it also runs the notebooks
and fails unless every check accepts its answer.
"""

import argparse
import itertools
import re
import sys
from pathlib import Path

import nbformat
from nbclient.exceptions import CellExecutionError

from vae_course import ROOT
from vae_course.commands.badges import without_badges
from vae_course.commands.jupyter import prepare_kernels
from vae_course.commands.notebooks import execute, notebook_paths, write_notebook

SOLUTIONS = ROOT / "solutions"
TARGET = ROOT / "build" / "solutions"


def read_solutions(number: str) -> dict[str, str]:
    """Return the solutions of a notebook such as "04", by the ids of the exercises."""
    path = SOLUTIONS / f"{number}.py"
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    parts = re.split(r"^# %% (\d+\.\d+)$", text, flags=re.MULTILINE)
    return {name: code.strip() for name, code in zip(parts[1::2], parts[2::2], strict=True)}


def checked_id(source: str) -> str | None:
    """Return the id of the exercise that a cell checks, or None."""
    found = re.match(r'check\("(\d+\.\d+)"', source)
    return found.group(1) if found else None


def solved(path: Path) -> nbformat.NotebookNode:
    """Return a notebook with each stub replaced by its solution; a stub precedes its check.

    Raises:
        ValueError: if an exercise has no solution.
    """
    notebook = nbformat.read(path, as_version=4)
    solutions = read_solutions(path.name[:2])
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for stub, check in itertools.pairwise(code):
        name = checked_id(check.source)
        if name is not None:
            if name not in solutions:
                raise ValueError(f"solutions/{path.name[:2]}.py has no solution of {name}")
            stub.source = solutions[name]
            for cell in (stub, check):  # the stored outputs belong to the stub
                cell.outputs = []
    return notebook


def failures(notebook: nbformat.NotebookNode) -> list[str]:
    """Return the messages of the checks in an executed notebook that rejected an answer."""
    messages = []
    for cell in notebook.cells:
        name = checked_id(cell.source) if cell.cell_type == "code" else None
        if name is not None:
            texts = [output.get("data", {}).get("text/plain", "") for output in cell.outputs]
            if not any(text.startswith(f"Exercise {name}: right.") for text in texts):
                messages.append(" ".join(texts) or f"Exercise {name}: the check said nothing.")
    return messages


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="course.py solutions", description=__doc__)
    parser.add_argument("numbers", nargs="*", help="notebooks, e.g. 01 04 (default: all)")
    parser.add_argument(
        "--execute", action="store_true", help="run them and verify that every check accepts"
    )
    options = parser.parse_args(arguments)
    try:
        paths = notebook_paths(options.numbers)
    except ValueError as error:
        parser.error(str(error))
    TARGET.mkdir(parents=True, exist_ok=True)
    prepare_kernels()
    failed = False
    for path in paths:
        if not read_solutions(path.name[:2]):
            continue  # 00 and 07 have no exercises
        target = TARGET / path.name
        notebook = solved(path)
        # the badges would open the notebook without the solutions
        notebook.cells[0].source = without_badges(notebook.cells[0].source)
        write_notebook(notebook, target)
        messages: list[str] = []
        if options.execute:
            try:
                notebook = execute(target)
            except CellExecutionError as error:
                print(f"{path.name}: a cell failed.\n{error}")
                return 1
            write_notebook(notebook, target)
            messages = failures(notebook)
        print("\n".join([f"{target.relative_to(ROOT)}: written", *messages]))
        failed = failed or bool(messages)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
