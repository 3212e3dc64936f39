"""Garments as PNG files, small enough to travel with every move of a slider."""

import base64
import io

import torch
from PIL import Image
from torch import Tensor


def garment_png(pixels: Tensor) -> bytes:
    """Return one garment [1, 28, 28], uint8 or in [0, 1], as a PNG file of 28×28 pixels."""
    if pixels.dtype != torch.uint8:
        pixels = (pixels * 255).round().to(torch.uint8)
    buffer = io.BytesIO()
    picture = Image.fromarray(pixels.reshape(28, 28).cpu().numpy())
    picture.save(buffer, format="PNG", compress_level=1)  # speed matters more than size here
    return buffer.getvalue()


def data_uri(png: bytes) -> str:
    """Return a PNG file as an address that holds the file itself."""
    return "data:image/png;base64," + base64.b64encode(png).decode()
