"""The rules by which garments are ranked: one registry for index, explorer, evaluation and figures.

A new rule is a new entry of `RANKINGS`. The search, the explorer, the evaluation and the figures
take it from there.
"""

from dataclasses import dataclass
from typing import Literal

# how a score follows from M² = ‖(z − μ)/scale‖²: see `vae_lib.search.formulas.Formula`
LOG_DENSITY, DISTANCE, STUDENT = range(3)
UNITS = {LOG_DENSITY: "log q", DISTANCE: "distance", STUDENT: "log t"}

# what z − μ is divided by: nothing, the root mean square of all σ in each dimension, or a
# garment's own σ
Scale = Literal["none", "rms", "own"]


@dataclass(frozen=True)
class Rule:
    """The definition of a rule, with its name and colour in figures.

    Attributes:
        title: its name in figures and above rows.
        color: its colour in every figure, table and row, from a palette that colour-blind readers
            can tell apart (Okabe and Ito, 2008).
        summary: a sentence that says how it ranks.
        form: `LOG_DENSITY`, `DISTANCE` or `STUDENT`.
        scale: "none", "rms" or "own".
    """

    title: str
    color: str
    summary: str
    form: int = LOG_DENSITY
    scale: Scale = "own"

    @property
    def unit(self) -> str:
        """The short name of its score."""
        return UNITS[self.form]

    @property
    def larger_is_better(self) -> bool:
        """Whether the largest scores are the best ones."""
        return self.form != DISTANCE


# rules that need only the posteriors; `PosteriorIndex.search` accepts them
RANKINGS = {
    "likelihood": Rule(
        "log likelihood",
        "#0072B2",
        "Rank by log q(z|x), the largest first.",
    ),
    "euclidean": Rule(
        "Euclidean distance",
        "#D55E00",
        "Rank by the distance from z to μ, whatever σ is.",
        DISTANCE,
        scale="none",
    ),
    "mahalanobis": Rule(
        "Mahalanobis distance",
        "#009E73",
        "Rank by the distance in units of each garment's own σ.",
        DISTANCE,
    ),
    "scaled-euclidean": Rule(
        "scaled Euclidean distance",
        "#E69F00",
        "Rank by the distance in units of one σ for each dimension.",
        DISTANCE,
        scale="rms",
    ),
    "student-t": Rule(
        "Student-t log density",
        "#000000",
        "Rank by a Student-t density of the same μ and σ: it falls off slowly far from μ.",
        STUDENT,
    ),
}
# all rules; the last two decode z and encode the picture, so `search_by` needs the model
RULES = RANKINGS | {
    "round trip": Rule(
        "round trip",
        "#CC79A7",
        "Decode z, encode the picture, and rank by likelihood there.",
    ),
    "gate": Rule(
        "the gate",
        "#56B4E9",
        "Rank by likelihood at z where a garment is near, else after a round trip.",
    ),
}
