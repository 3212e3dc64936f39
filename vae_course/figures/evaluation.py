"""Figures of notebook 05: how often each rule is right, and how far away its answers are."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from vae_lib.evaluation import Estimate, Evaluation, ReliabilityBin
from vae_lib.figures import RULE_COLORS, RULE_NAMES

INK, GREY = "black", "#777777"


def color_of(rule: str) -> str:
    """Return the colour of a rule; grey for the rules that only `evaluate` has."""
    return RULE_COLORS.get("round trip" if rule.endswith("round trip") else rule, GREY)


def _bar(axes: Axes, x: float, estimate: Estimate, color: str, **style: Any) -> None:
    """Draw an estimate as a dot with its 95 % interval."""
    low, high = estimate.low or estimate.value, estimate.high or estimate.value
    reach = [[estimate.value - low], [high - estimate.value]]
    axes.errorbar(
        [x], [estimate.value], reach, fmt=style.pop("marker", "o"), color=color, capsize=4, **style
    )


def ladder(estimates: Mapping[str, Estimate]) -> Figure:
    """Return a figure of recall@1 of several rules, and the points that each adds to the last."""
    figure, axes = plt.subplots(figsize=(8, 3.8))
    values = [100 * estimate.value for estimate in estimates.values()]
    for place, (rule, estimate) in enumerate(estimates.items()):
        percent = Estimate(*(100 * number for number in estimate if number is not None))
        _bar(axes, place, percent, RULE_COLORS[rule], markersize=8)
        axes.annotate(f"{values[place]:.0f} %", (place, values[place]), (0, -20),
                      textcoords="offset points", ha="center")  # fmt: skip
        if place:
            gain = values[place] - values[place - 1]
            middle = (place - 0.5, (values[place] + values[place - 1]) / 2)
            axes.annotate(f"{gain:+.1f} points", middle, (0, 10), textcoords="offset points",
                          ha="right", color=INK)  # fmt: skip
    axes.plot(range(len(values)), values, color=GREY, linewidth=1.2, zorder=0)
    names = [RULE_NAMES[rule].replace(" distance", "\ndistance") for rule in estimates]
    axes.set_xticks(range(len(names)), names)
    axes.set(ylim=(0, 100), xlim=(-0.4, len(names) - 0.6))
    axes.set_ylabel("recall@1 in %, z from posteriors")
    return figure


def reliability_figure(bins: Sequence[ReliabilityBin]) -> Figure:
    """Return a plot of the observed share of hits against the predicted probability, by bin."""
    figure, axes = plt.subplots(figsize=(4.8, 4.4))
    for each in bins:
        _bar(axes, each.probability, each.hits, RULE_COLORS["likelihood"])
    axes.plot([0, 1], [0, 1], color=INK, linestyle="--", label="perfectly calibrated")
    axes.set(xlim=(0, 1.02), ylim=(0, 1.02), aspect="equal")
    axes.set(xlabel="probability of the first garment", ylabel="share of z that came from it")
    axes.legend(loc="upper left")
    return figure


def distances_by_source(evaluation: Evaluation, rules: Sequence[str]) -> Figure:
    """Return a figure of each rule's pixel distance by source of z, with the smallest possible."""
    sources = evaluation.sources
    figure, axes = plt.subplots(figsize=(9, 4.4))
    for number, rule in enumerate([*rules, "pixel-nearest"]):
        shift = 0.11 * (number - len(rules) / 2)
        color = INK if rule == "pixel-nearest" else color_of(rule)
        for place, source in enumerate(sources):
            estimate = evaluation[source, rule, "pixel distance"]
            label = RULE_NAMES.get(rule, rule) if place == 0 else None
            style = {"marker": "_", "markersize": 14} if rule == "pixel-nearest" else {}
            _bar(axes, place + shift, estimate, color, label=label, **style)
    axes.set(yscale="log", ylabel="squared pixel distance (log scale)", xlabel="where z comes from")
    axes.set_xticks(range(len(sources)), sources)
    ticks = [tick for tick in (2, 5, 10, 20, 50, 100) if tick > axes.get_ylim()[0]]
    axes.set_yticks(ticks, [str(tick) for tick in ticks])
    axes.yaxis.set_minor_locator(plt.NullLocator())
    figure.legend(loc="outside lower center", ncols=4)
    return figure


def price(evaluation: Evaluation, rules: Sequence[str]) -> Figure:
    """Return a plot of each rule's result for far z against its cost in recall for near z."""
    figure, axes = plt.subplots(figsize=(8.4, 4.8))
    dots: list[tuple[float, float]] = []
    for rule in rules:
        near = evaluation["posterior", rule, "recall@1"].value
        far = evaluation["uniform 5", rule, "pixel distance"].value
        axes.plot(near, far, "o", color=color_of(rule), markersize=9)
        crowded = any(abs(near - x) < 0.05 and abs(far - y) < 5 for x, y in dots)
        side = "left" if near < 0.55 else "right"  # of the label, away from the figure's edge
        beside = (8, -4) if side == "left" else (-6, -16 if crowded else 9)
        axes.annotate(RULE_NAMES.get(rule, rule), (near, far), beside, color=color_of(rule),
                      weight="bold", textcoords="offset points", ha=side)  # fmt: skip
        dots.append((near, far))
    floor = evaluation["uniform 5", "pixel-nearest", "pixel distance"].value
    axes.axhline(floor, color=INK, linestyle="--")
    axes.annotate("the pixel-nearest garment", (0.01, floor), (0, -14),
                  xycoords=("axes fraction", "data"), textcoords="offset points")  # fmt: skip
    axes.set(ylim=(0, 1.1 * max(y for _, y in dots)))
    axes.annotate("better ↘", (0.99, 0.03), xycoords="axes fraction", ha="right", color=INK)
    axes.set_xlabel("near: recall@1 of z from posteriors (right is better)")
    axes.set_ylabel("far: pixel distance, uniform 5 (low is better)")
    return figure


def along_rays(
    radii: Sequence[float],
    farthest: Sequence[float],
    familiar: Sequence[float],
    typical: Mapping[str, float],
) -> Figure:
    """Return along rays z = r·u how often the longest reach wins, and how often z is familiar.

    typical: lengths to mark, by their names.
    """
    figure, axes = plt.subplots(figsize=(8, 3.9))
    axes.plot(radii, farthest, "o-", color=RULE_COLORS["likelihood"],
              label="the likelihood's winner reaches farthest along u")  # fmt: skip
    axes.plot(radii, familiar, "s-", color=RULE_COLORS["mahalanobis"], label="z is familiar")
    for name, length in typical.items():
        axes.axvline(length, color=INK, linestyle=":")
        axes.annotate(name, (length, 1.03), (4, 0), textcoords="offset points", fontsize=10)
    axes.set(xscale="log", ylim=(-0.03, 1.13), xlabel="r, how far z is from 0 (log scale)")
    axes.set_ylabel("share of directions u")
    ticks = [1, 3, 10, 30, 100, 300, 1000]
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.xaxis.set_minor_locator(plt.NullLocator())
    figure.legend(loc="outside lower center", ncols=2)
    return figure


def familiarity(smallest: Mapping[str, Float[Tensor, " query"]], threshold: float) -> Figure:
    """Return histograms of the smallest Mahalanobis², by source of z, and the threshold."""
    figure, axes = plt.subplots(figsize=(8, 3.8))
    edges = [0.5 * 1.12**step for step in range(80)]
    colors = (RULE_COLORS["likelihood"], RULE_COLORS["mahalanobis"], RULE_COLORS["euclidean"])
    for (source, values), color in zip(smallest.items(), colors, strict=True):
        axes.hist(values.numpy(), bins=edges, weights=[1 / len(values)] * len(values),
                  histtype="stepfilled", alpha=0.45, color=color, label=source)  # fmt: skip
    axes.axvline(threshold, color=INK, linestyle="--")
    axes.annotate(f"{threshold:.1f}, the 99.9 % quantile of χ²", (threshold, 1), (4, -12),
                  xycoords=("data", "axes fraction"), textcoords="offset points")  # fmt: skip
    axes.set_ylim(top=1.15 * axes.get_ylim()[1])
    axes.set(xscale="log", xlabel="smallest Mahalanobis² to any garment (log scale)")
    axes.set_ylabel("share of z")
    ticks = [1, 3, 10, 30, 100, 300, 1000]
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.xaxis.set_minor_locator(plt.NullLocator())
    axes.legend(title="z from", loc="upper right")
    return figure


def seeds(panels: Mapping[str, tuple[Mapping[str, Sequence[float]], float]]) -> Figure:
    """Return a panel for each claim: the values of each training, a dot for each seed, and a line.

    panels: for each claim the values by training, and the value that the claim names.
    """
    rows = -(-len(panels) // 3)
    figure, grid = plt.subplots(rows, 3, figsize=(10, 3 * rows), sharey=True)
    for axes in grid.flat[len(panels) :]:
        axes.remove()
    for axes, (claim, (values, limit)) in zip(grid.flat, panels.items(), strict=False):
        for place, row in enumerate(values.values()):
            axes.plot(row, [place] * len(row), "o", alpha=0.6, color=RULE_COLORS["likelihood"])
        axes.axvline(limit, color=INK, linestyle="--")
        axes.set_xlabel(claim)
        axes.set_xlim(left=0, right=1.05 * max(limit, *(max(row) for row in values.values())))
    trainings = list(next(iter(panels.values()))[0])
    grid[0, 0].set_yticks(range(len(trainings)), trainings)
    grid[0, 0].set_ylim(len(trainings) - 0.5, -0.5)
    return figure
