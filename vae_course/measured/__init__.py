"""Measured results that the course stores, and the commands that measure them."""

from vae_course.measured.results import (
    Spread,
    Study,
    load_benchmark,
    load_color_wardrobe,
    load_engines,
    load_study,
)
from vae_course.measured.wardrobes import resampled

__all__ = [
    "Spread",
    "Study",
    "load_benchmark",
    "load_color_wardrobe",
    "load_engines",
    "load_study",
    "resampled",
]
