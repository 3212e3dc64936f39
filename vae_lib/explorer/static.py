"""The explorer as a figure, for where no kernel runs."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from torch import Tensor

from vae_lib.data import Images
from vae_lib.explorer.rows import captions, title
from vae_lib.explorer.state import Answer
from vae_lib.figures import RULE_COLORS, STYLE, draw_garment

SHARED_COLOR = "#E69F00"


@plt.style.context(STYLE)
def static_figure(
    z: Sequence[float],
    limit: float,
    decoded: Tensor,
    answer: Answer,
    images: Images,
    messages: Sequence[str],
) -> Figure:
    """Return z as bars from −limit to limit, the decoded garment, the messages, and the rows."""
    count = len(answer.neighbors)
    figure = plt.figure(figsize=(10, 2.8 + 1.9 * count))
    heights = [1.5] + [1] * count
    top, *rows = figure.subfigures(1 + count, 1, squeeze=False, height_ratios=heights)[:, 0]
    bars, picture = top.subplots(1, 2, width_ratios=[3, 1])
    names = [f"z{j + 1}" for j in range(len(z))]
    bars.barh(names[::-1], z[::-1], color="#808080")
    bars.set(xlim=(-limit, limit), title="z, as the sliders stand")
    bars.set_xlabel("\n".join(messages), loc="left", labelpad=6)
    draw_garment(picture, decoded, "decoded from z")
    for rule, row in zip(answer.neighbors, rows, strict=True):
        row.suptitle(title(rule, answer), x=0.01, ha="left", color=RULE_COLORS[rule])
        _draw_row(row, answer, rule, images)
    return figure


def _draw_row(row: Figure, answer: Answer, rule: str, images: Images) -> None:
    shown = captions(answer.neighbors[rule], images)
    for cell, caption in zip(row.subplots(1, len(shown), squeeze=False)[0], shown, strict=True):
        text = (
            f"{caption.class_name}\n{caption.unit} {caption.score}\n{caption.probability}".rstrip()
        )
        draw_garment(cell, images.train_images[caption.garment], text)
        if caption.garment in answer.shared:
            cell.spines[:].set(visible=True, color=SHARED_COLOR, linewidth=3)
            place = f"{answer.shared[caption.garment]}"
            cell.text(0, 0.5, place, va="top", weight="bold", backgroundcolor=SHARED_COLOR, size=8)
