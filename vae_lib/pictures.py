"""Turn a picture of any size and format into a garment, grey on black or in colour."""

import io
import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import ExifTags, Image, UnidentifiedImageError
from torch import Tensor

from vae_lib._checks import require
from vae_lib.garments import require_size

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP", "AVIF")
READ = "PNG, JPEG, WebP, GIF, TIFF, BMP or AVIF"
FOREIGN = {  # formats that we do not read: an offset, and the bytes that files have there
    "HEIC": (4, (b"ftypheic", b"ftypheix", b"ftyphevc", b"ftypmif1", b"ftypmsf1")),
    "PDF": (0, (b"%PDF",)),
    "SVG": (0, (b"<svg", b"<?xml")),
    "Photoshop": (0, (b"8BPS",)),
    "JPEG XL": (0, (b"\xff\x0a", b"\0\0\0\x0cJXL ")),
    "JPEG 2000": (0, (b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51")),
    "camera RAW": (0, (b"FUJIFILMCCD", b"IIRO", b"IIU\0", b"II*\0\x10\0\0\0CR")),
}
RAW_SUFFIXES = {".dng", ".nef", ".cr2", ".cr3", ".arw", ".orf", ".rw2", ".raf", ".pef", ".srw"}
MOST_PIXELS = 50_000_000  # a larger picture, unpacked, does not fit in a laptop's memory
SHARPER = 4  # a JPEG is decoded with at least this many times the garment's pixels on each side
CLEARLY_DARK, CLEARLY_LIGHT = 64, 191  # of 255: a background outside these bounds is unambiguous
FAINT = (4, 32)  # of 255: a garment differs from a noisy background by more than 4 to 32
TURNS = {  # the operation that turns a picture upright, by its EXIF orientation
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

Invert = Literal["auto", True, False]
Source = str | os.PathLike | bytes | BinaryIO


class NotAPicture(ValueError):
    """The file does not look like a picture at all."""


@dataclass(frozen=True)
class Preparation:
    """How a picture becomes a garment; it is the same for all pictures of a data set.

    Attributes:
        size: height and width of the garment, 28 to 128 pixels.
        color: whether to keep the colours and the background. If not, the garment is grey on black.
        invert: whether to swap light and dark, in grey only; "auto" swaps on a light background.
        trim: whether to cut off the margin first, so that the garment fills the frame.
        on_light: whether most backgrounds in the folder are light, which decides how a background
            of medium grey counts. None if there is no folder.
    """

    size: int = 28
    color: bool = False
    invert: Invert = "auto"
    trim: bool = False
    on_light: bool | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", require_size(self.size))
        require("color", self.color, bool, "True or False")
        require("trim", self.trim, bool, "True or False")
        if not isinstance(self.invert, str | bool) or self.invert not in ("auto", True, False):
            raise ValueError(f"invert: expected 'auto', True or False, got {self.invert!r}")
        if self.color and self.invert is True:
            raise ValueError("invert: expected 'auto' or False for pictures in colour, got True")


GREY_28 = Preparation()


def open_picture(source: Source, side: int = 28) -> Image.Image:
    """Read a picture in mode RGBA, and turn it upright.

    The format follows from the content of the file, not from its suffix. The first frame of an
    animation is read. A large JPEG is decoded at a smaller size, but at least four times `side`.

    Args:
        source: a path, the bytes of a file, or an open binary file.
        side: height and width that the garment will have, in pixels.

    Raises:
        NotAPicture: the file does not look like a picture; a subclass of ValueError.
        TypeError: the source has another type.
        ValueError: the picture cannot be read; the message is the reason in a few words.
    """
    if isinstance(source, bytes):
        source = io.BytesIO(source)
    if not (isinstance(source, str | os.PathLike) or hasattr(source, "read")):
        got = f"{type(source).__name__}; encode_dataset takes tensors of images"
        raise TypeError(f"picture: expected a path, bytes, a file or a Pillow image, got {got}")
    if isinstance(source, str | os.PathLike):
        source = os.path.expanduser(source)
        if not os.path.isfile(source):  # opening a pipe would wait for ever
            raise NotAPicture("a broken link" if os.path.islink(source) else "not a file")
        if os.path.getsize(source) == 0:
            raise NotAPicture("an empty file")
        if Path(source).suffix.lower() in RAW_SUFFIXES:  # many of them are TIFF files, too
            raise ValueError(_convert_first("camera RAW"))
    try:
        with warnings.catch_warnings():  # about metadata that we do not use
            warnings.simplefilter("ignore")
            with Image.open(source, formats=FORMATS) as image:
                image.draft(None, (SHARPER * side, SHARPER * side))
                if image.width * image.height > MOST_PIXELS:
                    raise ValueError(f"{image.width}×{image.height} pixels are too many")
                image.load()
                return _eight_bits(_upright(image))
    except UnidentifiedImageError:
        foreign = _foreign_format(source)
        if foreign:
            raise ValueError(_convert_first(foreign)) from None
        raise NotAPicture(f"not a picture in the format {READ}") from None
    except Image.DecompressionBombError:
        raise ValueError("too many pixels") from None
    except Exception as error:  # on a damaged file, a decoder may raise any exception
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise ValueError(" ".join(reason.split())) from error


def _convert_first(name: str) -> str:
    return f"a {name} file, which we do not read; export it as JPEG or PNG"


def _foreign_format(source: str | BinaryIO) -> str | None:
    """Return the name of the file's format if it is one of `FOREIGN`, else None."""
    if isinstance(source, str):
        with open(source, "rb") as file:
            head = file.read(32)
    else:
        source.seek(0)
        head = source.read(32)
    for name, (start, beginnings) in FOREIGN.items():
        if head[start:].startswith(beginnings):
            return name
    return None


def _upright(image: Image.Image) -> Image.Image:
    """Turn a picture upright (ImageOps.exif_transpose fails if it cannot rewrite the EXIF data)."""
    try:
        turn = TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # damaged EXIF data; the pixels can be read
        turn = None
    return image if turn is None else image.transpose(turn)


def _eight_bits(image: Image.Image) -> Image.Image:
    if not image.mode.startswith(("I", "F")):
        return image.convert("RGBA")
    deep = np.asarray(image, np.float64)  # grey of 16 or 32 bits, which Pillow would clip at 255
    white = 65535 if image.mode.startswith("I") else 1.0
    grey = Image.fromarray((255 / max(white, deep.max()) * deep.clip(0)).astype(np.uint8))
    transparent = image.info.get("transparency")  # the value of transparent pixels
    if transparent is not None:
        grey.putalpha(Image.fromarray(np.where(deep == transparent, 0, 255).astype(np.uint8)))
    return grey.convert("RGBA")


def as_garment(
    image: Image.Image, how: Preparation = GREY_28
) -> UInt8[Tensor, "channel size size"]:
    """Prepare a picture for the models: shrink it as a whole, and centre it in a square.

    Raises:
        ValueError: the picture is wholly transparent.
    """
    return to_square(*shrink(image, how), how)


def shrink(image: Image.Image, how: Preparation) -> tuple[Image.Image, float]:
    """Shrink a picture to a longer side of `how.size`, and measure its background's lightness.

    The picture is in mode RGBA, or LA for grey. The lightness runs from 0 to 255. If the border is
    transparent, the background counts as white for a dark garment, and as black for a light one.

    Raises:
        ValueError: the picture is wholly transparent.
    """
    image = image.convert("RGBA")
    planes = np.asarray(_resized(image.convert("LA"), 28), np.float32)
    grey, alpha = planes[..., :1], planes[..., 1:] / 255
    if not alpha.any():
        raise ValueError("wholly transparent")
    border = _border_color(grey, alpha)
    lightness = 255 - np.average(grey, weights=alpha) if border is None else border[0]
    if how.trim:
        image = _trimmed(image)
    return _resized(image if how.color else image.convert("LA"), how.size), float(lightness)


def to_square(
    small: Image.Image, lightness: float, how: Preparation
) -> UInt8[Tensor, "channel size size"]:
    """Make a square garment from the results of `shrink`; swap light and dark if necessary."""
    planes = np.asarray(small, np.float32)
    colors, alpha = planes[..., :-1], planes[..., -1:] / 255
    invert = is_on_light(lightness, how.on_light) if how.invert == "auto" else how.invert
    invert = invert and not how.color
    below = 255.0 if invert or how.color else 0.0  # what transparent pixels show
    pixels = below + alpha * (colors - below)
    if invert:
        pixels = 255 - pixels
    garment = np.zeros((how.size, how.size, pixels.shape[2]), np.float32)
    if how.color:
        garment[:] = _border_color(pixels, np.ones_like(alpha))
    height, width = pixels.shape[:2]
    top, left = (how.size - height) // 2, (how.size - width) // 2
    garment[top : top + height, left : left + width] = pixels
    return torch.from_numpy((garment + 0.5).astype(np.uint8).transpose(2, 0, 1).copy())


def is_on_light(lightness: float, on_light: bool | None) -> bool:
    """Return whether a background is light; `on_light`, if given, decides for medium grey."""
    if on_light is None or not CLEARLY_DARK <= lightness <= CLEARLY_LIGHT:
        return lightness > 127.5
    return on_light


def _border_color(planes: np.ndarray, alpha: np.ndarray) -> np.ndarray | None:
    """Return the median colour of the border, or None if most of it is transparent."""
    border = np.ones(planes.shape[:2], bool)
    border[1:-1, 1:-1] = False
    opaque = border & (alpha[..., 0] > 0.5)
    if opaque.sum() < border.sum() / 2:
        return None
    return np.median(planes[opaque], axis=0)  # median, because a garment may touch the border


def _trimmed(image: Image.Image) -> Image.Image:
    """Cut off the margin: the outer rows and columns that contain only background."""
    planes = np.asarray(_resized(image, min(448, max(image.size))), np.float32)
    colors, alpha = planes[..., :3], planes[..., 3:] / 255
    empty = _border_color(colors, alpha)
    if empty is None:
        differs = alpha[..., 0] > FAINT[1] / 255
    else:
        difference = alpha[..., 0] * np.abs(colors - empty).max(axis=2)
        edge = np.concatenate([difference[[0, -1]].ravel(), difference[:, [0, -1]].ravel()])
        differs = difference > np.clip(FAINT[0] + 3 * np.quantile(edge, 0.75), *FAINT)
    rows, columns = (np.flatnonzero(differs.sum(axis=axis) > 1) for axis in (1, 0))
    if not len(rows) or not len(columns):
        return image
    across, down = image.width / planes.shape[1], image.height / planes.shape[0]
    left, right = columns[0] * across, (columns[-1] + 1) * across
    top, bottom = rows[0] * down, (rows[-1] + 1) * down
    return image.crop((round(left), round(top), round(right), round(bottom)))


def _resized(image: Image.Image, side: int) -> Image.Image:
    """Resize a picture to a longer side of `side` pixels."""
    scale = side / max(image.size)
    width, height = (max(1, round(scale * edge)) for edge in image.size)
    # Pillow weights colours by opacity here, so transparent pixels have no influence
    return image.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=3)
