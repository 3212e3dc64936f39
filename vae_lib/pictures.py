"""One picture of any kind in, one garment out: 28×28 grey pixels, light on black."""

import os
import warnings
from typing import Literal

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import ExifTags, Image, UnidentifiedImageError
from torch import Tensor

FORMATS = ("PNG", "JPEG", "WEBP")
MOST_PIXELS = 50_000_000  # more than that, unpacked, is not for a laptop's memory
SIDE = 28
FAINT = 32  # of 255: what differs less from the background is shadow or noise, and no garment
TURNS = {  # what makes a picture upright, by its EXIF orientation
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

Invert = Literal["auto", True, False]
Plane = np.ndarray  # float32 [height, width]


def open_picture(path: str | os.PathLike) -> Image.Image:
    """Read a picture from a file, in mode RGBA, the way up that it was taken.

    What the file holds counts, not what its name ends in; of an animation, the first frame. A JPEG
    larger than we need comes smaller, at least 112 pixels high and wide.

    Raises a ValueError with the reason, in a few words, where it cannot be read.
    """
    if not os.path.isfile(path):  # opening a pipe would wait for ever
        raise ValueError("a broken link" if os.path.islink(path) else "not a file")
    if os.path.getsize(path) == 0:
        raise ValueError("an empty file")
    try:
        with warnings.catch_warnings():  # about odd metadata, which do not matter here
            warnings.simplefilter("ignore")
            with Image.open(path, formats=FORMATS) as image:
                image.draft(None, (4 * SIDE, 4 * SIDE))  # of a phone's picture a 64th is enough
                if image.width * image.height > MOST_PIXELS:
                    raise ValueError(f"{image.width}×{image.height} pixels are too many")
                image.load()
                return _eight_bits(_upright(image))
    except UnidentifiedImageError:
        raise ValueError("not a PNG, JPEG or WebP picture") from None
    except Image.DecompressionBombError:
        raise ValueError("too many pixels") from None
    except Exception as error:  # decoders raise whatever a damaged file leads them to
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise ValueError(" ".join(reason.split())) from error


def _upright(image: Image.Image) -> Image.Image:
    """Undo how the camera was held (ImageOps would fail on notes that it can't write again)."""
    try:
        turn = TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # the note is damaged, the pixels are sound
        turn = None
    return image if turn is None else image.transpose(turn)


def _eight_bits(image: Image.Image) -> Image.Image:
    if not image.mode.startswith("I"):
        return image.convert("RGBA")
    deep = np.asarray(image)  # grey of 16 bits, which Pillow would clip at 255
    grey = Image.fromarray((deep >> 8).astype(np.uint8))
    see_through = image.info.get("transparency")  # the one grey that stands for "nothing here"
    if see_through is not None:
        grey.putalpha(Image.fromarray(np.where(deep == see_through, 0, 255).astype(np.uint8)))
    return grey.convert("RGBA")


def as_garment(
    image: Image.Image, invert: Invert = "auto", trim: bool = False
) -> UInt8[Tensor, "1 28 28"]:
    """Return a picture as the models take it: shrunk as a whole, in the middle of black.

    invert: swap light and dark? "auto" looks at the picture: where its border is light, it does.
      A picture with a transparent border has no background; there, a garment that is more dark
      than light is swapped, as if it lay on white, and a light one is laid on black.
    trim: cut off the empty margin first, so that the garment fills the frame?

    Raises a ValueError for a picture that is wholly transparent.
    """
    image = image.convert("RGBA").convert("LA")
    grey, alpha = _shrink(image)
    if not alpha.any():
        raise ValueError("wholly transparent")
    if invert == "auto":
        invert = _is_on_light(grey, alpha)
    if trim:
        grey, alpha = _shrink(_trimmed(image))
    background = 255 if invert else 0
    pixels = background + alpha * (grey - background)
    if invert:
        pixels = 255 - pixels
    garment = np.zeros((1, SIDE, SIDE), np.uint8)
    height, width = pixels.shape
    top, left = (SIDE - height) // 2, (SIDE - width) // 2
    garment[0, top : top + height, left : left + width] = pixels + 0.5
    return torch.from_numpy(garment)


def _is_on_light(grey: Plane, alpha: Plane) -> bool:
    background = _background(grey, alpha)
    if background is None:
        return bool(np.average(grey, weights=alpha) < 127.5)
    return background > 127.5


def _background(grey: Plane, alpha: Plane) -> float | None:
    """Return the grey of the border, or None where it is transparent."""
    border = np.ones(grey.shape, bool)
    border[1:-1, 1:-1] = False
    opaque = border & (alpha > 0.5)
    if opaque.sum() < border.sum() / 2:
        return None
    return float(np.median(grey[opaque]))  # a garment may touch the border here and there


def _trimmed(image: Image.Image) -> Image.Image:
    """Return a picture without its empty margin: the rows and columns that are background only."""
    grey, alpha = _shrink(image, min(16 * SIDE, max(image.size)))
    background = _background(grey, alpha)
    if background is not None:
        alpha = alpha * np.abs(grey - background) / 255
    rows, columns = (np.flatnonzero((alpha > FAINT / 255).any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        return image
    across, down = image.width / alpha.shape[1], image.height / alpha.shape[0]
    left, right = columns[0] * across, (columns[-1] + 1) * across
    top, bottom = rows[0] * down, (rows[-1] + 1) * down
    return image.crop((round(left), round(top), round(right), round(bottom)))


def _shrink(image: Image.Image, side: int = SIDE) -> tuple[Plane, Plane]:
    """Return grey in [0, 255] and opacity in [0, 1], the longer side of `side` pixels."""
    scale = side / max(image.size)
    width, height = (max(1, round(scale * edge)) for edge in image.size)
    # Pillow weighs the grey by the opacity here, so what is transparent lends no colour
    small = image.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=3)
    planes = np.asarray(small, np.float32)
    return planes[..., 0], planes[..., 1] / 255
