"""Figures of notebook 04."""

import matplotlib.pyplot as plt
from jaxtyping import Float
from matplotlib.figure import Figure
from torch import Tensor


def counting_figure(
    radii: Float[Tensor, " radius"],
    counted: Float[Tensor, "2 radius"],
    errors: Float[Tensor, "2 radius"],
    density: Float[Tensor, " 2"],
) -> Figure:
    """Return the density counted within each radius, for a narrow and a wide garment.

    errors: standard errors of `counted`; density: what they should settle at, drawn as lines.
    """
    figure, axes = plt.subplots(figsize=(7, 3.6))
    for name, color, row, error, exact in zip(
        ("narrow", "wide"), ("black", "0.55"), counted, errors, density, strict=True
    ):
        axes.errorbar(radii, row, 2 * error, marker="o", color=color, label=f"{name}, counted")
        axes.axhline(float(exact), color=color, linestyle="--", label=f"{name}, q(z|x)")
    axes.invert_xaxis()
    axes.set(xlabel="radius r around z (shrinking)", ylabel="share of draws / area of the disc")
    axes.legend(ncols=2)
    return figure
