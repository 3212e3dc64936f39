"""One palette and one style for figures, and a garment drawn with matplotlib."""

import io
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from vae_lib.rules import RULES

STYLE = Path(__file__).with_suffix(".mplstyle")  # for plt.style.use or plt.style.context

RULE_COLORS = {name: rule.color for name, rule in RULES.items()}
RULE_NAMES = {name: rule.title for name, rule in RULES.items()}


def png_bytes(figure: Figure) -> bytes:
    """Return a figure as a PNG file, without a time stamp or version in it, and close it."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    plt.close(figure)
    return buffer.getvalue()


def draw_garment(
    axes: Axes, image: Float[Tensor, "channel height width"], caption: str = ""
) -> None:
    """Draw one picture, grey or RGB, at its own proportions, with its caption below.

    Args:
        axes: where to draw.
        image: pixels as uint8, or as floats in [0, 1]; one channel for grey, three for RGB.
        caption: text below the picture.
    """
    pixels = image.detach().cpu().movedim(0, -1).squeeze(-1).numpy()
    if image.dtype != torch.uint8:
        pixels = pixels.clip(0, 1)
    scale = 255 if image.dtype == torch.uint8 else 1
    axes.imshow(pixels, cmap="gray", vmin=0, vmax=scale, interpolation="nearest")
    axes.set(xticks=[], yticks=[])
    axes.grid(False)
    axes.spines[:].set_visible(False)
    if caption:
        axes.set_xlabel(caption, fontsize=9, labelpad=3)
