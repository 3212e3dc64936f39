"""Figures of notebook 07: the pictures of a folder, the answers to one, and the training."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vae_lib.checkpoint import History
from vae_lib.data import Images
from vae_lib.figures import draw_garment
from vae_lib.pictures import Source, open_picture

THUMBNAIL = (112, 112)  # pixels
CURVE_COLORS = ("#CC6677", "#332288")  # two of Paul Tol's "muted" scheme: no rule has them
CHARACTERS = 16  # of a file's name, before it would run into its neighbour


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
        _draw_photograph(above, files[row])
        draw_garment(below, images.train_images[row])
        below.set_xlabel(_caption(files[row]), fontsize=8, parse_math=False)
    axes[0, 0].set_ylabel("the picture", fontsize=9)
    axes[1, 0].set_ylabel("the garment", fontsize=9)
    return figure


def photograph_rows(rows: Mapping[str, Sequence[Path]], size: float = 1.1) -> Figure:
    """Return a figure with a row of photographs for each title, and their file names.

    The photographs are shown as they lie in the folder, not as the model sees them.
    """
    columns = max(len(files) for files in rows.values())
    figure = plt.figure(figsize=(columns * size, len(rows) * (size + 0.5)))
    strips = figure.subfigures(len(rows), 1, squeeze=False)[:, 0]
    for strip, (title, files) in zip(strips, rows.items(), strict=True):
        strip.suptitle(title, x=0.01, ha="left", fontsize=11)
        for number, axes in enumerate(strip.subplots(1, columns, squeeze=False)[0]):
            axes.set_axis_off()
            if number < len(files):
                axes.set_axis_on()
                _draw_photograph(axes, files[number])
                axes.set_xlabel(_caption(files[number]), fontsize=8, parse_math=False)
    return figure


def _draw_photograph(axes: Axes, source: Source) -> None:
    picture = open_picture(source)
    picture.thumbnail(THUMBNAIL)
    axes.imshow(np.asarray(picture))
    axes.set(xticks=[], yticks=[], facecolor="0.6")
    axes.grid(False)
    axes.spines[:].set_visible(False)


def _caption(file: Path) -> str:
    name = file.name.encode("latin-1", "replace").decode("latin-1")  # what the font has for sure
    return name if len(name) <= CHARACTERS else name[: CHARACTERS - 1] + "…"


def epochs_figure(histories: Mapping[str, History]) -> Figure:
    """Return −ELBO over the epochs of several trainings, in nats.

    It is shown for the pictures trained on and for the twelfth that `fit` holds out. The steep
    first tenth of the epochs is cut off at the top.
    """
    figure, axes = plt.subplots(figsize=(8, 3.8))
    shown: list[float] = []
    for (name, history), color in zip(histories.items(), CURVE_COLORS, strict=True):
        for curves, line, part in (
            (history.train, "--", "those trained on"),
            (history.validation, "-", "the twelfth that fit holds out"),
        ):
            epochs = range(1, len(curves.elbo) + 1)
            negative = [-value for value in curves.elbo]
            axes.plot(epochs, negative, line, color=color, label=f"{name}: {part}")
            shown += negative[len(negative) // 10 :]
    margin = 0.05 * (max(shown) - min(shown))
    axes.set(
        xlabel="epoch",
        ylabel="−ELBO, nats per image",
        ylim=(min(shown) - margin, max(shown) + margin),
    )
    axes.legend()
    return figure
