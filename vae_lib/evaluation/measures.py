"""Measures of retrieved garments: recall, pixel distance, hubs and calibration."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from scipy import stats
from torch import Tensor

from vae_lib._checks import require_int
from vae_lib.pixels import as_unit_interval

Z95 = 1.959964  # the 97.5 % quantile of a standard normal


class Estimate(NamedTuple):
    """A mean over queries with its 95 % interval, or with None for both ends if it has none.

    To compare two rules on the same z, take the `average` of their differences. Checking whether
    two separate intervals overlap is a much weaker test.
    """

    value: float
    low: float | None = None
    high: float | None = None

    def __format__(self, spec: str) -> str:
        """Apply one format to all three numbers: f"{estimate:.2f}" is "0.75 (0.73 to 0.77)"."""
        value, *ends = (format(number, spec) for number in self if number is not None)
        return f"{value} ({' to '.join(ends)})" if ends else value


def average(values: Float[Tensor, " query"]) -> Estimate:
    """Return the mean ± 1.96 standard errors, ignoring NaN.

    The interval assumes independent values. For bounded values it can reach beyond the bounds; use
    `rate` for hits and misses, and `average_share` for numbers in [0, 1].

    Args:
        values: one number for each query, [Q].

    Returns:
        The mean and its 95 % interval.

    Raises:
        ValueError: fewer than two values are not NaN.
    """
    values = values.double()
    values = values[~values.isnan()]
    if len(values) < 2:
        raise ValueError(f"values: expected at least 2 numbers, got {len(values)}")
    mean, error = values.mean().item(), values.std().item() / math.sqrt(len(values))
    return Estimate(mean, mean - Z95 * error, mean + Z95 * error)


def rate(hits: Bool[Tensor, " query"]) -> Estimate:
    """Return the share of hits with its Wilson interval, which stays within [0, 1].

    Args:
        hits: True for each query that was a hit, [Q].

    Returns:
        The share and its 95 % interval.

    Raises:
        ValueError: there are no queries.

    Reference:
        Wilson, Probable inference, the law of succession, and statistical inference (1927).
    """
    if len(hits) < 1:
        raise ValueError("hits: expected at least one query, got none")
    found = int(hits.sum())
    interval = stats.binomtest(found, len(hits)).proportion_ci(method="wilson")
    return Estimate(found / len(hits), float(interval.low), float(interval.high))


def average_share(shares: Float[Tensor, " query"]) -> Estimate:
    """Return the mean of values in [0, 1] with a bootstrap interval, which stays within [0, 1].

    If all values are equal, a bootstrap interval would have no width; `rate` then gives it.

    Args:
        shares: one number for each query, such as the share of its answers that are right, [Q].

    Returns:
        The mean and its 95 % interval: the same one every time, from 2,000 resamples.

    Raises:
        ValueError: a number is outside [0, 1] or NaN, or there are fewer than two.

    Reference:
        Efron, Bootstrap methods: another look at the jackknife (1979).
    """
    values = shares.double().numpy()
    if len(values) < 2 or not ((values >= 0) & (values <= 1)).all():
        raise ValueError(f"shares: expected at least 2 numbers in [0, 1], got {shares!r:.80}")
    mean = float(values.mean())
    if (values == values[0]).all():
        sure = rate(torch.arange(len(values), device="cpu") < round(mean * len(values)))
        return Estimate(mean, sure.low, sure.high)
    settings = {"n_resamples": 2000, "method": "percentile", "rng": 0}
    interval = stats.bootstrap((values,), np.mean, **settings).confidence_interval
    return Estimate(mean, float(interval.low), float(interval.high))


def hits(
    indices: Int64[Tensor, "query k"], garment: Int64[Tensor, " query"], k: int
) -> Bool[Tensor, " query"]:
    """Return whether the garment that produced each z is among the first k returned.

    The mean of the result is recall@k.

    Args:
        indices: the garments returned for each query, best first, [Q, K].
        garment: the garment that produced each z, [Q].
        k: how many of the returned garments to count, from 1 to K.

    Returns:
        True for each query that was a hit, [Q].

    Raises:
        ValueError: k is not between 1 and K.
    """
    require_int("k", k, 1, indices.shape[1])
    return (indices[:, :k] == garment[:, None]).any(dim=1)


def reciprocal_ranks(
    indices: Int64[Tensor, "query k"], garment: Int64[Tensor, " query"]
) -> Float[Tensor, " query"]:
    """Return 1 / rank of the garment that produced each z, or 0 if it was not returned.

    The mean of the result is the mean reciprocal rank at K, MRR@K.

    Args:
        indices: the garments returned for each query, best first, [Q, K].
        garment: the garment that produced each z, [Q].

    Returns:
        The reciprocal ranks, [Q].
    """
    places = torch.arange(1, indices.shape[1] + 1, dtype=torch.float64, device="cpu")
    return ((indices == garment[:, None]).double() / places).sum(dim=1)


def pixel_distances(
    pictures: Float[Tensor, "picture c h w"], garments: Tensor
) -> Float[Tensor, " pair"]:
    """Return the squared distance between each picture and its garment, summed over the pixels.

    Args:
        pictures: decoded pictures in [0, 1], [Q, C, H, W].
        garments: uint8 or float in [0, 1], one garment for each picture or several for one.

    Returns:
        The squared distances, [Q].
    """
    difference = pictures - as_unit_interval(garments)
    return difference.square().flatten(start_dim=1).sum(dim=1)


def squared_pixel_distances(
    pictures: Float[Tensor, "query pixel"],
    garments: Float[Tensor, "garment pixel"],
    sizes: Float[Tensor, " garment"] | None = None,
) -> Float[Tensor, "query garment"]:
    """Return ‖a − b‖² for every picture a and garment b, computed as ‖a‖² − 2 a · b + ‖b‖².

    Args:
        pictures: flattened pictures in [0, 1], [Q, P].
        garments: flattened garments in [0, 1], [N, P].
        sizes: ‖b‖² of every garment if it is known, [N].

    Returns:
        The squared distances, [Q, N].
    """
    sizes = garments.square().sum(dim=1) if sizes is None else sizes
    both = pictures.square().sum(dim=1, keepdim=True) + sizes
    return torch.addmm(both, pictures, garments.T, alpha=-2).clamp_(min=0)


def decoder_log_probs(
    logits: Float[Tensor, "query pixel"], garments: Float[Tensor, "garment pixel"]
) -> Float[Tensor, "query garment"]:
    """Return log p(x|z) of every garment x under every decoded z, in nats.

    log p(x|z) = Σ x log p + (1 − x) log(1 − p) over the pixels, where log p − log(1 − p) is the
    logit.

    Args:
        logits: the decoder's logits for each z, flattened, [Q, P].
        garments: flattened garments in [0, 1], [N, P].

    Returns:
        The log probabilities, [Q, N].
    """
    black = -torch.nn.functional.softplus(logits).sum(dim=1, keepdim=True)
    return torch.addmm(black, logits, garments.T)


def factor_distances(
    first: Float[Tensor, "query factor"], second: Float[Tensor, "query factor"]
) -> Float[Tensor, " query"]:
    """Return the mean absolute difference between the factors of two garments.

    Args:
        first, second: factors in [0, 1], NaN for each factor that a garment lacks, [Q, F].

    Returns:
        The mean over the factors that both garments have, or NaN if they share none, [Q].
    """
    return (first - second).abs().nanmean(dim=1)


class Hubs(NamedTuple):
    """How unevenly the answers are spread over the garments; see `hubs`."""

    distinct_winners: int
    share_of_ten: float
    skewness: float


def hubs(indices: Int64[Tensor, "query k"], garments: int) -> Hubs:
    """Measure whether a few garments, the hubs, answer most queries.

    The winner of a query is the first garment returned for it. N_k counts how often each garment is
    among the k returned. The skewness of N_k, E[(N_k − mean)³] / std³, is large if there are hubs.

    Args:
        indices: the garments returned for each query, best first, [Q, k].
        garments: N, the number of garments in the index.

    Returns:
        The number of distinct winners, the share of queries won by the ten most frequent winners,
        and the skewness of N_k.

    Raises:
        ValueError: there is no query, or no garment for a query.

    Reference:
        Radovanović, Nanopoulos and Ivanović, Hubs in space (2010).
    """
    if indices.numel() == 0:
        raise ValueError(f"indices: expected at least one garment, got shape {list(indices.shape)}")
    wins = torch.bincount(indices[:, 0], minlength=garments)
    occurrences = torch.bincount(indices.flatten(), minlength=garments)
    # where all counts are equal the third moment is 0, and SciPy would divide it by 0
    skewness = float(stats.skew(occurrences.numpy())) if len(occurrences.unique()) > 1 else 0.0
    ten = wins.topk(min(10, garments)).values.sum() / len(indices)
    return Hubs(int((wins > 0).sum()), ten.item(), skewness)


class ReliabilityBin(NamedTuple):
    """Query count, mean predicted probability and observed hit rate of one bin."""

    queries: int
    probability: float
    hits: Estimate


def reliability(
    probability: Float[Tensor, " query"], hit: Bool[Tensor, " query"], edges: Sequence[float]
) -> list[ReliabilityBin]:
    """Compare predicted probabilities with observed hit rates, bin by bin.

    Args:
        probability: the predicted probability of each query, [Q].
        hit: whether each query was a hit, [Q].
        edges: the edges of the bins [low, high), in ascending order. The last bin includes its
            upper edge.

    Returns:
        The bins that hold at least one query.
    """
    bins = []
    for low, high in pairwise(edges):
        inside = (probability >= low) & (probability < high)
        if high == edges[-1]:
            inside |= probability == high
        if inside.any():
            predicted = probability[inside].mean().item()
            bins.append(ReliabilityBin(int(inside.sum()), predicted, rate(hit[inside])))
    return bins
