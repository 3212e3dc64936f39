"""Pictures as small files, which are sent at every move of a slider."""

import base64
import io
from functools import lru_cache

import torch
from PIL import Image
from torch import Tensor

from vae_lib.data import Images
from vae_lib.pictures import open_picture

LONGEST = 192  # pixels of a photograph's longer side; a row shows it at half of that
KEPT = 4096  # pictures in memory: about 1 kB for each of the data set's, 6 kB for a photograph


def picture_png(pixels: Tensor) -> bytes:
    """Return a picture [C, H, W], uint8 or in [0, 1], as a PNG file of H×W pixels."""
    if pixels.dtype != torch.uint8:
        pixels = (pixels.float().clamp(0, 1) * 255).round().to(torch.uint8)
    buffer = io.BytesIO()
    picture = Image.fromarray(pixels.movedim(0, -1).squeeze(-1).cpu().numpy())
    picture.save(buffer, format="PNG", compress_level=1)  # speed matters more than size here
    return buffer.getvalue()


def data_uri(file: bytes, kind: str = "png") -> str:
    """Return the file of a picture as a data URI."""
    return f"data:image/{kind};base64," + base64.b64encode(file).decode()


class Thumbnails:
    """The training pictures as data URIs: the photographs if the images come from a folder."""

    def __init__(self, images: Images):
        self._images = images
        self.uri = lru_cache(KEPT)(self._uri)

    def name(self, garment: int) -> str:
        """Return a garment's number, class, and file name where it has one."""
        label = self._images.class_names[self._images.train_labels[garment]]
        files = self._images.train_files
        return f"garment {garment}, {label}" + (f", {files[garment].name}" if files else "")

    def _uri(self, garment: int) -> str:
        files = self._images.train_files
        if files:
            try:
                photograph = open_picture(files[garment], side=LONGEST // 4)
            except ValueError:
                pass  # the file was removed meanwhile: show what the model saw instead
            else:
                photograph.thumbnail((LONGEST, LONGEST))
                buffer = io.BytesIO()
                photograph.save(buffer, format="WEBP", quality=80)
                return data_uri(buffer.getvalue(), "webp")
        return data_uri(picture_png(self._images.train_images[garment]))
