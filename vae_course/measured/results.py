"""Load the stored results: of 05 (study), 06 (benchmark, engines) and 07 (colour wardrobe)."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

STUDY = Path(__file__).with_name("study.json")
BENCHMARK = Path(__file__).with_name("bench.json")
COLOR_WARDROBE = Path(__file__).with_name("color_wardrobe.json")
ENGINES = Path(__file__).with_name("engines.json")


class Spread(NamedTuple):
    """One measured value over the training seeds.

    Attributes:
        mean: the mean of the measured values.
        std: their standard deviation, or None if there is only one.
        seeds: the value for each seed, or None where it was not measured.
    """

    mean: float
    std: float | None
    seeds: list[float | None]


@dataclass(frozen=True)
class Study:
    """The results of `python3 course.py study`.

    Attributes:
        facts: the command, settings, versions and checksums.
        figures: each measured value, a `Spread`, by its full name.
    """

    facts: dict
    figures: dict[str, Spread]

    def __getitem__(self, key: tuple[str, ...]) -> Spread:
        """Return a measured value by data set, objective, source of z, rule and measure.

        Values of the model itself have keys such as ("drawn", "beta 4", "negative ELBO") and
        ("drawn", "beta 4", "active dimensions").

        Raises:
            KeyError: if the study has no such value.
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


def load_color_wardrobe() -> dict[str, Any]:
    """Load what `python -m vae_course.measured.color_wardrobe` measured."""
    return json.loads(COLOR_WARDROBE.read_text(encoding="utf-8"))


def load_engines() -> dict[str, Any]:
    """Load what `vae_course.measured.engines` measured: Dask, a Milvus server, training."""
    return json.loads(ENGINES.read_text(encoding="utf-8"))
