"""A wardrobe in parts, each drawn where it is needed; a client imports this without pytest."""

import torch

from vae_lib.garments import draw_garments

PART = 6_000  # a multiple of the images that `encode_dataset` encodes at once
PARTS = 10


def drawn_part(number: int, size: int = PART) -> torch.Tensor:
    """Return the garments of one part, drawn on the worker that needs them."""
    return draw_garments(size, seed=number).images
