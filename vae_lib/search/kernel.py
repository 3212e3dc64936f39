"""The compiled search in the leaves of a k-d tree, and the compiled sum of all likelihoods.

The outer loop runs over dimensions and the inner one over garments or leaves, so that the compiler
turns the inner loop into SIMD instructions. Squares are added in the order of the dimensions,
without fused operations. `scan.py` and `squared_distances` do the same and get the same bits.

A bound on a squared distance needs no tolerance for rounding errors. Rounding is monotone, so an
inequality between sums, products and squares also holds after each of them is rounded. Comparisons
are written so that a leaf whose bound is NaN is searched.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit

from vae_lib.rules import DISTANCE, LOG_DENSITY

OPTIONS: dict[str, Any] = {"error_model": "numpy", "nogil": True, "no_cfunc_wrapper": True}
HELPER = OPTIONS | {"no_cpython_wrapper": True}  # compiles in half the time
FIRST = 4  # the number of most promising leaves that are searched before all others
FIRST_CHECK = 4  # dimensions to add before checking whether the rest of a leaf can be skipped
SLACK = 1e-12  # relative tolerance for rounding errors where a score is solved for M²
NEGLIGIBLE = 30.0  # nats; exp(−30) is 1e-13
NO_GARMENT = np.iinfo(np.int64).max

Array = np.ndarray
Leaves = tuple[Array, ...]  # as `Tree.leaves` returns them


def helper(function: Callable) -> Any:
    """Compile a function that only other compiled functions call."""
    return njit(**HELPER)(function)


def cached(function: Callable) -> Any:
    """Compile on first use, and cache the result on disk if a folder is writable."""
    try:
        return njit(cache=True, **OPTIONS)(function)
    except RuntimeError:  # numba found no such folder
        return njit(**OPTIONS)(function)


@helper
def score_of(m2: float, bias: float, form: int, nu: float, d: int, constant: float) -> float:
    """Return the score of a garment at a squared distance; larger is better."""
    if form == LOG_DENSITY:
        return bias - 0.5 * m2
    if form == DISTANCE:
        return -math.sqrt(m2)
    return bias - 0.5 * (nu + d) * math.log1p(m2 / nu) + constant


@helper
def reach_of(score: float, bias: float, form: int, nu: float, d: int, constant: float) -> float:
    """Return the M² beyond which no garment reaches this score: solve `score_of` for M²."""
    slack = SLACK * (1.0 + abs(score) + abs(bias) + abs(constant))
    if form == LOG_DENSITY:
        return 2.0 * (bias - score + slack)
    if form == DISTANCE:
        return score * score * (1.0 + SLACK) + 1e-300
    return nu * math.expm1(2.0 * (bias - score + constant + slack) / (nu + d))


@helper
def is_worse(score: float, garment: int, other_score: float, other_garment: int) -> bool:
    return score < other_score or (score == other_score and garment > other_garment)


@helper
def replace_worst(scores: Array, garments: Array, score: float, garment: int) -> None:
    """Replace the worst garment, which is the root of a binary heap, and restore the heap."""
    place, child = 0, 1
    while child < len(scores):
        after = child + 1
        if after < len(scores) and is_worse(
            scores[after], garments[after], scores[child], garments[child]
        ):
            child = after
        if not is_worse(scores[child], garments[child], score, garment):
            break
        scores[place], garments[place] = scores[child], garments[child]
        place, child = child, 2 * child + 1
    scores[place], garments[place] = score, garment


@helper
def sort_heap(scores: Array, garments: Array) -> None:
    """Turn the heap into a list with the best first."""
    for last in range(len(scores) - 1, 0, -1):
        score, garment = scores[last], garments[last]
        scores[last], garments[last] = scores[0], garments[0]
        replace_worst(scores[:last], garments[:last], score, garment)


@helper
def bound_leaves(z: Array, low: Array, high: Array, inverse_scale: Array, bound: Array) -> None:
    """Write a lower bound on the squared distances to the garments of each leaf."""
    for leaf in range(len(bound)):
        bound[leaf] = 0.0
    for j in range(len(z)):
        zj, lows, highs, inverse = z[j], low[j], high[j], inverse_scale[j]
        for leaf in range(len(bound)):
            outside = max(max(lows[leaf] - zj, zj - highs[leaf]), 0.0) * inverse[leaf]
            bound[leaf] += outside * outside


@helper
def measure_leaf(
    z: Array, mean: Array, inverse_scale: Array, size: int, limit: float, m2: Array
) -> bool:
    """Write the squared distances to a leaf's garments; return False if all exceed `limit`.

    mean: [d, garment]; inverse_scale: the same, or [d, 1] for a scale that all garments share.
    """
    for i in range(len(m2)):
        m2[i] = 0.0
    check = FIRST_CHECK
    for j in range(len(z)):
        zj, means, inverse = z[j], mean[j], inverse_scale[j]
        if len(inverse) == 1:  # one number stays in a register
            shared = inverse[0]
            for i in range(len(m2)):
                difference = (zj - means[i]) * shared
                m2[i] += difference * difference
        else:
            for i in range(len(m2)):
                difference = (zj - means[i]) * inverse[i]
                m2[i] += difference * difference
        if j + 1 == check or j + 1 == len(z):
            check *= 2
            within = 0
            for i in range(size):
                within += not m2[i] > limit
            if within == 0:
                return False
    return True


@helper
def place_of_largest(numbers: Array) -> int:
    place = 0
    for other in range(1, len(numbers)):
        if numbers[other] > numbers[place]:
            place = other
    return place


@helper
def look_into(
    leaf: int,
    z: Array,
    leaves: Leaves,
    form: int,
    nu: float,
    constant: float,
    nearest: float,
    m2: Array,
    scores: Array,
    garments: Array,
) -> float:
    """Put a leaf's good garments into the heap; return the smallest squared distance so far."""
    _, _, _, best_bias, mean, inverse_scale, bias, member, sizes = leaves
    reach = reach_of(scores[0], best_bias[leaf], form, nu, len(z), constant)
    limit = max(reach, nearest)
    own_scale = inverse_scale[leaf % len(inverse_scale)]
    if measure_leaf(z, mean[leaf], own_scale, sizes[leaf], limit, m2):
        for i in range(sizes[leaf]):
            if not m2[i] > limit:
                score = score_of(m2[i], bias[leaf, i], form, nu, len(z), constant)
                if is_worse(scores[0], garments[0], score, member[leaf, i]):
                    replace_worst(scores, garments, score, member[leaf, i])
                nearest = min(nearest, m2[i])
    return nearest


@cached
def best_garments(
    z: Array,
    leaves: Leaves,
    form: int,
    nu: float,
    constant: float,
    nearest: Array,
    scores: Array,
    garments: Array,
) -> None:
    """Write the best scores and garments of each query, best first; ties go to the lower index.

    z: [Q, d]; scores and garments: [Q, k]; nearest: [Q]. A `nearest` of +∞ is replaced by the
    smallest squared distance from the query to any garment. Pass −∞ if this is not needed.
    """
    low, high, leaf_scale, best_bias, mean, _, _, _, sizes = leaves
    bound, promise = np.empty(len(sizes)), np.empty(len(sizes))
    seen = np.empty(len(sizes), dtype=np.bool_)
    m2 = np.empty(mean.shape[2])
    for q in range(len(z)):
        top, top_garments = scores[q], garments[q]
        for place in range(len(top)):
            top[place], top_garments[place] = -np.inf, NO_GARMENT
        bound_leaves(z[q], low, high, leaf_scale, bound)
        for leaf in range(len(sizes)):
            seen[leaf] = False
            promise[leaf] = score_of(bound[leaf], best_bias[leaf], form, nu, z.shape[1], constant)
        for turn in range(FIRST + len(sizes)):
            leaf = place_of_largest(promise) if turn < FIRST else turn - FIRST
            reach = reach_of(top[0], best_bias[leaf], form, nu, z.shape[1], constant)
            if seen[leaf] or bound[leaf] > max(reach, nearest[q]):
                continue
            nearest[q] = look_into(
                leaf, z[q], leaves, form, nu, constant, nearest[q], m2, top, top_garments
            )
            promise[leaf], seen[leaf] = -np.inf, True
        sort_heap(top, top_garments)


@cached
def log_sums(z: Array, leaves: Leaves, best: Array, total: Array) -> None:
    """Write log Σₙ q(z|xₙ) over all garments for each query, given the log q of its best garment.

    Garments far behind the best one are left out: relative to the best one, all of them together
    add at most exp(−NEGLIGIBLE) to a sum of at least 1.
    """
    low, high, leaf_scale, best_bias, mean, inverse_scale, bias, _, sizes = leaves
    bound = np.empty(len(sizes))
    m2 = np.empty(mean.shape[2])
    behind = NEGLIGIBLE + math.log(sizes.sum())
    for q in range(len(z)):
        bound_leaves(z[q], low, high, leaf_scale, bound)
        added = 0.0
        for leaf in range(len(sizes)):
            reach = reach_of(best[q] - behind, best_bias[leaf], LOG_DENSITY, 1.0, z.shape[1], 0.0)
            if bound[leaf] > reach or not measure_leaf(
                z[q], mean[leaf], inverse_scale[leaf], sizes[leaf], reach, m2
            ):
                continue
            for i in range(sizes[leaf]):
                score = score_of(m2[i], bias[leaf, i], LOG_DENSITY, 1.0, z.shape[1], 0.0)
                if score >= best[q] - behind:
                    added += math.exp(score - best[q])
        total[q] = best[q] + math.log(added)
