"""`course.py notebooks [04 ...]`: execute notebooks and store their outputs.

This is the only command that stores outputs. It also writes the cells that are defined elsewhere:
those of the exercises (`vae_course/exercises`), and the badges with the cell that installs the
course in Colab (badges.py). With `--cells` it only writes them. It drops everything that differs
from run to run without being a result: timestamps, widget state and the kernel's version.
"""

import argparse
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat.v4 import new_code_cell, new_markdown_cell
from tqdm.auto import tqdm

from vae_course import ROOT
from vae_course.commands.badges import write_badges
from vae_course.commands.jupyter import prepare_kernels
from vae_course.exercises import EXERCISES
from vae_course.exercises.exercise import Exercise
from vae_lib._files import write_atomically
from vae_lib.data import load_images

FOLDER = ROOT / "notebooks"
WRONG_DATA = (
    "Nothing was run: the course's outputs are those of Fashion-MNIST, and here they would become "
    "those of the drawn garments. Put the data set where the README says, or leave the outputs to "
    "us and say so in your pull request. To look at a notebook, without storing it: "
    "python3 course.py lab. To store it all the same, add --drawn."
)
KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}


def notebook_paths(numbers: list[str] | None = None) -> list[Path]:
    """Return the notebooks whose file names begin with one of `numbers`, or all of them."""
    paths = sorted(FOLDER.glob("[0-9][0-9]_*.ipynb"))
    for number in numbers or []:
        if not any(path.name.startswith(number) for path in paths):
            known = ", ".join(path.stem for path in paths)
            raise ValueError(f"no notebook begins with {number!r}; there are {known}")
    return [path for path in paths if not numbers or path.name.startswith(tuple(numbers))]


def exercise_cells(exercise: Exercise, notebook: nbformat.NotebookNode) -> list:
    """Return the question, stub and check of an exercise: the notebook's own cells, or new ones."""
    name = f"exercise-{exercise.id.replace('.', '-')}"
    parts = [new_code_cell(id=f"{name}-{part}") for part in ("stub", "check")]
    cells = [new_markdown_cell(id=f"{name}-ask"), *parts]
    for place, cell in enumerate(notebook.cells):
        if cell.source.startswith(f'check("{exercise.id}", '):
            cells = notebook.cells[place - 2 : place + 1]
    sources = (exercise.markdown, exercise.stub, exercise.call)
    for cell, source in zip(cells, sources, strict=True):
        cell.source = source
    return cells


def write_exercises(notebook: nbformat.NotebookNode, number: int) -> None:
    """Write the exercises of notebook `number` into it, as `vae_course/exercises` defines them."""
    mine = [each for each in EXERCISES.values() if each.id.startswith(f"{number}.")]
    if mine:
        headings = [cell.source.split("\n")[0] for cell in notebook.cells]
        # the heading and the cell that imports `check` come first, and the quiz comes last
        first, last = headings.index("## Exercises") + 2, headings.index("## Quiz")
        notebook.cells[first:last] = [cell for e in mine for cell in exercise_cells(e, notebook)]


def write_shared_cells(notebook: nbformat.NotebookNode, name: str) -> None:
    """Write the badges and the exercises into the notebook with a file name.

    A new cell without output, such as the one for Colab, moves the execution counts after it.
    """
    write_badges(notebook, name)
    write_exercises(notebook, int(name[:2]))
    code_cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for count, cell in enumerate(code_cells, start=1):
        cell.execution_count = count
        for output in cell.outputs:
            if output.output_type == "execute_result":
                output.execution_count = count


def execute(path: Path, *, allow_errors: bool = False) -> nbformat.NotebookNode:
    """Run a notebook from a fresh kernel in its own folder and return it, cleaned."""
    return run(nbformat.read(path, as_version=4), path, allow_errors)


def run(
    notebook: nbformat.NotebookNode, path: Path, allow_errors: bool = False
) -> nbformat.NotebookNode:
    """Run the notebook of a path from a fresh kernel in its own folder and return it, cleaned."""
    code_cells = sum(cell.cell_type == "code" for cell in notebook.cells)
    with tqdm(total=code_cells, desc=path.stem, unit="cell", leave=False) as bar:
        client = NotebookClient(
            notebook,
            timeout=600,
            allow_errors=allow_errors,
            record_timing=False,
            store_widget_state=False,
            coalesce_streams=True,
            resources={"metadata": {"path": str(path.parent)}},
            on_cell_executed=lambda **_: bar.update(),
        )
        client.execute()
    return cleaned(notebook)


def cleaned(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Remove metadata that changes from run to run or from machine to machine."""
    notebook.metadata = nbformat.NotebookNode(kernelspec=KERNEL, language_info={"name": "python"})
    for cell in notebook.cells:
        for key in ("execution", "collapsed", "scrolled"):
            cell.metadata.pop(key, None)
        for output in cell.get("outputs", []):
            # a widget's state is lost with its kernel; the picture of it is kept
            output.get("data", {}).pop("application/vnd.jupyter.widget-view+json", None)
    return notebook


def write_notebook(notebook: nbformat.NotebookNode, path: Path) -> None:
    """Write a notebook; if writing is interrupted, the old file is kept."""
    write_atomically(path, lambda temporary: nbformat.write(notebook, temporary))


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="course.py notebooks", description=__doc__)
    parser.add_argument("numbers", nargs="*", help="which ones, e.g. 00 04 (default: all)")
    parser.add_argument("--drawn", action="store_true", help="store them on drawn garments, too")
    parser.add_argument(
        "--cells", action="store_true", help="write the badges and exercises, and run nothing"
    )
    options = parser.parse_args(arguments)
    try:
        paths = notebook_paths(options.numbers)
    except ValueError as error:
        parser.error(str(error))
    if not (options.drawn or options.cells) and load_images("auto").name == "drawn":
        print(WRONG_DATA)
        return 1
    prepare_kernels()
    for path in paths:
        try:
            notebook = nbformat.read(path, as_version=4)
            write_shared_cells(notebook, path.name)
            write_notebook(notebook if options.cells else run(notebook, path), path)
        except CellExecutionError as error:
            print(f"{path.name}: a cell failed, so the file was left as it was.\n{error}")
            return 1
        print(f"{path.name}: {'written' if options.cells else 'executed and stored'}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
