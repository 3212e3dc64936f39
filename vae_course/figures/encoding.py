"""Figures of notebook 03: posteriors, σ by dimension, a map, lengths of z, and checks of σ."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import torch
from jaxtyping import Float, Int64
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.offsetbox import AnnotationBbox, OffsetImage
from matplotlib.patches import Ellipse, Rectangle
from torch import Tensor

from vae_lib.posteriors import Posteriors

INK, FAINT, ACCENT, OTHER = "black", "#bbbbbb", "#882255", "#332288"
# ten colours that colour-blind readers can tell apart (Paul Tol's "muted" scheme, and a grey)
CLASS_COLORS = (
    *("#332288", "#88CCEE", "#44AA99", "#117733", "#999933"),
    *("#DDCC77", "#CC6677", "#882255", "#AA4499", "#777777"),
)


def latent(dimension: int) -> str:
    """Return a dimension's name for an axis, counted from 1 as on the sliders."""
    return f"$z_{{{dimension + 1}}}$"


def cloud(
    everyone: Float[Tensor, "garment 2"],
    mean: Float[Tensor, "2"],
    std: Float[Tensor, "2"],
    draws: Float[Tensor, "draw 2"],
    dimensions: Sequence[int],
) -> Figure:
    """Return a figure of one garment's draws among the means of all, with an enlarged detail."""
    figure, (far, near) = plt.subplots(1, 2, figsize=(9.6, 4.8))
    for axes, dots in ((far, 1), (near, 7)):
        axes.scatter(*everyone[:8000].T, s=dots, color=FAINT, label="μ of other garments")
        axes.scatter(*draws.T, s=4, color=ACCENT, alpha=0.5, label="draws z of one garment")
        axes.plot(*mean, "+", color=INK, markersize=12, markeredgewidth=2, label="its μ")
        axes.set(xlabel=latent(dimensions[0]), ylabel=latent(dimensions[1]))
    far.set(aspect="equal", title="among all garments")
    for width in (1, 2):
        near.add_patch(
            Ellipse(tuple(mean.tolist()), *(2 * width * std).tolist(), fill=False, linewidth=1.4)
        )
    low, high = (mean - 4 * std).tolist(), (mean + 4 * std).tolist()
    near.set(
        xlim=(low[0], high[0]), ylim=(low[1], high[1]), title="close by: ellipses at 1 σ and 2 σ"
    )
    figure.legend(*far.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def spreads(std: Float[Tensor, "garment latent"]) -> Figure:
    """Return a figure of σ by dimension: the median, and the range of half and 90 % of garments."""
    figure, axes = plt.subplots(figsize=(8, 3.8))
    levels = torch.tensor([0.05, 0.25, 0.5, 0.75, 0.95])
    for dimension, column in enumerate(std.T):
        low, lower, middle, upper, high = column.quantile(levels).tolist()
        axes.plot([dimension] * 2, [low, high], color=OTHER, linewidth=2)
        axes.plot([dimension] * 2, [lower, upper], color=OTHER, linewidth=9, solid_capstyle="butt")
        axes.plot(dimension, middle, "o", color="white", markersize=5)
    axes.axhline(1, color=INK, linestyle="--")
    axes.annotate("σ of the prior", (std.shape[1] - 0.5, 1), (0, 4), textcoords="offset points",
                  ha="right")  # fmt: skip
    ticks = [0.02, 0.05, 0.1, 0.2, 0.5, 1]
    axes.set(yscale="log", xlabel="dimension of z", ylabel="σ of the garments (log scale)")
    axes.set_xticks(range(std.shape[1]), [latent(j) for j in range(std.shape[1])])
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.yaxis.set_minor_locator(plt.NullLocator())
    axes.set_ylim(0.9 * std.quantile(0.001, dim=0).min().item(), 1.4)
    return figure


def predicted_against_actual(
    predicted: Float[Tensor, "garment latent"], actual: Float[Tensor, "garment latent"]
) -> Figure:
    """Return a scatter plot of σ predicted from the decoder against σ from the encoder."""
    figure, axes = plt.subplots(figsize=(5, 4.6))
    axes.scatter(predicted.flatten(), actual.flatten(), s=5, color=OTHER, alpha=0.35, linewidth=0)
    ends = [0.8 * actual.min().item(), 1.2]
    axes.plot(ends, ends, color=INK, linestyle="--", label="equal")
    axes.set(xscale="log", yscale="log", xlim=ends, ylim=ends, aspect="equal")
    axes.set(xlabel="σ that the decoder asks for", ylabel="σ that the encoder gives")
    ticks = [tick for tick in (0.02, 0.05, 0.1, 0.2, 0.5, 1) if tick > ends[0]]
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_ticks(ticks, [f"{tick:g}" for tick in ticks])
        axis.set_minor_locator(plt.NullLocator())
    axes.legend(loc="upper left")
    return figure


def latent_map(
    posteriors: Posteriors,
    images: Tensor,
    labels: Int64[Tensor, " garment"],
    class_names: Sequence[str],
) -> Figure:
    """Return a figure of a latent plane: every garment's μ, and a detail with ellipses of 1 σ.

    The detail shows the ellipses of 32 garments that are far from each other. Lines lead from 14
    of the ellipses to the pictures of their garments.
    """
    figure, (whole, window) = plt.subplots(1, 2, figsize=(10, 5.7))
    mean = posteriors.mean
    colors = [CLASS_COLORS[label % len(CLASS_COLORS)] for label in labels.tolist()]
    some = range(0, len(mean), max(1, len(mean) // 8000))
    for axes, dots in ((whole, 4), (window, 6)):
        axes.scatter(*mean[some].T, s=dots, c=[colors[i] for i in some], alpha=0.55, linewidth=0)
        axes.set(xlabel=latent(0), ylabel=latent(1), aspect="equal")
        axes.grid(False)
    centre, half = mean.median(dim=0).values, 11 * posteriors.std.median().item()
    (left, bottom), (right, top) = (centre - half).tolist(), (centre + half).tolist()
    square = Rectangle((left, bottom), 2 * half, 2 * half, fill=False, linewidth=1.5)
    whole.add_patch(square)
    reach = torch.tensor([0.9, 0.9]) * half
    inside = ((mean - centre).abs() + posteriors.std < reach).all(dim=1).nonzero()[:, 0]
    chosen = inside[_spread_out(mean[inside], 32)]
    for i in chosen.tolist():
        _ellipse(window, mean[i], posteriors.std[i], colors[i])
    _pictures_beside(window, mean, images, chosen[:14])
    window.set(
        xlim=(left, right), ylim=(bottom, top), title="the square: ellipses at 1 σ", ylabel=""
    )
    window.tick_params(labelleft=False)
    whole.set(title="the μ of every garment, coloured by class")
    handles = [plt.Line2D([], [], marker="o", linestyle="", color=c) for c in CLASS_COLORS]
    figure.legend(handles, class_names, loc="outside lower center", ncols=5, fontsize=9)
    return figure


def _spread_out(points: Float[Tensor, "point 2"], count: int) -> Int64[Tensor, " chosen"]:
    """Return points that are far from each other: each next one is farthest from those before."""
    chosen = [int((points - points.mean(dim=0)).norm(dim=1).argmin())]
    distance = (points - points[chosen[0]]).norm(dim=1)
    while len(chosen) < min(count, len(points)):
        chosen.append(int(distance.argmax()))
        distance = torch.minimum(distance, (points - points[chosen[-1]]).norm(dim=1))
    return torch.tensor(chosen)


def _ellipse(axes: Axes, mean: Tensor, std: Tensor, color: str) -> None:
    """Draw an ellipse at 1 σ."""
    centre, size = tuple(mean.tolist()), (2 * std).tolist()
    axes.add_patch(Ellipse(centre, *size, facecolor=color, alpha=0.35, linewidth=0))
    axes.add_patch(Ellipse(centre, *size, fill=False, edgecolor=INK, linewidth=1.2))


def _pictures_beside(axes: Axes, mean: Tensor, images: Tensor, chosen: Tensor) -> None:
    """Put garments' pictures at both sides of the axes, each with a line to its mean."""
    across = chosen[mean[chosen, 0].argsort()].tolist()
    half = len(across) // 2
    for side, members in ((-0.09, across[:half]), (1.09, across[half:])):
        from_below = sorted(members, key=lambda i: mean[i, 1].item())
        for place, i in enumerate(from_below):
            picture = OffsetImage(images[i].reshape(28, 28).numpy(), cmap="gray", zoom=1.05)
            at = (side, (place + 0.5) / len(from_below))
            line = {"arrowstyle": "-", "color": INK, "linewidth": 0.8, "shrinkA": 0, "shrinkB": 0}
            point = tuple(mean[i].tolist())
            box = AnnotationBbox(picture, point, xybox=at, boxcoords="axes fraction",
                                 pad=0, frameon=False, arrowprops=line)  # fmt: skip
            axes.add_artist(box)


def lengths(samples: Mapping[str, Float[Tensor, " draw"]], typical: float) -> Figure:
    """Return histograms of ‖z‖, one for each title, and a line at the length `typical`."""
    figure, axes = plt.subplots(figsize=(8, 3.8))
    edges = torch.linspace(0, 16, 97)
    looks: list[dict[str, Any]] = [
        {"color": OTHER, "alpha": 0.35, "histtype": "stepfilled"},
        {"color": INK, "linewidth": 1.8, "histtype": "step"},
        {"color": ACCENT, "alpha": 0.6, "histtype": "stepfilled"},
    ]
    for (title, length), look in zip(samples.items(), looks, strict=True):
        axes.hist(length.numpy(), bins=edges.tolist(), density=True, label=title, **look)
    axes.axvline(typical, color=INK, linestyle=":")
    top = axes.get_ylim()[1]
    axes.annotate("√d", (typical, top), (4, -12), textcoords="offset points")
    axes.set(xlabel="length of z, ‖z‖", ylabel="density", xlim=(0, 14.5))
    axes.legend(loc="upper right")
    return figure


def _normal_curve(axes: Axes, label: str | None = None) -> None:
    grid = torch.linspace(-4, 4, 161)
    density = torch.distributions.Normal(0.0, 1.0).log_prob(grid).exp()
    axes.plot(grid, density, color=INK, linewidth=1.6, label=label)


def margins(z: Float[Tensor, "draw latent"]) -> Figure:
    """Return the histogram of every dimension of z, with the prior's N(0, 1) as a line."""
    rows = -(-z.shape[1] // 5)
    figure, grid = plt.subplots(rows, 5, figsize=(9.6, 2.1 * rows), sharex=True, sharey=True)
    for dimension, axes in enumerate(grid.flat):
        axes.hist(z[:, dimension].numpy(), bins=60, range=(-4, 4), density=True, color=OTHER,
                  alpha=0.45, label="garments")  # fmt: skip
        _normal_curve(axes, "prior")
        axes.set(xlabel=latent(dimension), xticks=[-3, 0, 3])
    for axes in grid[:, 0]:
        axes.set_ylabel("density")
    figure.legend(*grid.flat[0].get_legend_handles_labels(), loc="outside upper right", ncols=2)
    return figure


def standardized_errors(panels: Mapping[str, Float[Tensor, "draw latent"]]) -> Figure:
    """Return histograms of (z − μ)/σ, all dimensions together, with N(0, 1) as a line."""
    figure, row = plt.subplots(1, len(panels), figsize=(9.6, 3.3), sharex=True, sharey=True)
    for axes, (title, errors) in zip(row, panels.items(), strict=True):
        axes.hist(errors.flatten().numpy(), bins=80, range=(-4, 4), density=True, color=OTHER,
                  alpha=0.45)  # fmt: skip
        _normal_curve(axes, "N(0, 1)")
        axes.set(xlabel="(z − μ) / σ", xlim=(-4, 4))
        axes.set_title(title, fontsize=11)
    row[0].set_ylabel("density")
    row[0].legend(loc="upper left", fontsize=9)
    return figure


def std_ratios(
    ratio: Float[Tensor, "garment latent"], effective_samples: Float[Tensor, " garment"]
) -> Figure:
    """Return posterior std over σ: by dimension with 95 % intervals, and by effective samples."""
    figure, (by_dimension, by_garment) = plt.subplots(1, 2, figsize=(9.6, 3.8), sharey=True)
    error = 1.96 * ratio.std(dim=0) / len(ratio) ** 0.5
    by_dimension.errorbar(range(ratio.shape[1]), ratio.mean(dim=0), error, fmt="o", color=OTHER,
                          capsize=3)  # fmt: skip
    by_dimension.set(xlabel="dimension of z", ylabel="std of p(z|x) divided by σ(x)")
    by_dimension.set_xticks(range(ratio.shape[1]), [latent(j) for j in range(ratio.shape[1])])
    by_garment.plot(effective_samples, ratio.mean(dim=1), "o", color=ACCENT, alpha=0.7)
    by_garment.set_ylim(bottom=min(0.98, by_garment.get_ylim()[0]))  # shared: 1 is not the edge
    by_garment.set(xscale="log", xlabel="effective samples (log scale)")
    ticks = [10, 30, 100, 300, 1000]
    by_garment.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
    by_dimension.set_title("each dimension, mean of the garments", fontsize=11)
    by_garment.set_title("each garment, mean of its dimensions", fontsize=11)
    for axes in (by_dimension, by_garment):
        axes.axhline(1, color=INK, linestyle="--")
    return figure
