"""The instructor's folder, laid out as nbgrader wants it, and the two steps that nbgrader takes.

FOLDER/source/NAME/      the assignment as it was made
FOLDER/release/NAME/     the same, to hand out
FOLDER/instructor/NAME.json   its seed, the secret one of its grading, the key; never hand it out
FOLDER/collected/STUDENT/NAME/    what was handed in, cleaned
FOLDER/autograded/STUDENT/NAME/   the same with the verdicts
FOLDER/gradebook.db      nbgrader's data base
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
from nbgrader.api import Gradebook
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
from vae_course.exercises import EXERCISES
from vae_course.grading.release import assignment_name, source_notebooks
from vae_lib._files import write_text_atomically

Step = Callable[[NotebookNode, dict], tuple[NotebookNode, dict]]


@dataclass(frozen=True)
class Facts:
    """What the instructor alone knows of an assignment.

    seed: of its numbers. secret: the seed of the inputs that functions are tried on.
    """

    seed: int | None
    secret: int


@dataclass(frozen=True)
class Course:
    """The instructor's folder."""

    root: Path

    def assignments(self) -> list[str]:
        """Return the names of the assignments that were made."""
        return sorted(path.stem for path in (self.root / "instructor").glob("*.json"))

    def facts(self, name: str) -> Facts:
        """Return what was kept of an assignment."""
        kept = json.loads((self.root / "instructor" / f"{name}.json").read_text())
        return Facts(kept["seed"], kept["secret"])

    def released(self, name: str) -> dict[str, NotebookNode]:
        """Return the notebooks of an assignment, as handed out."""
        paths = sorted((self.root / "release" / name).glob("*.ipynb"))
        return {path.stem: nbformat.read(path, as_version=4) for path in paths}

    def make(self, seed: int | None) -> Path:
        """Make an assignment, or make it again, and return the folder to hand out."""
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
        """Let nbgrader grade one student's collected notebooks; `judge` says what is right."""
        with _nbgrader():
            converter = Autograde(coursedir=self._directory(name, student), force=True)
            converter.autograde_preprocessors = [judge, SaveAutoGrades, CheckCellMetadata]
            converter.start()

    def scores(self, student: str, name: str) -> dict[str, float]:
        """Return the points for each exercise; a grade that was given by hand goes first."""
        with _nbgrader(), Gradebook(self._directory(name, student).db_url) as gradebook:
            submission = gradebook.find_submission(name, student)
            grades = [grade for notebook in submission.notebooks for grade in notebook.grades]
            points = {grade.name: grade.score for grade in grades}
        return {id: points.get(f"test-{id.replace('.', '-')}", 0.0) for id in EXERCISES}

    def _directory(self, name: str, student: str) -> CourseDirectory:
        return CourseDirectory(
            root=str(self.root.resolve()),
            assignment_id=name,
            student_id=student,
            submitted_directory="collected",
        )


def _with_a_key() -> list:
    """Return the exercises whose answer is a number or a text, which depends on the seed."""
    return [each for each in EXERCISES.values() if each.kind in ("number", "text")]


class NbgraderError(Exception):
    """nbgrader could not do its step; the message is what it logged."""


@contextlib.contextmanager
def _nbgrader() -> Iterator[None]:
    """Let nbgrader find its own commands, and say only what went wrong."""
    logger, log = logging.getLogger("traitlets"), io.StringIO()
    handler, level, path = logging.StreamHandler(log), logger.level, os.environ.get("PATH", "")
    logger.addHandler(handler)
    logger.setLevel(logging.ERROR)
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), path])
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SAWarning)  # nbgrader's own, about its own queries
            yield
    except NbGraderException as error:
        raise NbgraderError(log.getvalue()) from error
    finally:
        os.environ["PATH"] = path
        logger.setLevel(level)
        logger.removeHandler(handler)
