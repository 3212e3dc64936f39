"""Figures of notebook 06 and of the benchmark."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from vae_lib.figures import RULE_COLORS


def cost_figure(points: Sequence[Mapping]) -> Figure:
    """Return CPU time for one z against the number of garments, both axes logarithmic.

    points: as the benchmark stores them, each with `garments` and `milliseconds` of each search.
    """
    garments = [point["garments"] for point in points]
    figure, axes = plt.subplots(figsize=(7, 4))
    for name, label, color, marker in (
        ("faiss L2", "FAISS IndexFlatL2 on μ", RULE_COLORS["euclidean"], "s"),
        ("likelihood", "exact likelihood", RULE_COLORS["likelihood"], "o"),
    ):
        times = [point["milliseconds"][name] for point in points]
        axes.plot(garments, times, marker=marker, color=color, label=label)
    axes.set(xscale="log", yscale="log", xlabel="garments N", ylabel="CPU time for one z, ms")
    axes.legend()
    return figure
