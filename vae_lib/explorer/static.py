"""The explorer as a figure, for readers without a kernel."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from torch import Tensor

from vae_lib.data import Images
from vae_lib.explorer.rows import captions, title
from vae_lib.explorer.scale import AS_Z
from vae_lib.explorer.state import Answer
from vae_lib.figures import RULE_COLORS, STYLE, draw_garment

SHARED_COLOR = "#E69F00"
MOST_BARS = 16


@plt.style.context(STYLE)
def static_figure(
    z: Mapping[str, float],
    decoded: Tensor,
    answer: Answer,
    images: Images,
    messages: Sequence[str],
) -> Figure:
    """Return z as bars, the decoded garment, the messages, and the rows.

    Args:
        z: each number under its name, in the order of the sliders, the strongest first.
        decoded: the picture of z, [C, H, W].
        answer: the search results for z.
        images: the pictures in the rows.
        messages: sentences below the bars.
    """
    count = len(answer.neighbors)
    figure = plt.figure(figsize=(10, 3.0 + 1.95 * count))
    heights = [1.5] + [1] * count
    top, *rows = figure.subfigures(1 + count, 1, squeeze=False, height_ratios=heights)[:, 0]
    bars, picture = top.subplots(1, 2, width_ratios=[3, 1])
    names, values = list(z)[:MOST_BARS], list(z.values())[:MOST_BARS]
    bars.barh(names[::-1], values[::-1], color="#808080")
    bars.axvline(0, color="#404040", linewidth=0.8)
    bars.set(xlim=(AS_Z.low, AS_Z.high), title="z, as the sliders stand, the strongest first")
    bars.set_xlabel("\n".join(messages), loc="left", labelpad=6)
    draw_garment(picture, decoded, "decoded from z")
    for rule, row in zip(answer.neighbors, rows, strict=True):
        row.suptitle(title(rule, answer), x=0.01, ha="left", color=RULE_COLORS[rule])
        _draw_row(row, answer, rule, images)
    return figure


def _draw_row(row: Figure, answer: Answer, rule: str, images: Images) -> None:
    shown = captions(answer.neighbors[rule], images)
    cells = row.subplots(1, len(shown), squeeze=False)[0]
    for cell, caption in zip(cells, shown, strict=True):
        text = (
            f"{caption.class_name}\n{caption.unit} {caption.score}\n{caption.probability}".rstrip()
        )
        draw_garment(cell, images.train_images[caption.garment], text)
        cell.set_anchor("N")  # so that the caption stands below its own picture
        if caption.garment in answer.shared:
            cell.spines[:].set(visible=True, color=SHARED_COLOR, linewidth=3)
            place = f"{answer.shared[caption.garment]}"
            cell.text(0, 0.5, place, va="top", weight="bold", backgroundcolor=SHARED_COLOR, size=8)
