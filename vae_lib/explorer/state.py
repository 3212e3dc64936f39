"""The results for a z: its neighbors by each rule, its distance to the garments, and its text."""

import json
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from vae_lib.latent_model import LatentModel
from vae_lib.posteriors import Posteriors, as_queries
from vae_lib.retrieval import Neighbors, PosteriorIndex, roundtrip, search_by
from vae_lib.rules import DISTANCE, RULES, STUDENT
from vae_lib.search import formula_of

ROW_RULES = tuple(RULES)  # every rule that a row can show
NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
ACTIVE_VARIANCE = 0.01
TINY = 1e-12
DIGITS = 3  # of the numbers that a person reads; z itself is kept exactly


@dataclass(frozen=True)
class Answer:
    """The search results for one z: the rows of neighbors, and the nearest garment's distance."""

    neighbors: dict[str, Neighbors]  # by rule, in the order of the rows
    searched: dict[str, Tensor]  # by rule, the z [d] of the search: as given, or after a round trip
    mahalanobis2: float  # the smallest to any garment
    familiar_below: float  # the χ² quantile that it is compared with

    @property
    def familiar(self) -> bool:
        """Whether z lies inside some garment's 99.9 % ellipsoid."""
        return self.mahalanobis2 < self.familiar_below

    @property
    def shared(self) -> dict[int, int]:
        """For each garment in every row its place in the first; empty if there is only one row."""
        first, *others = [neighbors.indices.tolist() for neighbors in self.neighbors.values()]
        places = enumerate(first, 1)
        return {g: place for place, g in places if others and all(g in row for row in others)}


def ask(
    model: LatentModel, index: PosteriorIndex, z: Sequence[float], rules: Iterable[str], k: int
) -> Answer:
    """Search by every rule; errors as `index.search`."""
    mahalanobis2 = index.mahalanobis2(z).item()
    near = mahalanobis2 < index.familiar_below
    here = torch.tensor(z, dtype=torch.float64, device="cpu")
    neighbors, searched = {}, {}
    for rule in rules:
        moved = rule == "round trip" or (rule == "gate" and not near)
        searched[rule] = roundtrip(model, z)[0].double().cpu() if moved else here
        neighbors[rule] = search_by(model, index, z, k, rule)
    return Answer(neighbors, searched, mahalanobis2, index.familiar_below)


def score_parts(
    index: PosteriorIndex, z: Tensor, neighbors: Neighbors, rule: str
) -> Float[Tensor, "garment latent"]:
    """Return what each dimension adds to a score, float64.

    The parts of a log density add up to it, and those of a distance to its square. The part of a
    Student-t log density that depends on the distance is divided in proportion to the squared
    distance.

    Args:
        index: the index that was searched.
        z: the code of the search, [d].
        neighbors: the answer for z, [k].
        rule: one of ROW_RULES.
    """
    q = index.posteriors
    difference = z - q.mean[neighbors.indices].cpu().double()
    std = q.std[neighbors.indices].cpu().double()
    formula = formula_of(rule, q, index.rms_std, nu=1.0)
    scale = formula.scale if formula.scale.dim() == 1 else formula.scale[neighbors.indices]
    squared = (difference / scale.cpu().double()).square()
    if formula.form == DISTANCE:
        return squared
    if formula.form == STUDENT:
        share = (squared + TINY) / (squared + TINY).sum(dim=1, keepdim=True)
        fall = neighbors.scores.cpu() + std.log().sum(dim=1)
        return share * fall[:, None] - std.log()
    return -0.5 * squared - std.log() - 0.5 * math.log(2 * math.pi)


def unused_dimensions(posteriors: Posteriors) -> list[bool]:
    """Return the dead dimensions, in which μ hardly varies from garment to garment.

    Reference:
        Burda, Grosse and Salakhutdinov, Importance Weighted Autoencoders (2016): a dimension is an
        active unit if the variance of μⱼ(x) over the data set is above 0.01.
    """
    variance = posteriors.mean.double().var(dim=0, correction=0)
    return (variance <= ACTIVE_VARIANCE).tolist()


def z_to_text(z: Sequence[float]) -> str:
    """Return z as a list that JSON and Python read back exactly."""
    return json.dumps(list(z))


def z_for_the_eye(z: Sequence[float]) -> str:
    """Return z as text with few digits, after ≈ if it was rounded."""
    rounded = [round(value, DIGITS) for value in z]
    return ("" if rounded == list(z) else "≈ ") + z_to_text(rounded)


def text_to_z(text: str, latent_dim: int) -> list[float]:
    """Read d numbers, with or without brackets, between commas, semicolons or blanks.

    Raises:
        ValueError: the text is not d numbers; the message is for the person who typed it.
    """
    plain = text.replace("−", "-")
    rest = [word for word in re.split(r"[\s,;()\[\]]+", plain) if word]
    for word in rest:
        if not NUMBER.fullmatch(word):
            raise ValueError(f"“{word:.30}” is no number. Expected {latent_dim} numbers.")
    if len(rest) != latent_dim:
        raise ValueError(f"Expected {latent_dim} numbers, got {len(rest)}.")
    return as_queries([float(word) for word in rest], latent_dim)[0].tolist()
