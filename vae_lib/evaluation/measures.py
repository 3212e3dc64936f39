"""What can be said of an answer: is it right, does it look alike, is it always the same?"""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from vae_lib.data import as_unit_interval

Z95 = 1.959964  # a standard normal lies within ± this with probability 95 %


class Estimate(NamedTuple):
    """A mean over queries, with its 95 % interval; `low` and `high` are None where there is none.

    Two rules that were tried on the same z are compared through `average` of their differences, not
    by looking whether their intervals overlap.
    """

    value: float
    low: float | None = None
    high: float | None = None

    def __format__(self, spec: str) -> str:
        """Return the three numbers in one format: f"{estimate:.2f}" is "0.75 (0.73 to 0.77)"."""
        value, *ends = (format(number, spec) for number in self if number is not None)
        return f"{value} ({' to '.join(ends)})" if ends else value


def average(values: Float[Tensor, " query"]) -> Estimate:
    """Return the mean ± 1.96 standard errors; values that are NaN are left out.

    The interval takes the values to be independent. Of values that have a largest or a smallest
    one it can reach beyond that; `rate` does not, and is for hits and misses.

    Raises a ValueError where fewer than two values are left.
    """
    values = values.double()
    values = values[~values.isnan()]
    if len(values) < 2:
        raise ValueError(f"values: expected at least 2 numbers, got {len(values)}")
    mean, error = values.mean().item(), values.std().item() / math.sqrt(len(values))
    return Estimate(mean, mean - Z95 * error, mean + Z95 * error)


def rate(hits: Bool[Tensor, " query"]) -> Estimate:
    """Return the share of hits with its Wilson interval, which is sound near 0 and 1, too.

    Wilson, Probable inference, the law of succession, and statistical inference (1927).
    """
    count = len(hits)
    if count < 1:
        raise ValueError("hits: expected at least one query, got none")
    share = hits.double().mean().item()
    shrink = 1 + Z95**2 / count
    centre = (share + Z95**2 / (2 * count)) / shrink
    reach = Z95 / shrink * math.sqrt(share * (1 - share) / count + Z95**2 / (4 * count**2))
    return Estimate(share, max(0.0, centre - reach), min(1.0, centre + reach))


# --- which garment produced this z? ---------------------------------------------------------------


def hits(
    indices: Int64[Tensor, "query k"], garment: Int64[Tensor, " query"], k: int
) -> Bool[Tensor, " query"]:
    """Tell for each query whether the garment that z came from is among the first k returned.

    Their mean is recall@k. Raises a ValueError where fewer than k were returned.
    """
    if not 1 <= k <= indices.shape[1]:
        raise ValueError(f"k: expected 1 to {indices.shape[1]} (the garments returned), got {k}")
    return (indices[:, :k] == garment[:, None]).any(dim=1)


def reciprocal_ranks(
    indices: Int64[Tensor, "query k"], garment: Int64[Tensor, " query"]
) -> Float[Tensor, " query"]:
    """Return 1 / the place of the garment that z came from, and 0 where it was not returned.

    Their mean is the mean reciprocal rank, cut off at the k garments returned: MRR@k.
    """
    places = torch.arange(1, indices.shape[1] + 1, dtype=torch.float64)
    return ((indices == garment[:, None]).double() / places).sum(dim=1)


# --- which looks like the decoded picture? which is the same kind of thing? -----------------------


def pixel_distances(
    pictures: Float[Tensor, "query 1 28 28"], garments: Tensor
) -> Float[Tensor, " query"]:
    """Return the squared distance over the 784 pixels in [0, 1], picture by picture.

    garments: one for each picture, uint8 or float in [0, 1].
    """
    difference = pictures - as_unit_interval(garments)
    return difference.square().flatten(start_dim=1).sum(dim=1)


def squared_pixel_distances(
    pictures: Float[Tensor, "query 784"], garments: Float[Tensor, "garment 784"]
) -> Float[Tensor, "query garment"]:
    """Return ‖a − b‖² of every picture and every garment, through ‖a‖² − 2 a · b + ‖b‖²."""
    sizes = pictures.square().sum(dim=1, keepdim=True) + garments.square().sum(dim=1)
    return torch.addmm(sizes, pictures, garments.T, alpha=-2).clamp_(min=0)


def decoder_log_probs(
    logits: Float[Tensor, "query 784"], garments: Float[Tensor, "garment 784"]
) -> Float[Tensor, "query garment"]:
    """Return log p(x|z) of every garment for the logits of every decoded z, in nats.

    Σ x log p + (1 − x) log(1 − p) over the pixels, where log p − log(1 − p) is the logit.
    """
    black = -torch.nn.functional.softplus(logits).sum(dim=1, keepdim=True)
    return torch.addmm(black, logits, garments.T)


def factor_distances(
    first: Float[Tensor, "query factor"], second: Float[Tensor, "query factor"]
) -> Float[Tensor, " query"]:
    """Return the mean difference between two garments' factors, in [0, 1].

    Only factors that both have are compared; NaN where they have none in common.
    """
    return (first - second).abs().nanmean(dim=1)


# --- is it always the same garment? ---------------------------------------------------------------


class Hubs(NamedTuple):
    """How evenly the answers are spread over the garments; see `hubs`."""

    distinct_winners: int
    share_of_ten: float
    skewness: float


def hubs(indices: Int64[Tensor, "query k"], garments: int) -> Hubs:
    """Return how many garments win, the share of wins of the ten most frequent, skewness of N_k.

    A winner is first in an answer. N_k counts how often each of the `garments` is in an answer; its
    skewness, E[(N_k − mean)³] / std³, is large where a few garments, the hubs, are in most of them:
    Radovanović, Nanopoulos and Ivanović, Hubs in space (2010).
    """
    wins = torch.bincount(indices[:, 0], minlength=garments)
    occurrences = torch.bincount(indices.flatten(), minlength=garments).double()
    difference = occurrences - occurrences.mean()
    spread = difference.square().mean().sqrt()
    skewness = (difference**3).mean() / spread**3 if spread > 0 else torch.tensor(0.0)
    ten = wins.topk(min(10, garments)).values.sum() / len(indices)
    return Hubs(int((wins > 0).sum()), ten.item(), skewness.item())


# --- do the probabilities say how often they are right? -------------------------------------------


class ReliabilityBin(NamedTuple):
    """The queries whose probability lies in one bin: how many, what was said, what was so."""

    queries: int
    probability: float
    hits: Estimate


def reliability(
    probability: Float[Tensor, " query"], hit: Bool[Tensor, " query"], edges: Sequence[float]
) -> list[ReliabilityBin]:
    """Return for each bin between two `edges` the mean probability and the share of hits.

    The bins are [low, high), the last one with its upper edge; empty ones are left out.
    """
    bins = []
    for low, high in pairwise(edges):
        inside = (probability >= low) & (probability < high)
        if high == edges[-1]:
            inside |= probability == high
        if inside.any():
            said = probability[inside].mean().item()
            bins.append(ReliabilityBin(int(inside.sum()), said, rate(hit[inside])))
    return bins
