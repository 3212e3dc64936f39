"""The committed study: the table of notebook 05 for other seeds and objectives."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

STUDY = Path(__file__).parents[1] / "measured" / "study.json"


class Spread(NamedTuple):
    """One figure over the training seeds: its mean, standard deviation, and every value."""

    mean: float
    std: float
    seeds: list[float]


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
