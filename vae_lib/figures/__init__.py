"""Pictures: one style, the same colour for the same rule, and alt text with every figure."""

import base64
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

plt.style.use(Path(__file__).parent / "course.mplstyle")

# one colour for each rule, the same in every figure, table and slider (Okabe and Ito, 2008)
RULE_COLORS = {
    "likelihood": "#0072B2",
    "euclidean": "#D55E00",
    "scaled-euclidean": "#E69F00",
    "mahalanobis": "#009E73",
    "round trip": "#CC79A7",
    "gate": "#56B4E9",
}
RULE_NAMES = {
    "likelihood": "log likelihood",
    "euclidean": "Euclidean distance",
    "scaled-euclidean": "scaled Euclidean distance",
    "mahalanobis": "Mahalanobis distance",
    "round trip": "round trip",
    "gate": "the gate",
}


def png_bytes(figure: Figure) -> bytes:
    """Return a figure as a PNG file, without a time stamp or version in it, and close it."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    plt.close(figure)
    return buffer.getvalue()


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


def draw_garment(axes: Axes, image: Float[Tensor, "1 28 28"], caption: str = "") -> None:
    """Draw one garment, light on black as in the data set, with its caption below."""
    pixels = image.detach().cpu().reshape(28, 28).numpy()
    scale = 255 if image.dtype == torch.uint8 else 1
    axes.imshow(pixels, cmap="gray", vmin=0, vmax=scale, interpolation="nearest")
    axes.set(xticks=[], yticks=[])
    axes.grid(False)
    axes.spines[:].set_visible(False)
    if caption:
        axes.set_xlabel(caption, fontsize=9, labelpad=3)


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
