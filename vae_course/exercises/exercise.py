"""The parts of an exercise: its question, its right answer, known mistakes and test cases."""

import copy
import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch

from vae_course.exercises.answers import as_numbers

ATTEMPTS = 50  # draws of test cases until they tell all known mistakes apart

Kind = Literal["function", "number", "tensor", "text"]


@dataclass(frozen=True)
class Case:
    """Arguments on which an answer is tested.

    The arguments of the case named "the example" are fixed, so feedback may show them.
    """

    name: str
    arguments: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Mistake:
    """A wrong answer that learners often give.

    An answer is recognised as this mistake if it gives the same results as `answer`, unless
    `only_on` or `recognize` is set.

    Attributes:
        answer: the wrong function or value.
        diagnosis: the words that complete "This looks like …".
        hint: complete sentences that help without giving the solution away.
        only_on: the name of the only cases on which such an answer is wrong, for a mistake that
            gives different wrong results each time.
        recognize: a test of the answer's value, for a mistake that has many possible values.
    """

    answer: Any
    diagnosis: str
    hint: str
    only_on: str | None = None
    recognize: Callable[[np.ndarray], bool] | None = None


@dataclass(frozen=True)
class Exercise:
    """An exercise of a notebook.

    Attributes:
        id: the number of the exercise, such as "4.2".
        title: the heading.
        ask: the question, in Markdown.
        stub: the code cell that the learner completes; it contains `...`.
        name: the variable or function that the stub defines.
        oracle: the right answer, as a function of a case's arguments. With `use`, it is a right
            function instead; with `measure`, it returns the measures of a right answer.
        verified: the sentence that tells the learner what a right answer was compared with.
        mistakes: known mistakes. The first one that matches is reported.
        kind: the type of answer that `check` takes.
        cases: draws the test cases, with the example first.
        parameters: the names of the function's parameters.
        use: calls the learner's function, given it and a case's arguments, for an exercise in which
            a plain call is not enough.
        measure: computes what is compared in place of the result, given it and a case's arguments.
            Each measure of a right answer is at least 1.
        scored: whether the last measure is a score, relative to the score that counts as right.
        shape: the shape of a tensor.
        options: the texts to choose from.
        hints: the hints of an open exercise, which the learner reveals one at a time.
        relative_tolerance, absolute_tolerance: how far a right answer may be off.
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
    use: Callable[..., Any] | None = None
    measure: Callable[..., Any] | None = None
    scored: bool = False
    shape: tuple[int, ...] = ()
    options: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()
    relative_tolerance: float = 1e-4
    absolute_tolerance: float = 1e-5
    vary: Callable[[torch.Generator], "Exercise"] | None = None

    @property
    def markdown(self) -> str:
        """The Markdown cell with the question."""
        if not self.hints:
            return f"### Exercise {self.id}: {self.title}\n\n{self.ask}"
        hints = (
            f'*This exercise is open: there is more than one good answer. `check("{self.id}", '
            "hint=True)` shows a first hint, and each further call shows one more.*"
        )
        return f"### Exercise {self.id}, open: {self.title}\n\n{self.ask}\n\n{hints}"

    @property
    def call(self) -> str:
        """The code cell that checks the answer."""
        return f'check("{self.id}", {self.name})'

    def results(self, answer: Any, cases: Iterable[Case]) -> list[np.ndarray]:
        """Return the result, or its measures, of a function on each case."""
        run = self.use or (lambda function, *arguments: function(*arguments))
        results = []
        for case in cases:
            result = as_numbers(run(answer, *copied(case.arguments)))
            results.append(self.measured(result, case))
        return results

    def measured(self, value: np.ndarray, case: Case) -> np.ndarray:
        """Return what is compared: the measures of a value, or else the value itself."""
        if self.measure is None:
            return value
        return as_numbers(self.measure(torch.as_tensor(value.copy()), *copied(case.arguments)))

    def expected(self, cases: Iterable[Case]) -> list[np.ndarray]:
        """Return the results of a right answer on each case."""
        if self.use is not None:
            return self.results(self.oracle, cases)
        return [as_numbers(self.oracle(*copied(case.arguments))) for case in cases]

    def results_of_mistake(self, mistake: Mistake, cases: Iterable[Case]) -> list[np.ndarray]:
        """Return the results of a known mistake on each case."""
        if self.kind == "function":
            return self.results(mistake.answer, cases)
        return [as_numbers(mistake.answer) for _ in cases]

    def close(self, first: np.ndarray, second: np.ndarray) -> bool:
        """Return whether two results are equal within the tolerances. A measure above 1 is 1."""
        if self.measure is not None:
            first, second = np.minimum(first, 1), np.minimum(second, 1)
        return first.shape == second.shape and np.allclose(
            first, second, self.relative_tolerance, self.absolute_tolerance, equal_nan=True
        )

    def all_close(self, first: list[np.ndarray], second: list[np.ndarray]) -> bool:
        """Return whether the results on all cases are equal."""
        return all(self.close(*pair) for pair in zip(first, second, strict=True))

    def tells_mistakes_apart(self, cases: list[Case]) -> bool:
        """Return whether the right answer and the known mistakes all have different results."""
        known = [m for m in self.mistakes if m.only_on is None and m.recognize is None]
        rows = [self.expected(cases), *(self.results_of_mistake(m, cases) for m in known)]
        pairs = ((rows[i], rows[j]) for i in range(len(rows)) for j in range(i))
        return not any(self.all_close(*pair) for pair in pairs)

    def draw_cases(self, seed: int) -> list[Case]:
        """Return cases on which the right answer and the known mistakes have different results."""
        generator = torch.Generator().manual_seed(seed_of(seed, self.id))
        for _ in range(ATTEMPTS):
            cases = self.cases(generator)
            if self.kind != "function" or self.tells_mistakes_apart(cases):
                return cases
        raise RuntimeError(f"exercise {self.id}: its cases do not tell the mistakes apart")

    def variant(self, seed: int | None) -> "Exercise":
        """Return the exercise with the numbers of a seed, or as it is if the seed is None."""
        if seed is None or self.vary is None:
            return self
        generator = torch.Generator().manual_seed(seed_of(seed, self.id))
        for _ in range(ATTEMPTS):
            varied = self.vary(generator)
            if varied.kind != "number" or varied.tells_mistakes_apart([Case("the example")]):
                return varied
        raise RuntimeError(f"exercise {self.id}: its variants do not tell the mistakes apart")


def copied(arguments: tuple[Any, ...]) -> list[Any]:
    """Return copies of a case's arguments, so that an answer may change them in place."""
    return [copy.deepcopy(argument) for argument in arguments]


def seed_of(*parts: object) -> int:
    """Return a seed for a generator that depends on all parts."""
    text = "\n".join(map(str, parts))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big")
