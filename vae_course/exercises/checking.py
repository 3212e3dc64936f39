"""Examine an answer to an exercise, and say in one line what is right or wrong with it."""

import dis
import html
import linecache
import os
import sys
import sysconfig
import traceback
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from types import CodeType
from typing import Any, Literal

import numpy as np
from torch import Tensor

import vae_lib
from vae_course.exercises.answers import NotNumbers, Untouched, as_numbers, kind_of, one_line
from vae_course.exercises.exercise import Case, Exercise
from vae_course.exercises.limits import TimeUp, run_limited

SECONDS = 3.0  # time limit for a learner's code
STUB_OPERATIONS = {"RESUME", "NOP", "LOAD_CONST", "RETURN_VALUE", "RETURN_CONST"}
FOREIGN = (  # files and folders with code that is not the learner's
    str(Path(__file__).parents[1]),
    str(Path(vae_lib.__file__).parent),
    sysconfig.get_paths()["purelib"],
    sysconfig.get_paths()["stdlib"],
    "<frozen",
    "<__array",
)
MARKS = {"right": ("✓", "#009E73"), "not yet": ("→", "#D55E00"), "not tried yet": ("…", "#888888")}

Status = Literal["right", "not yet", "not tried yet"]


@dataclass(frozen=True)
class Verdict:
    """The line that `check` shows about an answer."""

    exercise_id: str
    status: Status
    message: str

    @property
    def text(self) -> str:
        """The line as plain text."""
        return f"Exercise {self.exercise_id}: {self.status}. {self.message}"

    @property
    def html(self) -> str:
        """The line with a coloured mark that is legible in light and dark themes."""
        mark, color = MARKS[self.status]
        return (
            f'<div style="border-left: 4px solid {color}; padding: 2px 0 2px 10px">'
            f'<b><span style="color: {color}" aria-hidden="true">{mark}</span> '
            f"Exercise {html.escape(self.exercise_id)}: {self.status}.</b> "
            f"{html.escape(self.message)}</div>"
        )


class _Problem(Exception):
    """A problem with the answer; the message is the line for the learner."""


def examine(exercise: Exercise, answer: object, seed: int | None = None) -> Verdict:
    """Examine an answer to an exercise.

    Args:
        exercise: the exercise.
        answer: the learner's function or value.
        seed: the seed of the inputs for a function; with None they are different each time.

    Returns:
        The verdict. Nothing is raised but a KeyboardInterrupt of the user.
    """
    try:
        message = _examine(exercise, answer, seed)
    except Untouched:
        todo = "Replace the ... with your answer, run its cell, then this one."
        return Verdict(exercise.id, "not tried yet", todo)
    except _Problem as problem:
        return Verdict(exercise.id, "not yet", str(problem))
    except Exception as error:  # a bug in this module must not stop a notebook
        what = f"check could not make sense of this answer ({type(error).__name__})."
        return Verdict(exercise.id, "not yet", what)
    return Verdict(exercise.id, "right", message)


def _examine(exercise: Exercise, answer: object, seed: int | None) -> str:
    """Return what was verified, or raise a _Problem."""
    if answer is ...:
        raise Untouched
    if exercise.kind == "text":
        return _examine_text(exercise, answer)
    with _quiet():
        cases = exercise.draw_cases(int.from_bytes(os.urandom(6), "big") if seed is None else seed)
        expected = exercise.expected(cases)
    if exercise.kind == "function":
        results = _results_of_function(exercise, answer, cases)
        value = results[0]
    else:
        value = _value(exercise, answer)
        results = [exercise.measured(value, case) for case in cases]
    score = f" Your score is {_score(results)}." if exercise.scored else ""
    if exercise.all_close(results, expected):
        return exercise.verified + score
    for mistake in exercise.mistakes:
        with _quiet():
            found = _is_mistake(exercise, mistake, cases, value, results, expected)
        if found:
            raise _Problem(f"This looks like {mistake.diagnosis}. Hint: {mistake.hint}")
    if exercise.kind == "function" and not exercise.scored:
        again = _results_of_function(exercise, answer, cases)
        if not exercise.all_close(results, again):
            raise _Problem(
                "Your function gives two different results for the same arguments. Does it draw "
                "random numbers, or keep something from the last call? Use only the arguments."
            )
    raise _Problem(_difference(exercise, cases, results, expected) + score)


def _examine_text(exercise: Exercise, answer: object) -> str:
    known = " or ".join(f'"{option}"' for option in exercise.options)
    if not isinstance(answer, str):
        raise _Problem(f"This exercise takes a text, {known}; yours is {kind_of(answer)}.")
    given = " ".join(answer.lower().split())
    if given in ("", "..."):
        raise Untouched
    if given == exercise.oracle():
        return exercise.verified
    for mistake in exercise.mistakes:
        if given == mistake.answer:
            raise _Problem(f"This looks like {mistake.diagnosis}. Hint: {mistake.hint}")
    raise _Problem(f'"{one_line(given, 40)}" is not one of the answers: {known}.')


# --- running the learner's code -------------------------------------------------------------------


def _results_of_function(exercise: Exercise, answer: Any, cases: list[Case]) -> list[np.ndarray]:
    """Return the results of the learner's function, or raise a _Problem that says why not."""
    if not callable(answer):
        call = f"{exercise.call}, with no brackets after the name"
        raise _Problem(f"This exercise takes a function, {call}; yours is {kind_of(answer)}.")
    try:
        return _limited(lambda: exercise.results(answer, cases))
    except (Untouched, _Problem, KeyboardInterrupt):
        raise
    except NotNumbers as wrong:
        if str(wrong) == "None" and _is_stub(answer):
            raise Untouched from None
        forgotten = " Is a `return` missing?" if str(wrong) == "None" else ""
        message = f"Your function returned {wrong} where numbers are expected.{forgotten}"
        raise _Problem(message) from None
    except BaseException as error:  # even SystemExit must not end the notebook
        arrays = [Case(case.name, _as_numpy(case.arguments)) for case in cases]
        try:  # the function may be written for NumPy
            return _limited(lambda: exercise.results(answer, arrays))
        except KeyboardInterrupt:
            raise
        except BaseException:
            raise _Problem(_description(exercise, error)) from None


def _limited(work: Callable[[], Any]) -> Any:
    """Run `work` with a time limit and without showing its warnings."""
    try:
        with _quiet():
            return run_limited(work, SECONDS)
    except TimeUp as late:
        place = _place(late.steps)
        end = "was stopped" if late.stopped else "could not be stopped"
        restart = "" if late.stopped else " If the notebook stays slow, restart its kernel."
        raise _Problem(
            f"Your code was still running after {SECONDS:g} seconds and {end}{place}. "
            f"Does a loop never end?{restart}"
        ) from None


class _quiet(warnings.catch_warnings):
    """Suppress warnings from Python and NumPy."""

    def __enter__(self) -> None:
        super().__enter__()
        warnings.simplefilter("ignore")
        self._numpy = np.errstate(all="ignore")
        self._numpy.__enter__()

    def __exit__(self, *details: Any) -> None:
        self._numpy.__exit__(*details)
        super().__exit__(*details)


def _value(exercise: Exercise, answer: object) -> np.ndarray:
    """Return a number or a tensor as an array, or raise a _Problem that says why not."""
    wanted = "a number" if exercise.kind == "number" else f"numbers of shape {list(exercise.shape)}"
    if callable(answer) and not isinstance(answer, Tensor):
        raise _Problem(f"This exercise takes {wanted}, and yours is a function. Call it first.")
    try:
        value = _limited(lambda: as_numbers(answer))
    except (Untouched, _Problem, KeyboardInterrupt):
        raise
    except BaseException as error:
        what = str(error) if isinstance(error, NotNumbers) else kind_of(answer)
        raise _Problem(f"This exercise takes {wanted}; yours is {what}.") from None
    if exercise.kind == "number" and value.shape == (1,):
        value = value[0]
    if value.shape != exercise.shape:
        got = "a single number" if value.shape == () else f"of shape {list(value.shape)}"
        raise _Problem(f"This exercise takes {wanted}; yours is {got}.")
    if not np.isfinite(value).all():
        raise _Problem(f"This exercise takes {wanted}; yours holds NaN or infinity.")
    return value


def _as_numpy(arguments: Iterable[Any]) -> tuple[Any, ...]:
    return tuple(a.numpy() if isinstance(a, Tensor) else a for a in arguments)


def _is_stub(answer: object) -> bool:
    """Return whether the body of a function is only `...`, `pass` or a docstring."""
    code = getattr(answer, "__code__", None)
    if not isinstance(code, CodeType):
        return False
    return {operation.opname for operation in dis.get_instructions(code)} <= STUB_OPERATIONS


# --- comparing ------------------------------------------------------------------------------------


def _is_mistake(
    exercise: Exercise,
    mistake: Any,
    cases: list[Case],
    value: np.ndarray,
    results: list[np.ndarray],
    expected: list[np.ndarray],
) -> bool:
    if mistake.recognize is not None:
        return mistake.recognize(value)
    if mistake.only_on is not None:
        return all(
            exercise.close(got, right) != (case.name == mistake.only_on)
            for case, got, right in zip(cases, results, expected, strict=True)
        )
    return exercise.all_close(results, exercise.results_of_mistake(mistake, cases))


def _score(results: list[np.ndarray]) -> str:
    """Return the lowest score over all cases as a percentage of the score that is asked for."""
    return f"{min(max(0.0, float(measures[-1])) for measures in results):.0%} of what is asked for"


# --- describing -----------------------------------------------------------------------------------


def _difference(
    exercise: Exercise, cases: list[Case], results: list[np.ndarray], expected: list[np.ndarray]
) -> str:
    """Say where an answer first differs, without numbers that change from run to run."""
    if exercise.measure is not None or exercise.use is not None:
        stuck = f' Stuck? Run check("{exercise.id}", hint=True).' if exercise.hints else ""
        return f"It does not do what is asked yet, and check knows no such mistake.{stuck}"
    pairs = list(zip(results, expected, strict=True))
    number = next(i for i, pair in enumerate(pairs) if not exercise.close(*pair))
    case, (got, right) = cases[number], pairs[number]
    if exercise.kind != "function":
        return f"{_number(got.item())} is too {'small' if got < right else 'large'}."
    inputs = _inputs(exercise, case)
    if got.shape != right.shape:
        return f"With {inputs} it returned {_shape(got)}; expected is {_shape(right)}."
    if np.isnan(got).any() and not np.isnan(right).any():
        return (
            f"With {inputs} it returned NaN (not a number). NaN comes from 0/0, ∞ − ∞, or the "
            "logarithm or the root of a negative number."
        )
    if number > 0:
        example = "it is right on the example, but " if cases[0].name != case.name else ""
        return f"No known mistake; {example}it is wrong on {case.name}, {inputs}."
    wrong = ~np.isclose(got, right, exercise.relative_tolerance, exercise.absolute_tolerance)
    place = tuple(int(i) for i in np.argwhere(wrong)[0])
    entry = f" in place {list(place)}" if place else ""
    values = f"{_number(got[place])}{entry}; expected is {_number(right[place])}"
    return f"No known mistake. With {inputs} it returned {values}."


def _inputs(exercise: Exercise, case: Case) -> str:
    """Describe the inputs: small ones of the example by value, others by shape."""
    parts = []
    for name, argument in zip(exercise.parameters, case.arguments, strict=True):
        if isinstance(argument, Tensor) and (argument.numel() > 8 or case.name != "the example"):
            parts.append(f"{name} of shape {list(argument.shape)}")
        elif not callable(argument):
            shown = argument.tolist() if isinstance(argument, Tensor) else argument
            parts.append(f"{name} = {shown}")
    return ", ".join(parts)


def _shape(value: np.ndarray) -> str:
    return f"the shape {list(value.shape)}" if value.shape else "a single number"


def _number(value: float) -> str:
    return f"{value:.4g}".replace("-", "−")


def _description(exercise: Exercise, error: BaseException) -> str:
    """Describe an error of the learner's code, with the line in which it was raised."""
    try:
        words = one_line(str(error), 160)
    except Exception:  # the error's own __str__ may fail
        words = ""
    name = one_line(type(error).__name__, 40)
    steps = [(step.f_code, line) for step, line in traceback.walk_tb(error.__traceback__)]
    place = _place(steps)
    line = f"Your code raised {name}{place}{': ' + words if words else '.'}"
    if isinstance(error, TypeError) and not place:  # the call itself failed
        line += f" (The call was {exercise.name}({', '.join(exercise.parameters)}).)"
    return line


def _place(steps: Iterable[tuple[CodeType, int]]) -> str:
    """Return ", in NAME, line N (…)" for the innermost line that is the learner's."""
    for code, line in reversed(list(steps)):
        if not code.co_filename.startswith(FOREIGN):
            source = one_line(linecache.getline(code.co_filename, line), 60)
            return f", in {code.co_name}, line {line}" + (f" ({source})" if source else "")
    return ""


# --- showing --------------------------------------------------------------------------------------


def show(verdict: Verdict) -> None:
    """Show a verdict, coloured in a notebook and as plain text elsewhere."""
    ipython = sys.modules.get("IPython")
    if ipython is None or ipython.get_ipython() is None:
        say(verdict.text)
        return
    from IPython.display import display

    display({"text/plain": verdict.text, "text/html": verdict.html}, raw=True)


def say(text: str) -> None:
    """Print a line, with "?" for each character that the terminal cannot encode."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    print(text.encode(encoding, "replace").decode(encoding))
