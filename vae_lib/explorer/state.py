"""What belongs to a z: its neighbors by each rule, how familiar it is, its text."""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from vae_lib.model import VAE
from vae_lib.posteriors import Posteriors, as_queries
from vae_lib.retrieval import RULES, Neighbors, PosteriorIndex, gated_search, roundtrip

ROW_RULES = (*RULES, "round trip", "gate")  # every rule that a row can show
NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
ACTIVE_VARIANCE = 0.01


@dataclass(frozen=True)
class Answer:
    """What the index says of one z: the rows of neighbors, and how far the nearest garment is."""

    neighbors: dict[str, Neighbors]  # by rule, in the order of the rows
    mahalanobis2: float  # the smallest to any garment
    familiar_below: float  # the χ² quantile that it is compared with

    @property
    def familiar(self) -> bool:
        """Whether z lies inside some garment's 99.9 % ellipsoid."""
        return self.mahalanobis2 < self.familiar_below

    @property
    def shared(self) -> dict[int, int]:
        """The garments that are in every row, with their place in the first row; none for one."""
        first, *others = [neighbors.indices.tolist() for neighbors in self.neighbors.values()]
        places = enumerate(first, 1)
        return {g: place for place, g in places if others and all(g in row for row in others)}


def ask(
    vae: VAE, index: PosteriorIndex, z: Sequence[float], rules: Iterable[str], k: int
) -> Answer:
    """Search by every rule; errors as `index.search`."""
    return Answer(
        {rule: rank(vae, index, z, rule, k) for rule in rules},
        index.mahalanobis2(z).item(),
        index.familiar_below,
    )


def rank(vae: VAE, index: PosteriorIndex, z: Sequence[float], rule: str, k: int) -> Neighbors:
    """Return the k best garments by one of ROW_RULES."""
    if rule == "gate":
        return gated_search(vae, index, z, k)
    if rule == "round trip":
        return index.search(roundtrip(vae, z)[0], k)
    return index.search(z, k, rule)


def unused_dimensions(posteriors: Posteriors) -> list[bool]:
    """Tell which dimensions are dead: the encoder's mean hardly varies from garment to garment.

    A dimension is an active unit where the variance of μⱼ(x) over the data set is above 0.01
    (Burda, Grosse and Salakhutdinov, 2016, *Importance Weighted Autoencoders*).
    """
    variance = posteriors.mean.double().var(dim=0, correction=0)
    return (variance <= ACTIVE_VARIANCE).tolist()


def z_to_text(z: Sequence[float]) -> str:
    """Return z as a list that JSON and Python read back exactly."""
    return json.dumps(list(z))


def text_to_z(text: str, latent_dim: int) -> list[float]:
    """Read d numbers, with or without brackets, between commas, semicolons or blanks.

    Raises a ValueError that says what is wrong, in words for the person who typed it.
    """
    plain = text.replace("−", "-")
    rest = [word for word in re.split(r"[\s,;()\[\]]+", plain) if word]
    for word in rest:
        if not NUMBER.fullmatch(word):
            raise ValueError(f"“{word:.30}” is no number. Expected {latent_dim} numbers.")
    if len(rest) != latent_dim:
        raise ValueError(f"Expected {latent_dim} numbers, got {len(rest)}.")
    return as_queries([float(word) for word in rest], latent_dim)[0].tolist()
