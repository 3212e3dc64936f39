"""Judge a submitted notebook, in place of nbgrader's own execution of it.

nbgrader runs the grading cells in the submission's kernel, where a submission can patch whatever
they call. Here the submission's cells run in a separate process, the grading cells do not run at
all, and the verdicts become the outputs of the grading cells, from which nbgrader reads the result.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from nbformat.notebooknode import NotebookNode
from nbformat.v4 import new_output

from vae_course.exercises import EXERCISES
from vae_course.exercises.checking import Verdict, examine
from vae_course.exercises.exercise import Exercise
from vae_course.grading.gradebook import Facts
from vae_course.grading.release import SETUP, exercise_of
from vae_course.grading.session import Function, Limits, LostError, Session


@dataclass(frozen=True)
class Judgement:
    """The verdict on each exercise of a notebook, and remarks about errors in its cells."""

    verdicts: dict[str, Verdict]
    remarks: list[str]


def judge(
    cells: list[str], exercises: Sequence[Exercise], secret: int, limits: Limits | None = None
) -> Judgement:
    """Run the cells of a submission, and examine what they define.

    Args:
        cells: the source of each code cell.
        exercises: the exercises to judge.
        secret: the seed of the inputs for functions. The submission never sees it.
        limits: the limits for the submission.

    Returns:
        The verdicts and remarks.
    """
    with Session(cells, limits or Limits()) as session:
        verdicts = {exercise.id: _verdict(session, exercise, secret) for exercise in exercises}
        return Judgement(verdicts, session.remarks)


def _verdict(session: Session, exercise: Exercise, secret: int) -> Verdict:
    try:
        answer = session.answer(exercise.name)
        verdict = examine(exercise, answer, secret)
        if isinstance(answer, Function) and answer.lost is not None:
            raise answer.lost
    except LostError as lost:
        return Verdict(exercise.id, "not yet", f"{exercise.name} gave no answer: {lost}.")
    return verdict


class Judge:
    """A step for nbgrader that stores the verdict on each exercise as its grading cell's output."""

    def __init__(self, facts: Facts, limits: Limits | None = None):
        self.remarks: dict[str, list[str]] = {}
        self._facts = facts
        self._limits = limits

    def __call__(self, notebook: NotebookNode, resources: dict) -> tuple[NotebookNode, dict]:
        code = [cell for cell in notebook.cells if cell.cell_type == "code"]
        tests = {exercise_of(cell): cell for cell in code if exercise_of(cell) is not None}
        own = [cell.source for cell in code if exercise_of(cell) is None]
        exercises = [EXERCISES[id].variant(self._facts.seed) for id in tests if id]
        if set(own) <= {SETUP, *(exercise.stub for exercise in exercises)}:
            own = []  # all stubs are untouched, so no process is needed
        judgement = judge(own, exercises, self._facts.secret, self._limits)
        for id, verdict in judgement.verdicts.items():
            tests[id].outputs = [_output(verdict)]
        self.remarks[resources["nbgrader"]["notebook"]] = judgement.remarks
        return notebook, resources


def _output(verdict: Verdict) -> NotebookNode:
    """Return the output for nbgrader, which counts an error as 0 points."""
    if verdict.status == "right":
        return new_output("stream", name="stdout", text=verdict.text + "\n")
    name = "NotRightError"
    return new_output("error", ename=name, evalue=verdict.text, traceback=[verdict.text])
