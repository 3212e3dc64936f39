"""The rules by which garments are ranked: one registry for index, explorer and evaluation."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Rule:
    """The display name of a rule, the short name of its score, and which scores are best."""

    title: str
    unit: str
    larger_is_better: bool


# rankings need the posteriors alone: `PosteriorIndex.search` takes them
RANKINGS = {
    "likelihood": Rule("log likelihood", "log q", True),
    "euclidean": Rule("Euclidean distance", "distance", False),
    "mahalanobis": Rule("Mahalanobis distance", "distance", False),
    "scaled-euclidean": Rule("scaled Euclidean distance", "distance", False),
    "student-t": Rule("Student-t log density", "log t", True),
}
# these decode z and encode the picture as well, so they need the model: `search_by` takes all
RULES = RANKINGS | {
    "round trip": Rule("round trip", "log q", True),
    "gate": Rule("the gate", "log q", True),
}
