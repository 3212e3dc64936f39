"""Figures of notebook 07: the pictures of a folder, the training, and rules with their own σ."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from vae_lib.checkpoint import History
from vae_lib.data import Images
from vae_lib.evaluation import Estimate
from vae_lib.figures import RULE_COLORS, draw_garment
from vae_lib.pictures import open_picture

THUMBNAIL = (112, 112)  # pixels
QUERY_RULES = {  # colour and line of the rules that search with a garment
    "likelihood": (RULE_COLORS["likelihood"], ":"),
    "mutual likelihood": (RULE_COLORS["round trip"], "-"),
    "Euclidean": (RULE_COLORS["euclidean"], "--"),
}
START_COLORS = ("#CC6677", "#332288")  # two of Paul Tol's "muted" scheme: no rule has them
CHARACTERS = 14  # of a file's name, before it would run into its neighbour


def preview_figure(images: Images, rows: Sequence[int] | None = None) -> Figure:
    """Return a figure of pictures as they lie in the folder, above the garments made from them.

    images: what `load_folder` returned. rows: which of its training garments, by default the
    first eight. What is transparent in a picture is shown grey.

    Raises a ValueError for images that are not from a folder, or for no or an unknown row.
    """
    files = images.train_files
    if files is None:
        raise ValueError(f"images: expected pictures from a folder, got {images!r}")
    rows = list(range(min(8, len(files))) if rows is None else rows)
    if not rows or not all(0 <= row < len(files) for row in rows):
        raise ValueError(f"rows: expected some of 0 to {len(files) - 1}, got {rows}")
    figure, axes = plt.subplots(2, len(rows), squeeze=False, figsize=(1.1 * len(rows), 2.6))
    for row, above, below in zip(rows, *axes, strict=True):
        picture = open_picture(files[row])
        picture.thumbnail(THUMBNAIL)
        above.imshow(np.asarray(picture))
        above.set(xticks=[], yticks=[], facecolor="0.6")
        above.grid(False)
        above.spines[:].set_visible(False)
        draw_garment(below, images.train_images[row])
        below.set_xlabel(_caption(files[row]), fontsize=8, parse_math=False)
    axes[0, 0].set_ylabel("the picture", fontsize=9)
    axes[1, 0].set_ylabel("the garment", fontsize=9)
    return figure


def _caption(file: Path) -> str:
    name = file.name.encode("latin-1", "replace").decode("latin-1")  # what the font has for sure
    return name if len(name) <= CHARACTERS else name[: CHARACTERS - 1] + "…"


def epochs_figure(histories: Mapping[str, History]) -> Figure:
    """Return −ELBO over the epochs of several trainings, trained on and held out, in nats."""
    figure, axes = plt.subplots(figsize=(8, 3.8))
    for (name, history), color in zip(histories.items(), START_COLORS, strict=True):
        for curves, line, part in (
            (history.train, "--", "trained on"),
            (history.validation, "-", "a twelfth, held out"),
        ):
            epochs = range(1, len(curves.elbo) + 1)
            negative = [-value for value in curves.elbo]
            axes.plot(epochs, negative, line, color=color, label=f"{name}, {part}")
    last = [-curve.elbo[-1] for h in histories.values() for curve in (h.train, h.validation)]
    axes.set(
        xlabel="epoch", ylabel="−ELBO, nats per image", ylim=(0.9 * min(last), 1.6 * max(last))
    )
    axes.legend()
    return figure


def learning_curves(sizes: Sequence[int], losses: Mapping[str, Sequence[Estimate]]) -> Figure:
    """Return held-out −ELBO against the number of pictures trained on, with intervals."""
    figure, axes = plt.subplots(figsize=(7, 3.8))
    for (name, estimates), color in zip(losses.items(), START_COLORS, strict=True):
        reach = [_reach(estimate) for estimate in estimates]
        values = [estimate.value for estimate in estimates]
        axes.errorbar(sizes, values, list(zip(*reach, strict=True)), fmt="o-", color=color,
                      capsize=4, label=name)  # fmt: skip
    axes.set(xscale="log", xlabel="pictures trained on (log scale)")
    axes.set_ylabel("−ELBO, held out, nats per image")
    axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
    axes.xaxis.set_minor_locator(plt.NullLocator())
    axes.legend()
    return figure


def tau_figure(
    taus: Sequence[float],
    panels: Mapping[str, tuple[Sequence[Estimate], Mapping[str, Estimate]]],
) -> Figure:
    """Return a panel for each measure: its value as τ grows, and lines for other rules.

    panels: for each measure the estimates, one for each τ (all above 0), and those of the rules to
    compare with, by their names, some of QUERY_RULES.
    """
    figure, row = plt.subplots(1, len(panels), figsize=(5 * len(panels), 3.8), squeeze=False)
    for axes, (measure, (estimates, others)) in zip(row[0], panels.items(), strict=True):
        reach = [_reach(estimate) for estimate in estimates]
        values = [estimate.value for estimate in estimates]
        axes.errorbar(taus, values, list(zip(*reach, strict=True)), fmt="o-", color="black",
                      capsize=4, label="the same τ for all")  # fmt: skip
        for name, other in others.items():
            color, line = QUERY_RULES[name]
            axes.axhline(other.value, color=color, linestyle=line, linewidth=2, label=name)
        axes.set(xscale="log", xlabel="τ (log scale)", ylabel=measure)
        axes.set_xticks(taus, [f"{tau:g}" for tau in taus])
        axes.xaxis.set_minor_locator(plt.NullLocator())
    figure.legend(*row[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def _reach(estimate: Estimate) -> tuple[float, float]:
    """Return how far an estimate's interval goes below its value and above it."""
    low = estimate.value if estimate.low is None else estimate.low
    high = estimate.value if estimate.high is None else estimate.high
    return estimate.value - low, high - estimate.value
