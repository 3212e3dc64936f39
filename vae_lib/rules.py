"""The rules by which garments are ranked: one registry for index, explorer and evaluation."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Rule:
    """The display name of a rule, the short name of its score, and which scores are best."""

    title: str
    unit: str
    larger_is_better: bool


# rules that need only the posteriors; `PosteriorIndex.search` accepts them
RANKINGS = {
    "likelihood": Rule("log likelihood", "log q", True),
    "euclidean": Rule("Euclidean distance", "distance", False),
    "mahalanobis": Rule("Mahalanobis distance", "distance", False),
    "scaled-euclidean": Rule("scaled Euclidean distance", "distance", False),
    "student-t": Rule("Student-t log density", "log t", True),
}
# all rules; the last two decode z and encode the picture, so `search_by` needs the model
RULES = RANKINGS | {
    "round trip": Rule("round trip", "log q", True),
    "gate": Rule("the gate", "log q", True),
}
