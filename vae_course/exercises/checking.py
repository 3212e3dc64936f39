"""The machinery behind `check`: what an exercise is, and how an answer to it is examined."""

import dis
import hashlib
import html
import linecache
import os
import sys
import sysconfig
import traceback
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

import vae_lib
from vae_course.exercises.limits import TimeUp, run_limited

SECONDS = 3.0  # how long a learner's code may run
ATTEMPTS = 50  # draws of inputs, until no known mistake can pass for right
STUB_OPERATIONS = {"RESUME", "NOP", "LOAD_CONST", "RETURN_VALUE", "RETURN_CONST"}
FOREIGN = (  # files whose lines are not the learner's
    str(Path(__file__).parents[1]),
    str(Path(vae_lib.__file__).parent),
    sysconfig.get_paths()["purelib"],
    sysconfig.get_paths()["stdlib"],
)
MARKS = {"right": ("✓", "#009E73"), "not yet": ("→", "#D55E00"), "not tried yet": ("…", "#888888")}
KINDS: dict[type, str] = {
    str: "text",
    type(None): "None",
    bool: "True or False",
    int: "a number",
    float: "a number",
    list: "a list",
    tuple: "a tuple",
    dict: "a dict",
    Tensor: "a tensor",
    np.ndarray: "an array",
}

Status = Literal["right", "not yet", "not tried yet"]
Kind = Literal["function", "number", "tensor", "text"]


@dataclass(frozen=True)
class Case:
    """Arguments that an answer is tried on. Those of "the example" are fixed and may be shown."""

    name: str
    arguments: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Mistake:
    """A wrong answer that people give.

    answer: the wrong function or value. diagnosis: goes on "This looks like …". hint: whole
    sentences, and no solution. A learner's answer is this mistake if the two give the same; or, for
    a mistake that shows in many ways, if it is wrong `only_on` the cases of that name; or if
    `recognize` says so of the value.
    """

    answer: Any
    diagnosis: str
    hint: str
    only_on: str | None = None
    recognize: Callable[[np.ndarray], bool] | None = None


@dataclass(frozen=True)
class Exercise:
    """One exercise: what it asks, how an answer is verified, and what people get wrong.

    stub: the cell that the learner fills in, with `...` in it. name: the variable that it defines.
    kind: what `check` takes. oracle: the right answer, a function of a case's arguments.
    cases: draws them, the example first. verified: what a right answer was compared with.
    parameters: the names of a function's arguments. measure: what is compared in place of the value
    itself, given it and the arguments. shape: of a tensor. options: the texts to choose from.
    vary: draws the same exercise with other numbers.
    """

    id: str
    title: str
    ask: str
    stub: str
    name: str
    oracle: Callable[..., Any]
    verified: str
    mistakes: tuple[Mistake, ...]
    kind: Kind = "function"
    cases: Callable[[torch.Generator], list[Case]] = field(default=lambda _: [Case("the example")])
    parameters: tuple[str, ...] = ()
    measure: Callable[..., Any] | None = None
    shape: tuple[int, ...] = ()
    options: tuple[str, ...] = ()
    relative_tolerance: float = 1e-4
    absolute_tolerance: float = 1e-5
    vary: Callable[[torch.Generator], "Exercise"] | None = None

    def variant(self, seed: int | None) -> "Exercise":
        """Return the exercise with the numbers of a seed; None is the course's own."""
        if seed is None or self.vary is None:
            return self
        generator = torch.Generator().manual_seed(seed_of(seed, self.id))
        for _ in range(ATTEMPTS):
            varied = self.vary(generator)
            if varied.kind != "number" or _values_differ(varied):
                return varied
        raise RuntimeError(f"exercise {self.id}: its variants do not tell the mistakes apart")

    @property
    def markdown(self) -> str:
        """The cell that asks."""
        return f"### Exercise {self.id}: {self.title}\n\n{self.ask}"

    @property
    def call(self) -> str:
        """The cell that checks."""
        return f'check("{self.id}", {self.name})'


@dataclass(frozen=True)
class Verdict:
    """What `check` says of an answer: one line."""

    exercise_id: str
    status: Status
    message: str

    @property
    def text(self) -> str:
        """The line as plain text."""
        return f"Exercise {self.exercise_id}: {self.status}. {self.message}"

    @property
    def html(self) -> str:
        """The line with a coloured mark, for light and dark themes alike."""
        mark, color = MARKS[self.status]
        return (
            f'<div style="border-left: 4px solid {color}; padding: 2px 0 2px 10px">'
            f'<b><span style="color: {color}" aria-hidden="true">{mark}</span> '
            f"Exercise {html.escape(self.exercise_id)}: {self.status}.</b> "
            f"{html.escape(self.message)}</div>"
        )


class _NotNumbers(Exception):
    """A value that cannot be read as numbers; the message says what it is."""


class _Untouched(Exception):
    """The learner has not replaced the `...` yet."""


class _Problem(Exception):
    """Something about the answer that can be said in one line."""


def examine(exercise: Exercise, answer: object, seed: int | None = None) -> Verdict:
    """Return what there is to say of `answer`. Raises nothing but the user's KeyboardInterrupt.

    seed: of the inputs that a function is tried on; None takes other ones each time.
    """
    try:
        message = _examine(exercise, answer, seed)
    except _Untouched:
        todo = "Replace the ... with your answer, run its cell, then this one."
        return Verdict(exercise.id, "not tried yet", todo)
    except _Problem as problem:
        return Verdict(exercise.id, "not yet", str(problem))
    except Exception as error:  # no hole in this module may stop a notebook
        what = f"check could not make sense of this answer ({type(error).__name__})."
        return Verdict(exercise.id, "not yet", what)
    return Verdict(exercise.id, "right", message)


def _examine(exercise: Exercise, answer: object, seed: int | None) -> str:
    """Return what was verified, or raise a _Problem that says what is wrong."""
    if answer is Ellipsis:
        raise _Untouched
    if exercise.kind == "text":
        return _examine_text(exercise, answer)
    cases = distinguishing_cases(exercise, seed)
    expected = [as_numbers(exercise.oracle(*copied(case.arguments))) for case in cases]
    if exercise.kind == "function":
        outcomes = _outcomes_of_function(exercise, answer, cases)
        value = outcomes[0]
    else:
        value = _value(exercise, answer)
        outcomes = [_measured(exercise, value, case) for case in cases]
    if all(_equal(exercise, *pair) for pair in zip(outcomes, expected, strict=True)):
        return exercise.verified
    for mistake in exercise.mistakes:
        if _is_mistake(exercise, mistake, cases, value, outcomes, expected):
            raise _Problem(f"This looks like {mistake.diagnosis}. Hint: {mistake.hint}")
    if exercise.kind == "function":
        _raise_if_random(exercise, answer, cases, outcomes)
    raise _Problem(_difference(exercise, cases, outcomes, expected))


def _examine_text(exercise: Exercise, answer: object) -> str:
    known = " or ".join(f'"{option}"' for option in exercise.options)
    if not isinstance(answer, str):
        raise _Problem(f"This exercise takes a text, {known}; yours is {_kind_of(answer)}.")
    given = " ".join(answer.lower().split())
    if given in ("", "..."):
        raise _Untouched
    if given == exercise.oracle():
        return exercise.verified
    for mistake in exercise.mistakes:
        if given == mistake.answer:
            raise _Problem(f"This looks like {mistake.diagnosis}. Hint: {mistake.hint}")
    raise _Problem(f'"{_one_line(given, 40)}" is not one of the answers: {known}.')


# --- inputs ---------------------------------------------------------------------------------------


def seed_of(*parts: object) -> int:
    """Return a seed for a generator that depends on all parts."""
    text = "\n".join(map(str, parts))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big")


def distinguishing_cases(exercise: Exercise, seed: int | None = None) -> list[Case]:
    """Return cases on which every known mistake differs from the oracle and the others."""
    start = int.from_bytes(os.urandom(6), "big") if seed is None else seed_of(seed, exercise.id)
    generator = torch.Generator().manual_seed(start)
    for _ in range(ATTEMPTS):
        cases = exercise.cases(generator)
        if exercise.kind != "function" or _all_differ(exercise, cases):
            return cases
    raise RuntimeError(f"exercise {exercise.id}: its cases do not tell the mistakes apart")


def _all_differ(exercise: Exercise, cases: list[Case]) -> bool:
    answers = [exercise.oracle, *(m.answer for m in exercise.mistakes if m.only_on is None)]
    with _quiet():
        rows = [[as_numbers(a(*copied(case.arguments))) for case in cases] for a in answers]
    return not any(
        all(_equal(exercise, *pair) for pair in zip(rows[i], rows[j], strict=True))
        for i in range(len(rows))
        for j in range(i)
    )


def _values_differ(exercise: Exercise) -> bool:
    """Tell whether the right number and the known wrong ones are all different."""
    values = [as_numbers(exercise.oracle()), *(as_numbers(m.answer) for m in exercise.mistakes)]
    return not any(
        _equal(exercise, values[i], values[j]) for i in range(len(values)) for j in range(i)
    )


def copied(arguments: Iterable[Any]) -> list[Any]:
    """Return copies, so that an answer that works in place changes nobody else's inputs."""
    return [a.clone() if isinstance(a, Tensor) else a for a in arguments]


# --- running what the learner wrote ---------------------------------------------------------------


def _outcomes_of_function(exercise: Exercise, answer: Any, cases: list[Case]) -> list[np.ndarray]:
    """Call the learner's function on every case, or raise a _Problem that says why not."""
    if not callable(answer):
        call = f"{exercise.call}, with no brackets after the name"
        raise _Problem(f"This exercise takes a function, {call}; yours is {_kind_of(answer)}.")
    try:
        return _limited(lambda: [_called(answer, copied(c.arguments)) for c in cases])
    except (_Untouched, _Problem):
        raise
    except _NotNumbers as wrong:
        if str(wrong) == "None" and _is_stub(answer):
            raise _Untouched from None
        forgotten = " Is a `return` missing?" if str(wrong) == "None" else ""
        message = f"Your function returned {wrong} where numbers are expected.{forgotten}"
        raise _Problem(message) from None
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # SystemExit, too, must not end the notebook
        try:  # perhaps it is written for NumPy
            return _limited(lambda: [_called(answer, _as_numpy(c.arguments)) for c in cases])
        except KeyboardInterrupt:
            raise
        except BaseException:
            raise _Problem(_said_of(exercise, error)) from None


def _called(answer: Callable[..., Any], arguments: Sequence[Any]) -> np.ndarray:
    result = answer(*arguments)
    if result is Ellipsis:
        raise _Untouched
    return as_numbers(result)


def _limited(work: Callable[[], Any]) -> Any:
    """Run `work` with a time limit and without the warnings of half-finished code."""
    try:
        with _quiet():
            return run_limited(work, SECONDS)
    except TimeUp as stopped:
        where = _place(stopped.steps or _steps(stopped))
        raise _Problem(
            f"Your code was still running after {SECONDS:g} seconds and was stopped{where}. "
            "Does a loop never end?"
        ) from None


class _quiet(warnings.catch_warnings):
    """No warnings from Python or NumPy in the block."""

    def __enter__(self) -> None:
        super().__enter__()
        warnings.simplefilter("ignore")
        self._numpy = np.errstate(all="ignore")
        self._numpy.__enter__()

    def __exit__(self, *details: Any) -> None:
        self._numpy.__exit__(*details)
        super().__exit__(*details)


def _value(exercise: Exercise, answer: object) -> np.ndarray:
    """Read a number or a tensor, or raise a _Problem that says why not."""
    wanted = "a number" if exercise.kind == "number" else f"numbers of shape {list(exercise.shape)}"
    if isinstance(answer, list | tuple) and any(entry is Ellipsis for entry in answer):
        raise _Untouched
    if callable(answer) and not isinstance(answer, Tensor):
        raise _Problem(f"This exercise takes {wanted}, and yours is a function. Call it first.")
    try:
        value = _limited(lambda: as_numbers(answer))
    except (_Untouched, _Problem, KeyboardInterrupt):
        raise
    except BaseException as error:
        what = str(error) if isinstance(error, _NotNumbers) else _kind_of(answer)
        raise _Problem(f"This exercise takes {wanted}; yours is {what}.") from None
    if exercise.kind == "number" and value.shape == (1,):
        value = value[0]
    if value.shape != exercise.shape:
        got = "a single number" if value.shape == () else f"of shape {list(value.shape)}"
        raise _Problem(f"This exercise takes {wanted}; yours is {got}.")
    if not np.isfinite(value).all():
        raise _Problem(f"This exercise takes {wanted}; yours holds NaN or infinity.")
    return value


def _measured(exercise: Exercise, value: np.ndarray, case: Case) -> np.ndarray:
    if exercise.measure is None:
        return value
    with _quiet():
        return as_numbers(exercise.measure(torch.as_tensor(value.copy()), *copied(case.arguments)))


def as_numbers(value: object) -> np.ndarray:
    """Return a tensor, an array, a number or a nest of lists of them as a float64 array."""
    if isinstance(value, Tensor):
        if value.is_complex():
            raise _NotNumbers("complex numbers")
        value = value.detach()
        return (value.to_dense() if value.is_sparse else value).cpu().double().numpy().copy()
    if isinstance(value, bool | int | float | np.number | np.bool_):
        if isinstance(value, np.complexfloating):
            raise _NotNumbers("complex numbers")
        try:
            return np.array(float(value))
        except OverflowError:
            raise _NotNumbers("a number too large for a computer's float") from None
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        return np.array(value, dtype=np.float64)
    if isinstance(value, set | frozenset):
        raise _NotNumbers("a set, which has no order,")
    if isinstance(value, np.ndarray):
        if value.dtype.kind != "O" or value.ndim == 0:
            raise _NotNumbers(f"an array of {value.dtype}")
        value = list(value)
    if isinstance(value, list | tuple | range):
        if any(entry is Ellipsis for entry in value):
            raise _Untouched
        rows = [as_numbers(entry) for entry in value]
        if len({row.shape for row in rows}) > 1:
            raise _NotNumbers("a list of things of different shapes")
        return np.array(rows, dtype=np.float64)
    if value is None:
        raise _NotNumbers("None")
    raise _NotNumbers(_kind_of(value))


def _as_numpy(arguments: Iterable[Any]) -> list[Any]:
    return [a.numpy().copy() if isinstance(a, Tensor) else a for a in arguments]


def _is_stub(answer: object) -> bool:
    """Tell whether a function's body is nothing but `...`, `pass` or a docstring."""
    code = getattr(answer, "__code__", None)
    if not isinstance(code, CodeType):
        return False
    return {operation.opname for operation in dis.get_instructions(code)} <= STUB_OPERATIONS


# --- judging --------------------------------------------------------------------------------------


def _equal(exercise: Exercise, first: np.ndarray, second: np.ndarray) -> bool:
    return first.shape == second.shape and np.allclose(
        first,
        second,
        rtol=exercise.relative_tolerance,
        atol=exercise.absolute_tolerance,
        equal_nan=True,
    )


def _is_mistake(
    exercise: Exercise,
    mistake: Mistake,
    cases: list[Case],
    value: np.ndarray,
    outcomes: list[np.ndarray],
    expected: list[np.ndarray],
) -> bool:
    if mistake.recognize is not None:
        return mistake.recognize(value)
    if mistake.only_on is not None:
        return all(
            _equal(exercise, got, right) != (case.name == mistake.only_on)
            for case, got, right in zip(cases, outcomes, expected, strict=True)
        )
    with _quiet():
        wrong = [
            as_numbers(mistake.answer(*copied(case.arguments)))
            if exercise.kind == "function"
            else as_numbers(mistake.answer)
            for case in cases
        ]
    return all(_equal(exercise, *pair) for pair in zip(outcomes, wrong, strict=True))


def _raise_if_random(
    exercise: Exercise, answer: Any, cases: list[Case], outcomes: list[np.ndarray]
) -> None:
    again = _outcomes_of_function(exercise, answer, cases)
    if not all(_equal(exercise, *pair) for pair in zip(outcomes, again, strict=True)):
        raise _Problem(
            "Called twice with the same inputs, your function gives two answers. Does it draw "
            "random numbers, or keep something from the last call? Use the arguments alone."
        )


def _difference(
    exercise: Exercise, cases: list[Case], outcomes: list[np.ndarray], expected: list[np.ndarray]
) -> str:
    """Say where an answer first differs, without numbers that change from run to run."""
    number = next(
        i for i in range(len(cases)) if not _equal(exercise, outcomes[i], expected[i])
    )  # there is one, or the answer would be right
    case, got, right = cases[number], outcomes[number], expected[number]
    if exercise.measure is not None:
        return "It does not do what is asked."  # pragma: no cover - 4.2 knows all its mistakes
    if exercise.kind != "function":
        return f"{_number(got.item())} is too {'small' if got < right else 'large'}."
    inputs = _inputs(exercise, case)
    if got.shape != right.shape:
        return f"With {inputs} it returned {_shape(got)}; expected is {_shape(right)}."
    if np.isnan(got).any() and not np.isnan(right).any():
        return (
            f"With {inputs} it returned NaN (not a number). It comes from 0/0, ∞ − ∞, or the "
            "logarithm or the root of a negative number."
        )
    if number > 0:
        right_so_far = "it is right on the example, but " if cases[0].name != case.name else ""
        return f"No known mistake; {right_so_far}not on {case.name}, {inputs}."
    wrong = ~np.isclose(
        got, right, rtol=exercise.relative_tolerance, atol=exercise.absolute_tolerance
    )
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
        else:
            shown = argument.tolist() if isinstance(argument, Tensor) else argument
            parts.append(f"{name} = {shown}")
    return ", ".join(parts)


def _shape(value: Tensor | np.ndarray) -> str:
    return f"the shape {list(value.shape)}" if value.shape else "a single number"


def _number(value: float) -> str:
    return f"{value:.4g}".replace("-", "−")


def _kind_of(value: object) -> str:
    """Name the type of a value as a person would."""
    kind = type(value)
    return KINDS.get(kind) or f"a value of type {_one_line(kind.__name__, 40)}"


def _said_of(exercise: Exercise, error: BaseException) -> str:
    try:
        words = _one_line(str(error), 160)
    except Exception:  # an exception may be unable to say what it is
        words = ""
    name = _one_line(type(error).__name__, 40)
    place = _place(_steps(error))
    line = f"Your code raised {name}{place}{': ' + words if words else '.'}"
    if isinstance(error, TypeError) and not place:  # it could not even be called
        line += f" (It is called as {exercise.name}({', '.join(exercise.parameters)}).)"
    return line


def _steps(error: BaseException) -> list[tuple[CodeType, int]]:
    return [(step.f_code, line) for step, line in traceback.walk_tb(error.__traceback__)]


def _place(steps: list[tuple[CodeType, int]]) -> str:
    """Return ", in NAME, line N (…)" for the innermost line that is the learner's."""
    for code, line in reversed(steps):
        if not code.co_filename.startswith((*FOREIGN, "<frozen", "<__array")):
            source = _one_line(linecache.getline(code.co_filename, line), 60)
            return f", in {code.co_name}, line {line}" + (f" ({source})" if source else "")
    return ""


def _one_line(text: str, length: int) -> str:
    """Return the first line that says something, printable and cut to a length."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    line = "".join(letter if letter.isprintable() else " " for letter in lines[0]) if lines else ""
    return line if len(line) <= length else line[: length - 1] + "…"


# --- showing --------------------------------------------------------------------------------------


def show(verdict: Verdict) -> None:
    """Show a verdict: coloured where the front end shows HTML, else as plain text."""
    ipython = sys.modules.get("IPython")
    if ipython is None or ipython.get_ipython() is None:
        print(verdict.text)
        return
    from IPython.display import display

    display({"text/plain": verdict.text, "text/html": verdict.html}, raw=True)
