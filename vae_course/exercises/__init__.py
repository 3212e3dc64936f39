"""Exercises whose checks name the mistake, and quizzes whose answers are computed.

The module `chapter_NN` defines the exercises of notebook NN.
"""

from vae_course.exercises import (
    chapter_01,
    chapter_02,
    chapter_03,
    chapter_04,
    chapter_05,
    chapter_06,
)
from vae_course.exercises.checking import examine, say, show
from vae_course.exercises.exercise import Exercise
from vae_course.exercises.quizzes import QUIZZES, Quiz

__all__ = ["EXERCISES", "check", "quiz", "require"]

CHAPTERS = (chapter_01, chapter_02, chapter_03, chapter_04, chapter_05, chapter_06)
EXERCISES: dict[str, Exercise] = {
    exercise.id: exercise for chapter in CHAPTERS for exercise in chapter.EXERCISES
}

_hints_shown: dict[str, int] = {}


class NotRightError(AssertionError):
    """Raised by `require`. Jupyter shows its line without a traceback."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


def check(id: str, answer: object = ..., hint: bool = False) -> None:
    """Print whether an answer is right, or which mistake it looks like.

    Whatever the answer is or does, no error is raised.

    Args:
        id: the number of the exercise, such as "4.2".
        answer: what the exercise asks for: a function, a number, a tensor or a text. Arrays and
            lists are accepted as well.
        hint: print one more hint instead. Only open exercises have hints of this kind.
    """
    exercise = EXERCISES.get(id) if isinstance(id, str) else None
    if exercise is None:
        print(f"There is no such exercise; there are {', '.join(EXERCISES)}.")
    elif hint:
        _show_hints(exercise)
    else:
        show(examine(exercise, answer))


def _show_hints(exercise: Exercise) -> None:
    """Print the hints shown so far and one more."""
    if not exercise.hints:
        print(f"Exercise {exercise.id} has no hints of its own. Check an answer to get one for it.")
        return
    total = len(exercise.hints)
    shown = _hints_shown[exercise.id] = min(_hints_shown.get(exercise.id, 0) + 1, total)
    for number, text in enumerate(exercise.hints[:shown], start=1):
        say(f"Hint {number} of {total}: {text}")
    if shown == total:
        print(f"This was the last hint. One solution is in solutions/0{exercise.id[0]}.py.")


def require(id: str, answer: object = ..., seed: int | None = None) -> None:
    """Print that an answer is right, or raise an error; nbgrader grades cells of this form.

    Args:
        id: the number of the exercise, such as "4.2".
        answer: what the exercise asks for.
        seed: the seed of an assignment with other numbers.

    Raises:
        NotRightError: if the answer is not right. Its message is the line that `check` prints.
    """
    verdict = examine(EXERCISES[id].variant(seed), answer)
    if verdict.status != "right":
        raise NotRightError(verdict.text)
    show(verdict)


def quiz(number: int) -> Quiz | None:
    """Return the quiz of a notebook as a widget.

    Args:
        number: the number of the notebook, such as 4.

    Returns:
        The quiz, or None after a message if the notebook has none.
    """
    if not isinstance(number, int) or number not in QUIZZES:
        print(f"There is no such quiz; there are those of the notebooks {sorted(QUIZZES)}.")
        return None
    return Quiz(number, QUIZZES[number])
