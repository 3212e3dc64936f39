"""Find submitted notebooks, read them as data, and clean them for nbgrader.

Submissions have nbgrader's layout, FOLDER/STUDENT/ASSIGNMENT/NOTEBOOK.ipynb.
"""

import re
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat.notebooknode import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_raw_cell

from vae_course.grading.release import name_of

LAYOUT = "FOLDER/STUDENT/ASSIGNMENT/NOTEBOOK.ipynb"
MAX_BYTES = 10_000_000  # the largest notebook that is read
STUDENT = re.compile(r"\w[\w.@-]*")  # neither a file pattern nor a spreadsheet formula
NEW_CELL = {"code": new_code_cell, "markdown": new_markdown_cell, "raw": new_raw_cell}


class LayoutError(Exception):
    """The folder of submissions has another layout; the message names each wrong entry."""


@dataclass(frozen=True)
class Submission:
    """One student's submission to one assignment."""

    student: str
    assignment: str
    folder: Path


def submissions(folder: Path, assignments: list[str]) -> list[Submission]:
    """Return the submissions in a folder.

    Args:
        folder: the folder, which holds one folder for each student.
        assignments: the names of known assignments.

    Returns:
        One submission for each student and assignment.

    Raises:
        LayoutError: if anything is out of place. The message names everything that is.
    """
    if not folder.is_dir():
        raise LayoutError(f"There is no folder {folder}.")
    found, wrong = [], []
    for student in _visible(folder):
        if not student.is_dir() or student.is_symlink() or not STUDENT.fullmatch(student.name):
            wrong.append(
                f"{student}: expected a folder with a student's name, of letters, digits and .@-_"
            )
            continue
        handed_in = list(_visible(student))
        for place in handed_in:
            if place.is_dir() and not place.is_symlink() and place.name in assignments:
                found.append(Submission(student.name, place.name, place))
            else:
                known = " or ".join(assignments)
                wrong.append(f"{place}: expected a folder with an assignment's name, {known}")
        if not handed_in:
            wrong.append(f"{student}: expected an assignment in it, got an empty folder")
    if wrong or not found:
        what = "\n".join(wrong) or f"There is nothing in {folder}."
        raise LayoutError(f"{what}\nThe layout of submissions is {LAYOUT}.")
    return found


def _visible(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.iterdir()) if not path.name.startswith("."))


def collected(
    submission: Submission, released: dict[str, NotebookNode]
) -> tuple[dict[str, NotebookNode], list[str]]:
    """Return the notebooks of a submission in a form that nbgrader can grade.

    Args:
        submission: the submission.
        released: the notebooks of the assignment by name, as handed out.

    Returns:
        A notebook for each name, which is an untouched copy if none was submitted or it cannot be
        read, and remarks for the instructor.
    """
    notebooks, remarks = {}, []
    for name, release in released.items():
        path = submission.folder / f"{name}.ipynb"
        try:
            notebooks[name], found = cleaned(_read(path), release)
        except ValueError as error:
            notebooks[name], found = deepcopy(release), [str(error)]
        remarks += [f"{name}: {line}" for line in found]
    known = {
        "timestamp.txt",
        *(f"{name}.ipynb" for name in released),
    }  # the first by nbgrader
    others = [path.name for path in _visible(submission.folder) if path.name not in known]
    remarks += [f"not part of the assignment: {_printable(name)}" for name in others]
    return notebooks, remarks


def _read(path: Path) -> NotebookNode:
    """Read a notebook, or raise a ValueError with the remark for the instructor."""
    if path.is_symlink() or not path.is_file():
        raise ValueError("not handed in")
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(f"not read, since it is larger than {MAX_BYTES // 1_000_000} MB")
    try:
        notebook = nbformat.reads(path.read_text(encoding="utf-8"), as_version=4)
        nbformat.validate(notebook)
    except Exception as error:  # the file may hold anything
        raise ValueError(f"not a notebook ({type(error).__name__})") from None
    return notebook


def cleaned(submitted: NotebookNode, release: NotebookNode) -> tuple[NotebookNode, list[str]]:
    """Return a submitted notebook with the metadata of the release, and without outputs.

    Missing cells are put back. nbgrader itself restores the source of locked cells later.

    Args:
        submitted: the notebook as submitted.
        release: the notebook as handed out.

    Returns:
        The notebook, and remarks for the instructor.

    Raises:
        ValueError: if it holds no cell of the assignment.
    """
    expected = {name_of(cell): cell for cell in release.cells}
    if not any(name_of(cell) in expected for cell in submitted.cells):
        raise ValueError("it holds no cell of the assignment")
    cells, placed, remarks = [], set(), []
    for number, cell in enumerate(submitted.cells, start=1):
        name = name_of(cell)
        new = NEW_CELL[cell.cell_type](cell.source)
        if name in placed:
            remarks.append(f"a second cell {name} was taken for one of the student's own")
        elif name in expected:
            placed.add(name)
            known = expected[name]
            new.metadata, new.id = deepcopy(known.metadata), known.id
            if known.metadata.nbgrader.locked and (
                (cell.cell_type, cell.source) != (known.cell_type, known.source)
            ):
                remarks.append(f"the locked cell {name} was edited and has been put back")
            cells.append(new)
            continue
        new.id = f"own-{number}"
        cells.append(new)
    for name, cell in expected.items():
        if name not in placed:
            remarks.append(f"the cell {name} was missing and has been put back")
            cells.append(deepcopy(cell))
    whole = deepcopy(release)
    whole.cells = cells
    return whole, remarks


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in text)[:60]
