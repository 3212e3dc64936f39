"""The figure of notebook 07: pictures of a folder beside what became of them."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from vae_lib.data import Images
from vae_lib.figures import draw_garment
from vae_lib.pictures import open_picture

THUMBNAIL = (112, 112)  # pixels
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
