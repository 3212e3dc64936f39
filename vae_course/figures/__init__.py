"""Figures of the notebooks, all in one style, with one colour for each rule and with alt text.

Importing this package sets matplotlib's style for the whole notebook. The library never does that.
"""

import base64
import io
import re
from collections.abc import Mapping, Sequence
from html import escape

import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from torch import Tensor

from vae_lib.figures import RULE_COLORS, RULE_NAMES, STYLE, draw_garment, png_bytes

__all__ = ["RULE_COLORS", "RULE_NAMES", "draw_garment", "garment_rows", "png_bytes", "show"]

plt.style.use(STYLE)


def show(figure: Figure, alt: str, vector: bool = False) -> None:
    """Display a figure as the cell's output, with the alternative text `alt`.

    Args:
        figure: the figure, which is closed afterwards.
        alt: one or more sentences that say what the figure shows.
        vector: also store the figure as SVG, which stays crisp at any size. It suits figures made
            of lines and text; a cloud of ten thousand dots is smaller as PNG.

    Raises:
        ValueError: `alt` is empty.
    """
    from IPython.display import display

    if not alt.strip():
        raise ValueError("alt: expected a sentence that describes the figure, got nothing")
    data = {"text/plain": f"Figure: {alt}"}
    if vector:
        data["image/svg+xml"] = svg_text(figure, alt)
    # stored with the SVG, too: JupyterLab shows no SVG of a notebook that it does not trust
    data["image/png"] = base64.b64encode(png_bytes(figure)).decode()
    display(data, raw=True, metadata={"image/png": {"alt": alt}})


def svg_text(figure: Figure, alt: str) -> str:
    """Return a figure as an <svg> element with its alt text, the same one in every run."""
    buffer = io.StringIO()
    with plt.rc_context({"svg.hashsalt": "vae_course"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    svg = re.sub(r"^.*?(?=<svg)|<metadata>.*?</metadata>", "", buffer.getvalue(), flags=re.DOTALL)
    # as many pixels wide as matplotlib's points, which fits beside the cells' numbers
    svg = re.sub(r'(width|height)="([\d.]+)pt"', r'\1="\2px"', svg, count=2)
    named = f'<svg role="img" aria-label="{escape(alt)}" style="max-width: 100%; height: auto"'
    return re.sub(r"\s*\n\s*", "\n", svg.replace("<svg", named, 1)).strip()


def garment_rows(
    rows: Mapping[str, Tensor],
    captions: Mapping[str, Sequence[str]] | None = None,
    size: float = 0.95,
) -> Figure:
    """Return a figure with a row of garments [B, 1, 28, 28] for each title in `rows`.

    captions: for each title the captions of its garments. size: inches for each garment.
    """
    columns = max(len(images) for images in rows.values())
    captions = captions or {}
    # the longest caption of a row decides how much room its captions get
    lines = [max((c.count("\n") + 1 for c in captions.get(title, ())), default=0) for title in rows]
    heights = [size + 0.25 + (0.12 + 0.18 * each if each else 0.0) for each in lines]
    figure = plt.figure(figsize=(columns * size, sum(heights)))
    strips = figure.subfigures(len(rows), 1, squeeze=False, height_ratios=heights)[:, 0]
    for strip, (title, images) in zip(strips, rows.items(), strict=True):
        strip.suptitle(title, x=0.01, ha="left", fontsize=11)
        cells = strip.subplots(1, columns, squeeze=False)[0]
        for number, cell in enumerate(cells):
            cell.set_anchor("N")  # directly under the title
            if number < len(images):
                caption = captions[title][number] if title in captions else ""
                draw_garment(cell, images[number], caption)
            else:
                cell.set_axis_off()
    return figure
