"""Figures of notebook 06 and of the benchmark."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure
from torch import Tensor

from vae_lib.figures import RULE_COLORS

LIKELIHOOD, EUCLIDEAN = RULE_COLORS["likelihood"], RULE_COLORS["euclidean"]
TREE = "0.5"


def cost_figure(points: Sequence[Mapping]) -> Figure:
    """Return CPU time for one z against the number of garments, both axes logarithmic.

    points: as the benchmark stores them, each with `garments` and `milliseconds` of each search.
    """
    garments = [point["garments"] for point in points]
    figure, axes = plt.subplots(figsize=(7, 4))
    for name, label, color, marker in (
        ("faiss L2", "FAISS IndexFlatL2 on μ", EUCLIDEAN, "s"),
        ("k-d tree", "SciPy cKDTree on μ", TREE, "^"),
        ("likelihood", "exact likelihood", LIKELIHOOD, "o"),
    ):
        if all(name in point["milliseconds"] for point in points):
            times = [point["milliseconds"][name] for point in points]
            axes.plot(garments, times, marker=marker, color=color, label=label)
    axes.set(xscale="log", yscale="log", xlabel="garments N", ylabel="CPU time for one z, ms")
    axes.legend()
    return figure


def error_figure(errors: Mapping[str, Float[Tensor, "..."]]) -> Figure:
    """Return the distribution of rounding errors, in nats on a logarithmic axis, by title."""
    figure, axes = plt.subplots(figsize=(7, 3.4))
    edges = np.logspace(-8, 2, 61)
    colors = ("black", EUCLIDEAN, LIKELIHOOD)
    for (title, error), color in zip(errors.items(), colors, strict=False):
        values = error.flatten().clamp(min=edges[0]).numpy()
        axes.hist(values, edges.tolist(), histtype="step", color=color, linewidth=2, label=title)
    axes.set(xscale="log", xlabel="error of a score, nats", ylabel="scores")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, 1.18), ncols=3)
    return figure


def recall_figure(
    curves: Mapping[str, Sequence[float]], effort: Sequence[int], xlabel: str
) -> Figure:
    """Return recall@10 against effort (cells looked into, say), one curve for each title."""
    figure, axes = plt.subplots(figsize=(7, 3.6))
    colors = {"Euclidean": EUCLIDEAN, "inner product": LIKELIHOOD, "near z": "black"}
    markers = zip(curves.items(), "os^", strict=False)
    for (title, shares), marker in markers:
        axes.plot(effort, shares, marker=marker, color=colors.get(title, "0.55"), label=title)
    axes.set(xscale="log", xlabel=xlabel, ylabel="recall@10", ylim=(-0.03, 1.05))
    axes.set_xticks(effort, [str(number) for number in effort])
    axes.minorticks_off()
    axes.legend()
    return figure


def bars_figure(times: Mapping[str, float]) -> Figure:
    """Return horizontal bars of CPU time for one z, in milliseconds, a bar for each title."""
    figure, axes = plt.subplots(figsize=(7, 0.5 + 0.45 * len(times)))
    colors = [LIKELIHOOD if "likelihood" in title else EUCLIDEAN for title in times]
    axes.barh(list(times), list(times.values()), color=colors)
    axes.invert_yaxis()
    axes.set(xlabel="CPU time for one z, ms (on this machine, just now)")
    return figure


def opened_figure(shares: Mapping[int, float]) -> Figure:
    """Return the share of leaves that a search opens against the number of dimensions."""
    figure, axes = plt.subplots(figsize=(7, 3.2))
    axes.plot(list(shares), list(shares.values()), marker="o", color=LIKELIHOOD)
    axes.set(xlabel="latent dimensions d", ylabel="share of leaves opened", ylim=(-0.03, 1.05))
    axes.set_xticks(list(shares))
    return figure
