"""The assignment: one notebook for each chapter, made from the exercises, in nbgrader's form."""

import re
from pathlib import Path

import nbformat
from nbformat.notebooknode import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from vae_course.commands.notebooks import KERNEL, notebook_paths
from vae_course.exercises import EXERCISES
from vae_course.exercises.exercise import Exercise

POINTS = 1  # of each exercise
SETUP = """\
import math

import numpy as np
import torch

from vae_course.exercises import require"""
INTRODUCTION = """\
# Exercises of {title}

Replace each `...` with your answer, run its cell and the one below, which says what is right or
which mistake it sees. At the end, restart the kernel and run all cells, save, and hand in this file
under its own name. Cells that cannot be edited are put back before grading; add cells of your own
wherever you like. If a name is defined twice, the last definition counts."""


def assignment_name(seed: int | None) -> str:
    """Return the name of the assignment with the numbers of a seed; None: the course's own."""
    return "exercises" if seed is None else f"exercises-{seed}"


def grade_id(kind: str, exercise: Exercise) -> str:
    """Return nbgrader's name of a cell: "statement-4-2", "solution-4-2" or "test-4-2"."""
    return f"{kind}-{exercise.id.replace('.', '-')}"


def name_of(cell: NotebookNode) -> str | None:
    """Return nbgrader's name of a cell, if it has one."""
    known = cell.metadata.get("nbgrader")
    name = known.get("grade_id") if isinstance(known, dict) else None
    return name if isinstance(name, str) else None


def exercise_of(cell: NotebookNode) -> str | None:
    """Return the id of the exercise that a cell grades, "4.2" say, if it grades one."""
    found = re.fullmatch(r"test-(\d+)-(\d+)", name_of(cell) or "")
    return ".".join(found.groups()) if found else None


def exercises_of(path: Path, seed: int | None) -> list[Exercise]:
    """Return the exercises of one of the course's notebooks, with the numbers of a seed."""
    chapter = f"{int(path.name[:2])}."
    return [each.variant(seed) for each in EXERCISES.values() if each.id.startswith(chapter)]


def source_notebooks(seed: int | None) -> dict[str, NotebookNode]:
    """Return the notebooks of the assignment by name, each named as the course's own."""
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
