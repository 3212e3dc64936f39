"""Exercises that say which mistake was made, and quizzes whose key is computed.

An exercise is one object in its notebook's module, `chapter_NN`, and the cells of it.
"""

from vae_course.exercises import (
    chapter_01,
    chapter_02,
    chapter_03,
    chapter_04,
    chapter_05,
    chapter_06,
)
from vae_course.exercises.checking import Exercise, examine, show
from vae_course.exercises.quizzes import QUIZZES, Quiz

__all__ = ["EXERCISES", "check", "quiz", "require"]

CHAPTERS = (chapter_01, chapter_02, chapter_03, chapter_04, chapter_05, chapter_06)
EXERCISES: dict[str, Exercise] = {
    exercise.id: exercise for chapter in CHAPTERS for exercise in chapter.EXERCISES
}


class NotRightError(AssertionError):
    """What `require` raises; Jupyter shows its one line and no traceback."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


def check(id: str, answer: object = ...) -> None:
    """Say in one line whether an answer is right, or which mistake it looks like.

    id: of the exercise, "4.2" say. answer: what the exercise asks for: a function, a number, a
    tensor (an array or a list will do) or a text. Whatever the answer does, nothing is raised.
    """
    exercise = EXERCISES.get(id) if isinstance(id, str) else None
    if exercise is None:
        print(f"There is no such exercise; there are {', '.join(EXERCISES)}.")
        return
    show(examine(exercise, answer))


def require(id: str, answer: object = ..., seed: int | None = None) -> None:
    """Say what `check` says, and raise a NotRightError unless the answer is right.

    This is the form that nbgrader grades. seed: of an assignment with numbers of its own.
    """
    verdict = examine(EXERCISES[id].variant(seed), answer)
    if verdict.status != "right":
        raise NotRightError(verdict.text)
    show(verdict)


def quiz(number: int) -> Quiz | None:
    """Return the quiz of a notebook, 4 say, as a widget."""
    if not isinstance(number, int) or number not in QUIZZES:
        print(f"There is no such quiz; there are those of the notebooks {sorted(QUIZZES)}.")
        return None
    return Quiz(number, QUIZZES[number])
