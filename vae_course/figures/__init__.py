"""Figures of the notebooks: one style, the same colour for the same rule, alt text with each.

Importing this package sets matplotlib's style for the whole notebook. The library never does.
"""

import base64
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from torch import Tensor

from vae_lib.figures import RULE_COLORS, RULE_NAMES, STYLE, draw_garment, png_bytes

__all__ = ["RULE_COLORS", "RULE_NAMES", "draw_garment", "garment_rows", "png_bytes", "show"]

plt.style.use(STYLE)


def show(figure: Figure, alt: str) -> None:
    """Display a figure as the cell's output, with `alt` as its text for those who cannot see it.

    Raises a ValueError where `alt` is empty.
    """
    from IPython.display import display

    if not alt.strip():
        raise ValueError("alt: expected a sentence that says what is to be seen, got nothing")
    picture = base64.b64encode(png_bytes(figure)).decode()
    data = {"image/png": picture, "text/plain": f"Figure: {alt}"}
    display(data, raw=True, metadata={"image/png": {"alt": alt}})


def garment_rows(
    rows: Mapping[str, Tensor],
    captions: Mapping[str, Sequence[str]] | None = None,
    size: float = 0.95,
) -> Figure:
    """Return a figure with a row of garments [B, 1, 28, 28] for each title in `rows`.

    captions: for each title the captions of its garments. size: inches for each garment.
    """
    columns = max(len(images) for images in rows.values())
    below = 0.45 if captions else 0.0
    figure = plt.figure(figsize=(columns * size, len(rows) * (size + below + 0.25)))
    strips = figure.subfigures(len(rows), 1, squeeze=False)[:, 0]
    for strip, (title, images) in zip(strips, rows.items(), strict=True):
        strip.suptitle(title, x=0.01, ha="left", fontsize=11)
        cells = strip.subplots(1, columns, squeeze=False)[0]
        for number, cell in enumerate(cells):
            cell.set_anchor("N")  # directly under the title
            if number < len(images):
                caption = captions[title][number] if captions and title in captions else ""
                draw_garment(cell, images[number], caption)
            else:
                cell.set_axis_off()
    return figure
