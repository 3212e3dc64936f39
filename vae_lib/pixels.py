"""Pixel values: images as bytes or as floats in [0, 1]."""

import torch
from jaxtyping import Float
from torch import Tensor

from vae_lib._checks import is_float, is_plain


def as_unit_interval(
    x: Tensor, image_shape: tuple[int, int, int] | None = None
) -> Float[Tensor, "batch channel height width"]:
    """Convert images to floats in [0, 1].

    Args:
        x: images [B, C, H, W], uint8 or float in [0, 1].
        image_shape: the (C, H, W) that the images must have; None accepts every shape.

    Returns:
        The pixels in float32 [B, C, H, W]; uint8 values are divided by 255.

    Raises:
        TypeError: x is not a tensor of uint8 or floats.
        ValueError: x has another shape, or pixels outside [0, 1] or NaN.
    """
    if not isinstance(x, Tensor) or not (is_float(x) or (x.dtype == torch.uint8 and is_plain(x))):
        got = f"{x.dtype}, {x.layout}, {x.device}" if isinstance(x, Tensor) else type(x).__name__
        raise TypeError(f"x: expected a tensor of uint8 or float images, got {got}")
    if x.dim() != 4 or (image_shape is not None and x.shape[1:] != tuple(image_shape)):
        expected = "C, H, W" if image_shape is None else ", ".join(map(str, image_shape))
        raise ValueError(f"x: expected images of shape [B, {expected}], got {list(x.shape)}")
    if x.dtype == torch.uint8:
        return x.to(torch.float32) / 255
    if x.numel() and not ((x >= 0) & (x <= 1)).all():  # false for NaN, too
        least, most = x.min().item(), x.max().item()
        raise ValueError(f"x: expected pixels in [0, 1], got {least:.3g} to {most:.3g}")
    return x.to(torch.float32)
