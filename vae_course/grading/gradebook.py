"""The instructor's folder in nbgrader's layout, and the two steps in which nbgrader uses it.

FOLDER/source/NAME/               the assignment before nbgrader's release step
FOLDER/release/NAME/              the assignment to hand out
FOLDER/instructor/NAME.json       its seed, the secret seed of its grading, and the answers
FOLDER/collected/STUDENT/NAME/    the submissions, cleaned
FOLDER/autograded/STUDENT/NAME/   the submissions with their verdicts
FOLDER/gradebook.db               nbgrader's database
"""

import contextlib
import io
import json
import logging
import os
import secrets
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat.notebooknode import NotebookNode
from nbgrader.api import Gradebook as NbgraderDatabase
from nbgrader.converters import Autograde, GenerateAssignment
from nbgrader.converters.base import NbGraderException
from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import (
    CheckCellMetadata,
    ClearOutput,
    ComputeChecksums,
    LockCells,
    SaveAutoGrades,
    SaveCells,
)
from sqlalchemy.exc import SAWarning

from vae_course.commands.notebooks import write_notebook
from vae_course.grading.release import GRADED, assignment_name, source_notebooks
from vae_lib._files import write_text_atomically

Step = Callable[[NotebookNode, dict], tuple[NotebookNode, dict]]


@dataclass(frozen=True)
class Facts:
    """The two seeds of an assignment, which only the instructor knows.

    Attributes:
        seed: the seed of its numbers.
        secret: the seed of the inputs on which functions are tested.
    """

    seed: int | None
    secret: int


@dataclass(frozen=True)
class Gradebook:
    """The instructor's folder."""

    root: Path

    def assignments(self) -> list[str]:
        """Return the names of all assignments."""
        return sorted(path.stem for path in (self.root / "instructor").glob("*.json"))

    def facts(self, name: str) -> Facts:
        """Return the seeds of an assignment."""
        kept = json.loads((self.root / "instructor" / f"{name}.json").read_text())
        return Facts(kept["seed"], kept["secret"])

    def released(self, name: str) -> dict[str, NotebookNode]:
        """Return the notebooks of an assignment, as handed out."""
        paths = sorted((self.root / "release" / name).glob("*.ipynb"))
        return {path.stem: nbformat.read(path, as_version=4) for path in paths}

    def make(self, seed: int | None) -> Path:
        """Write an assignment, keep its secret if it exists, and return the folder to hand out."""
        name = assignment_name(seed)
        again = name in self.assignments()
        secret = self.facts(name).secret if again else secrets.randbits(48)
        key = {each.id: each.variant(seed).oracle() for each in _with_a_key()}
        facts = {"seed": seed, "secret": secret, "key": key}
        write_text_atomically(
            self.root / "instructor" / f"{name}.json", json.dumps(facts, indent=2) + "\n"
        )
        source = self.root / "source" / name
        source.mkdir(parents=True, exist_ok=True)
        for stem, notebook in source_notebooks(seed).items():
            write_notebook(notebook, source / f"{stem}.ipynb")
        steps = [LockCells, ClearOutput, CheckCellMetadata, ComputeChecksums, SaveCells]
        with _nbgrader():
            converter = GenerateAssignment(coursedir=self._directory(name, "."), force=True)
            converter.preprocessors = [*steps, CheckCellMetadata]
            converter.start()
        return self.root / "release" / name

    def autograde(self, student: str, name: str, judge: Step) -> None:
        """Let nbgrader record the points of one student's collected notebooks.

        Args:
            student: the name of the student.
            name: the name of the assignment.
            judge: the step that writes the verdicts into a notebook.
        """
        with _nbgrader():
            converter = Autograde(coursedir=self._directory(name, student), force=True)
            converter.autograde_preprocessors = [judge, SaveAutoGrades, CheckCellMetadata]
            converter.start()

    def scores(self, student: str, name: str) -> dict[str, float]:
        """Return the points for each exercise. A manual grade replaces the automatic one."""
        with _nbgrader(), NbgraderDatabase(self._directory(name, student).db_url) as gradebook:
            submission = gradebook.find_submission(name, student)
            grades = [grade for notebook in submission.notebooks for grade in notebook.grades]
            points = {grade.name: grade.score for grade in grades}
        return {id: points.get(f"test-{id.replace('.', '-')}", 0.0) for id in GRADED}

    def _directory(self, name: str, student: str) -> CourseDirectory:
        return CourseDirectory(
            root=str(self.root.resolve()),
            assignment_id=name,
            student_id=student,
            submitted_directory="collected",
        )


def _with_a_key() -> list:
    """Return the exercises whose answer is a number or a text."""
    return [each for each in GRADED.values() if each.kind in ("number", "text")]


class NbgraderError(Exception):
    """An nbgrader step failed; the message is nbgrader's log."""


@contextlib.contextmanager
def _nbgrader() -> Iterator[None]:
    """Put nbgrader's commands on the path, and log only its errors."""
    logger, log = logging.getLogger("traitlets"), io.StringIO()
    handler, level, path = logging.StreamHandler(log), logger.level, os.environ.get("PATH", "")
    logger.addHandler(handler)
    logger.setLevel(logging.ERROR)
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), path])
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SAWarning)  # about nbgrader's own queries
            yield
    except NbGraderException as error:
        raise NbgraderError(log.getvalue()) from error
    finally:
        os.environ["PATH"] = path
        logger.setLevel(level)
        logger.removeHandler(handler)
