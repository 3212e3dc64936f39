"""The notebooks of an assignment, made from the exercises in nbgrader's format."""

import re
from pathlib import Path

import nbformat
from nbformat.notebooknode import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from vae_course.commands.notebooks import KERNEL, notebook_paths
from vae_course.exercises import EXERCISES
from vae_course.exercises.exercise import Exercise

POINTS = 1  # for each exercise
# Open exercises take models and iterators, which the grader cannot send to a submission as data.
GRADED = {exercise.id: exercise for exercise in EXERCISES.values() if not exercise.hints}
SETUP = """\
import math

import numpy as np
import torch

from vae_course.exercises import require"""
INTRODUCTION = """\
# Exercises of {title}

Replace each `...` with your answer. Run the cell, and then the cell below it, which says whether
your answer is right or which mistake it looks like. At the end, restart the kernel, run all cells,
save the file, and hand it in without renaming it. You may add cells of your own anywhere. Locked
cells are restored before grading. If you define a name twice, the last definition counts."""


def assignment_name(seed: int | None) -> str:
    """Return the name of the assignment with a seed, or with the course's own numbers for None."""
    return "exercises" if seed is None else f"exercises-{seed}"


def grade_id(kind: str, exercise: Exercise) -> str:
    """Return the nbgrader id of a cell: "statement-4-2", "solution-4-2" or "test-4-2"."""
    return f"{kind}-{exercise.id.replace('.', '-')}"


def name_of(cell: NotebookNode) -> str | None:
    """Return the nbgrader id of a cell, if it has one."""
    known = cell.metadata.get("nbgrader")
    name = known.get("grade_id") if isinstance(known, dict) else None
    return name if isinstance(name, str) else None


def exercise_of(cell: NotebookNode) -> str | None:
    """Return the number of the exercise that a cell grades, such as "4.2", if it grades one."""
    found = re.fullmatch(r"test-(\d+)-(\d+)", name_of(cell) or "")
    return ".".join(found.groups()) if found else None


def exercises_of(path: Path, seed: int | None) -> list[Exercise]:
    """Return the graded exercises of one of the course's notebooks, with the numbers of a seed."""
    chapter = f"{int(path.name[:2])}."
    return [each.variant(seed) for each in GRADED.values() if each.id.startswith(chapter)]


def source_notebooks(seed: int | None) -> dict[str, NotebookNode]:
    """Return the notebooks of the assignment, with the names of the course's notebooks."""
    notebooks = {}
    for path in notebook_paths():
        exercises = exercises_of(path, seed)
        if exercises:
            title = nbformat.read(path, as_version=4).cells[0].source.split("\n")[0]
            notebooks[path.stem] = _notebook(title.removeprefix("# "), exercises, seed)
    return notebooks


def _notebook(title: str, exercises: list[Exercise], seed: int | None) -> NotebookNode:
    cells = [
        _cell(new_markdown_cell(INTRODUCTION.format(title=title)), "introduction", locked=True),
        _cell(new_code_cell(SETUP), "setup", locked=True),
    ]
    for exercise in exercises:
        varied = "" if seed is None else f", seed={seed}"
        test = f'require("{exercise.id}", {exercise.name}{varied})'
        statement, solution, graded = (
            grade_id(kind, exercise) for kind in ("statement", "solution", "test")
        )
        cells += [
            _cell(new_markdown_cell(exercise.markdown), statement, locked=True),
            _cell(new_code_cell(exercise.stub), solution, solution=True),
            _cell(new_code_cell(test), graded, locked=True, grade=True, points=POINTS),
        ]
    metadata = {"kernelspec": KERNEL, "language_info": {"name": "python"}}
    return new_notebook(cells=cells, metadata=metadata)


def _cell(cell: NotebookNode, name: str, **more: object) -> NotebookNode:
    plain = {"grade": False, "locked": False, "solution": False, "task": False}
    cell.id = name
    cell.metadata["nbgrader"] = {**plain, **more, "grade_id": name, "schema_version": 3}
    return cell
