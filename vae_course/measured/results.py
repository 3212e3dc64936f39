"""Readers of the stored results: the study behind notebook 05, and the benchmark behind 06."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

STUDY = Path(__file__).with_name("study.json")
BENCHMARK = Path(__file__).with_name("bench.json")


class Spread(NamedTuple):
    """One figure over the training seeds: its mean, standard deviation, and every value.

    A value is None for a seed on which the figure was not measured; `std` is None if only one was.
    """

    mean: float
    std: float | None
    seeds: list[float | None]


@dataclass(frozen=True)
class Study:
    """What `python3 course.py study` found. `facts` says how: command, versions, checksums."""

    facts: dict
    figures: dict[str, Spread]

    def __getitem__(self, key: tuple[str, ...]) -> Spread:
        """Return a figure by data set, objective, source of z, rule and measure.

        Of the model itself there are ("drawn", "beta 4", "negative ELBO") and "active dimensions".
        Raises a KeyError that names what there is not.
        """
        return self.figures["/".join(key)]


def load_study() -> Study:
    """Load the study that is committed with the course."""
    facts = json.loads(STUDY.read_text(encoding="utf-8"))
    figures = {name: Spread(**values) for name, values in facts.pop("figures").items()}
    return Study(facts, figures)


def load_benchmark(path: Path = BENCHMARK) -> dict[str, Any]:
    """Load what `python3 course.py bench` measured.

    Raises:
        FileNotFoundError: there is no stored benchmark.
    """
    if not path.is_file():
        raise FileNotFoundError(f"path: there is no {path}; `python3 course.py bench` makes it")
    return json.loads(path.read_text(encoding="utf-8"))
