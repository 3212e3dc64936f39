"""Figures of notebook 02: loss curves, the parts of −ELBO, the latent plane, and sliders."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from torch import Tensor

from vae_lib.checkpoint import History

TRAIN_COLOR, HELD_OUT_COLOR = "#56B4E9", "#000000"
PART_COLORS = ("#999999", "#E69F00", "#0072B2")  # told apart by their brightness, too
ALIVE_COLOR, DEAD_COLOR = "#0072B2", "#D55E00"


def tiled(
    garments: Float[Tensor, "row column 1 28 28"], gap: int = 2
) -> Float[Tensor, "high wide"]:
    """Return many garments as one picture, with `gap` pixels of mid-grey between them."""
    rows, columns, _, height, width = garments.shape
    cells = garments.new_full((rows, columns, height + gap, width + gap), 0.45)
    cells[:, :, :height, :width] = garments[:, :, 0]
    picture = cells.permute(0, 2, 1, 3).reshape(rows * (height + gap), columns * (width + gap))
    return picture[: picture.shape[0] - gap, : picture.shape[1] - gap].detach().cpu()


def _signed(values: Sequence[float]) -> list[str]:
    """Return numbers as short labels, with a true minus sign."""
    return [f"{value:+.1f}".replace("-", "−") if value else "0" for value in values]


def _draw_table(
    axes: Axes, garments: Tensor, across: Sequence[str], down: Sequence[str], gap: int = 2
) -> None:
    """Draw a table of garments [row, column, 1, 28, 28] with a label for each row and column."""
    axes.imshow(tiled(garments, gap), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    step = 28 + gap
    axes.set_xticks([13.5 + step * column for column in range(len(across))], across)
    axes.set_yticks([13.5 + step * row for row in range(len(down))], down)
    axes.tick_params(length=0, labelsize=9)
    axes.grid(False)
    axes.spines[:].set_visible(False)


def training_curves(history: History) -> Figure:
    """Return −E[log p(x|z)] and the KL side by side, train and held out, over the epochs."""
    layout = ConstrainedLayoutEngine(wspace=0.06)  # room for the right panel's label
    figure, panels = plt.subplots(1, 2, figsize=(9, 3.4), layout=layout)
    epochs = range(1, len(history.train.elbo) + 1)
    for curves, label, color, line in (
        (history.train, "trained on", TRAIN_COLOR, "o--"),
        (history.validation, "held out", HELD_OUT_COLOR, "o-"),
    ):
        panels[0].plot(epochs, [-r for r in curves.reconstruction], line, color=color, label=label)
        panels[1].plot(epochs, curves.kl, line, color=color, label=label)
    panels[0].set(title="reconstruction: −E[log p(x|z)]", ylabel="nats per image")
    panels[1].set(title="KL(q(z|x) ‖ p(z))", ylabel="nats per image")
    panels[1].set_ylim(0, 1.2 * max(*history.train.kl, *history.validation.kl))
    panels[0].legend(loc="upper right")
    panels[1].legend(loc="lower right")
    for panel in panels:
        panel.set(xlabel="epoch", xticks=list(epochs))
    return figure


def latent_plane(
    garments: Float[Tensor, "row column 1 28 28"],
    across: Sequence[float],
    down: Sequence[float],
) -> Figure:
    """Return what the decoder draws over a grid of (z1, z2): z1 to the right, z2 upwards.

    garments: the first row has the largest z2. across, down: the values of the grid.
    """
    figure, axes = plt.subplots(figsize=(6, 6))
    _draw_table(axes, garments, _signed(across), _signed(down), gap=0)
    axes.set(xlabel="z1", ylabel="z2")
    return figure


def where_the_nats_go(parts: Mapping[str, Sequence[float]]) -> Figure:
    """Return −ELBO as a bar for each model, made of three parts in nats per image.

    parts: for each model the entropy of the grey pixels, what the decoder misses, and the KL.
    """
    figure, axes = plt.subplots(figsize=(9, 0.75 * len(parts) + 1.3))
    names = ("entropy of the grey pixels", "decoder against the pixels", "KL")
    left = [0.0] * len(parts)
    for number, (name, color) in enumerate(zip(names, PART_COLORS, strict=True)):
        widths = [values[number] for values in parts.values()]
        axes.barh(list(parts), widths, left=left, color=color, label=name, height=0.6)
        for row, (start, width) in enumerate(zip(left, widths, strict=True)):
            ink = "white" if number == 2 else "black"
            axes.text(start + width / 2, row, f"{width:.0f}", ha="center", va="center", color=ink)
        left = [start + width for start, width in zip(left, widths, strict=True)]
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    axes.set(xlabel="−ELBO on the test set, nats per image", xlim=(0, max(left) * 1.02))
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper left", ncols=3)
    return figure


def dimension_bars(
    kl: Mapping[str, Sequence[float]], loss: Mapping[str, Sequence[float]], dead_below: float
) -> Figure:
    """Return KL and permutation loss of each dimension, a column of panels for each model.

    Dimensions whose permutation loss is below `dead_below` nats are hatched, and named below.
    """
    figure, panels = plt.subplots(2, len(kl), figsize=(10, 5.6), sharey="row", squeeze=False)
    for column, name in enumerate(kl):
        dead = [value < dead_below for value in loss[name]]
        labels = [f"z{j + 1}" + ("\ndead" if gone else "") for j, gone in enumerate(dead)]
        colors = [DEAD_COLOR if gone else ALIVE_COLOR for gone in dead]
        for panel, heights in zip(panels[:, column], (kl[name], loss[name]), strict=True):
            bars = panel.bar(range(len(dead)), heights, color=colors)
            for bar, gone in zip(bars, dead, strict=True):
                bar.set_hatch("///" if gone else "")
            panel.grid(axis="x", visible=False)
            panel.set_xticks(range(len(dead)), labels, fontsize=9)
        panels[0, column].set_title(f"{name}: KL")
        panels[1, column].set_title(f"{name}: loss when shuffled")
        panels[1, column].axhline(dead_below, color="black", linewidth=1, linestyle=":")
        panels[1, column].set_yscale("symlog", linthresh=1)
        panels[1, column].set_yticks([0, 1, 10, 100], ["0", "1", "10", "100"])
        panels[1, column].minorticks_off()
    for panel in panels[:, 0]:
        panel.set_ylabel("nats per image")
    return figure


def slider_tables(
    garments: Mapping[str, Float[Tensor, "latent step 1 28 28"]],
    losses: Mapping[str, Sequence[float]],
    values: Sequence[float],
    dead_below: float,
) -> Figure:
    """Return, for each model, a row for each slider: what is drawn when it alone is moved."""
    width = 3.4 * len(garments)
    layout = ConstrainedLayoutEngine(h_pad=0.12)  # room above the titles
    figure, panels = plt.subplots(
        1, len(garments), figsize=(width, 6.4), squeeze=False, layout=layout
    )
    for panel, (name, table) in zip(panels[0], garments.items(), strict=True):
        down = [
            f"z{j + 1}" + (" dead" if loss < dead_below else "")
            for j, loss in enumerate(losses[name])
        ]
        _draw_table(panel, table, _signed(values), down)
        panel.set(title=name, xlabel="value of the slider")
        for label, loss in zip(panel.get_yticklabels(), losses[name], strict=True):
            label.set_color(DEAD_COLOR if loss < dead_below else "black")
    return figure


def planes(snapshots: Mapping[int, Float[Tensor, "row column 1 28 28"]]) -> Figure:
    """Return the latent plane after each number of training steps, side by side.

    snapshots: for each number of steps the decoded grid; its first row has the largest z2.
    """
    figure, row = plt.subplots(1, len(snapshots), figsize=(2.1 * len(snapshots), 2.5))
    for axes, (steps, garments) in zip(row, snapshots.items(), strict=True):
        axes.imshow(tiled(garments, gap=0), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        axes.set(xticks=[], yticks=[], xlabel="z1")
        axes.set_title(f"{steps} steps", fontsize=11)
        axes.grid(False)
    row[0].set_ylabel("z2")
    return figure
