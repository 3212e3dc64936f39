"""Figures of notebook 01: Gaussians, bounds, and the nearest garment at each point of a plane."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import torch
from jaxtyping import Float, Int64
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap, to_rgb
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Ellipse
from matplotlib.patheffects import withStroke
from torch import Tensor

from vae_lib.figures import RULE_COLORS, RULE_NAMES, draw_garment

# one colour for each of a handful of garments (Okabe and Ito, 2008); a cell has its garment's tint
GARMENT_COLORS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#999999")


def draw_ellipses(
    axes: Axes,
    mean: Float[Tensor, "garment 2"],
    std: Float[Tensor, "garment 2"],
    widths: Sequence[float] = (1, 2),
    filled: bool = True,
) -> None:
    """Draw each garment's Gaussian as ellipses whose half axes are `widths` times its σ."""
    for number, (centre, half) in enumerate(zip(mean.tolist(), std.tolist(), strict=True)):
        color = GARMENT_COLORS[number % len(GARMENT_COLORS)]
        for width in widths:
            size = [2 * width * h for h in half]
            if filled:
                axes.add_patch(Ellipse(centre, *size, facecolor=color, alpha=0.18, linewidth=0))
            axes.add_patch(Ellipse(centre, *size, fill=False, edgecolor=color, linewidth=1.3))


def draw_means(axes: Axes, mean: Float[Tensor, "garment 2"], names: Sequence[str]) -> None:
    """Mark each garment's μ with a dot and its name."""
    for number, ((across, up), name) in enumerate(zip(mean.tolist(), names, strict=True)):
        color = GARMENT_COLORS[number % len(GARMENT_COLORS)]
        axes.plot(across, up, "o", color=color, markeredgecolor="black", markersize=7)
        _name(axes, name, (across, up), (6, 5), weight="bold", size=12)


def points_and_distributions(
    images: Tensor, mean: Float[Tensor, "garment 2"], std: Float[Tensor, "garment 2"]
) -> Figure:
    """Return garments in a row, and under it their μ as points beside their Gaussians as ellipses.

    The garments are numbered from 1. The ellipses have half axes of one and two σ.
    """
    names = [str(number) for number in range(1, len(images) + 1)]
    figure = plt.figure(figsize=(10, 6.2))
    above, below = figure.subfigures(2, 1, squeeze=False, height_ratios=[1, 3.4])[:, 0]
    for axes, image, name in zip(above.subplots(1, len(images)), images, names, strict=True):
        draw_garment(axes, image, name)
    points, gaussians = below.subplots(1, 2, sharex=True, sharey=True)
    for axes, title in ((points, "a point each: μ"), (gaussians, "a distribution each: μ and σ")):
        draw_means(axes, mean, names)
        axes.set(title=title, xlabel="$z_1$", ylabel="$z_2$", aspect="equal")
    draw_ellipses(gaussians, mean, std)
    gaussians.autoscale_view()
    return figure


def log_density_curves(
    z: Float[Tensor, " point"], curves: Mapping[str, Float[Tensor, " point"]]
) -> Figure:
    """Return densities on the left and their logarithms on the right, a curve for each log density.

    curves: what to call a Gaussian, and log q at each z, in nats.
    """
    layout = ConstrainedLayoutEngine(wspace=0.06)  # room for the right panel's label
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.6), layout=layout)
    looks = zip(("-", "--", ":"), GARMENT_COLORS, strict=False)
    for (style, color), (name, log_q) in zip(looks, curves.items(), strict=False):
        left.plot(z, log_q.exp(), style, color=color, label=name)
        right.plot(z, log_q, style, color=color, label=name)
    left.set(title="density", xlabel="z", ylabel="q(z)")
    right.set(title="log density", xlabel="z", ylabel="log q(z) in nats")
    left.legend()
    return figure


def noise_and_draws(
    eps: Float[Tensor, "draw 2"],
    mean: Float[Tensor, "gaussian 2"],
    std: Float[Tensor, "gaussian 2"],
    names: Sequence[str] = ("narrow", "wide"),
) -> Figure:
    """Return a cloud of ε on the left, and on the right where each μ + σ ⊙ ε takes it.

    The first draw is marked in black wherever it goes. names: what to call each Gaussian.
    """
    clouds = [m + s * eps for m, s in zip(mean, std, strict=True)]  # [draws, 2] each
    limits = [_limits(eps[:, 0]), _limits(torch.cat(clouds)[:, 0])]
    widths = [high - low for low, high in limits]
    figure, panels = plt.subplots(1, 2, figsize=(10, 4), sharey=True, width_ratios=widths)
    left, right = panels
    left.set(title="the noise ε, drawn once", xlabel="$ε_1$", ylabel="$ε_2$")
    right.set(title="z = μ + σ ⊙ ε", xlabel="$z_1$", ylabel="$z_2$")
    left.plot(*eps.T, ".", color="#999999", markersize=4)
    left.plot(*eps[0], "o", color="black")
    for cloud, color in zip(clouds, GARMENT_COLORS, strict=False):
        right.plot(*cloud.T, ".", color=color, markersize=4)
        right.plot(*cloud[0], "o", color="black")
    draw_means(right, mean, names)
    for axes, (low, high) in zip(panels, limits, strict=True):
        axes.set(xlim=(low, high), aspect="equal")  # one unit is as long on either side
    return figure


def bounds_against_exact(
    samples: Sequence[int],
    means: Sequence[float],
    errors: Sequence[float],
    exact: float,
    elbo: float,
) -> Figure:
    """Return the bound for each number of samples K, ± 2 standard errors, under the exact line.

    exact: log p(x); elbo: the exact ELBO. Both, and the means, in nats per image.
    """
    figure, axes = plt.subplots(figsize=(8, 4))
    axes.axhline(exact, color="black", label="log p(x), exact")
    axes.axhline(elbo, color="#999999", linestyle="--", label="ELBO, exact: log p(x) − gap")
    twice = [2 * error for error in errors]
    axes.errorbar(
        samples, means, yerr=twice, fmt="o", capsize=4, label="average of the bound, ± 2 SE"
    )
    axes.set_xscale("log", base=2)
    axes.set_xticks(samples, [str(count) for count in samples])
    axes.set(xlabel="K, samples inside the logarithm", ylabel="nats per image")
    axes.legend(loc="center right")
    return figure


def winner_maps(
    winners: Mapping[str, Int64[Tensor, "rows columns"]],
    mean: Float[Tensor, "garment 2"],
    std: Float[Tensor, "garment 2"],
    limits: tuple[float, float, float, float],
    z: Sequence[float] | None = None,
    names: Sequence[str] = "ABCDEFG",
) -> Figure:
    """Return the latent plane for each rule, coloured by the garment that wins there.

    winners: for each rule the number of the winner, row by row from the lowest z₂ up. limits: left,
    right, bottom and top of the plane. z: marked with a cross where it is given.
    """
    figure, panels = plt.subplots(
        1, len(winners), figsize=(10, 5.3), sharex=True, sharey=True, squeeze=False
    )
    tints = ListedColormap([_tint(color) for color in GARMENT_COLORS])
    for axes, (rule, cells) in zip(panels[0], winners.items(), strict=True):
        picture = {"cmap": tints, "vmin": -0.5, "vmax": len(GARMENT_COLORS) - 0.5}
        axes.imshow(cells, origin="lower", extent=limits, interpolation="nearest", **picture)
        for number in range(len(mean)):  # the edge of each cell, so that tints need not carry it
            inside = (cells == number).float()
            if 0 < inside.mean() < 1:  # pragma: no branch - every garment shown has a cell
                axes.contour(
                    inside, [0.5], extent=limits, colors="black", linewidths=0.7, antialiased=True
                )
        if rule == "likelihood":
            draw_ellipses(axes, mean, std, widths=(1,), filled=False)
        draw_means(axes, mean, names[: len(mean)])
        if z is not None:
            axes.plot(*z, "X", color="black", markeredgecolor="white", markersize=13)
            _name(axes, "z", z, (9, -12), style="italic", size=14)
        axes.set_title(RULE_NAMES[rule], color=RULE_COLORS[rule], weight="bold")
        axes.set(xlabel="$z_1$", xlim=limits[:2], ylim=limits[2:], aspect="equal")
        axes.grid(False)
    panels[0, 0].set_ylabel("$z_2$")
    return figure


def _name(
    axes: Axes, name: str, where: Sequence[float], offset: tuple[float, float], **font: Any
) -> None:
    """Write a name beside a point, in black on a white edge, so that it is read on any colour."""
    edge = [withStroke(linewidth=2.5, foreground="white")]
    axes.annotate(
        name, (where[0], where[1]), offset, textcoords="offset points", path_effects=edge, **font
    )


def _limits(values: Float[Tensor, " draw"], margin: float = 0.3) -> tuple[float, float]:
    return values.min().item() - margin, values.max().item() + margin


def _tint(color: str, strength: float = 0.45) -> tuple[float, ...]:
    return tuple(1 - strength * (1 - part) for part in to_rgb(color))
