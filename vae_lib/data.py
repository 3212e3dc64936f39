"""Load images: Fashion-MNIST, drawn garments, or a folder of pictures."""

import os
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from jaxtyping import Float, Int64, UInt8
from PIL import Image
from torch import Tensor

from vae_lib._checks import require, require_int
from vae_lib.folder import describe_files, read_folder, split
from vae_lib.garments import CLASS_NAMES, draw_garments
from vae_lib.pictures import GREY_28, Invert, Preparation, Source, as_garment, open_picture

SOURCES = ("auto", "fashion-mnist", "drawn")
DRAWN_TRAIN, DRAWN_TEST = 10_000, 2_000


@dataclass(frozen=True, eq=False)
class Images:
    """A data set of garments, in memory: pictures of C channels, H×W pixels, with labels.

    Attributes:
        train_factors, test_factors: the factors that drawn garments were made from, else None. Each
            of `factor_names` has a column, in [0, 1], or NaN for a class without the factor.
        train_files, test_files: the file of each garment from a folder of pictures, else None.
        unreadable: for each file that could not be read, the reason.
        passed_over: the files in the folder that are not pictures.
        how: how `prepare` turns a picture into a garment of this data set.
    """

    name: str
    class_names: list[str]
    train_images: UInt8[Tensor, "train channel height width"]
    train_labels: Int64[Tensor, " train"]
    test_images: UInt8[Tensor, "test channel height width"]
    test_labels: Int64[Tensor, " test"]
    train_factors: Float[Tensor, "train factor"] | None = None
    test_factors: Float[Tensor, "test factor"] | None = None
    factor_names: list[str] | None = None
    train_files: list[Path] | None = None
    test_files: list[Path] | None = None
    unreadable: dict[str, str] = field(default_factory=dict)
    passed_over: list[str] = field(default_factory=list)
    how: Preparation = GREY_28

    def __repr__(self) -> str:
        train, test = len(self.train_images), len(self.test_images)
        channels, height, width = self.image_shape
        kind = "colour" if channels == 3 else "grey"
        shape = "" if self.image_shape == (1, 28, 28) else f", {height}×{width} {kind}"
        return f"Images({self.name!r}, {train:,} train, {test:,} test{shape})"

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of every picture, which is what `VAE(image_shape=...)` takes."""
        channels, height, width = self.train_images.shape[1:]
        return channels, height, width

    def prepare(self, picture: Source | Image.Image) -> UInt8[Tensor, "1 channel height width"]:
        """Turn a new picture into a garment, in the same way as the pictures of this data set.

        Args:
            picture: a path, the bytes of a file, an open binary file, or a Pillow image.

        Returns:
            The garment [1, C, H, W].

        Raises:
            ValueError: the picture cannot be read; the message gives the reason.
        """
        if not isinstance(picture, Image.Image):
            picture = open_picture(picture, self.how.size)
        return as_garment(picture, self.how)[None]


class UnknownSource(FileNotFoundError, ValueError):
    """The source is neither the name of a data set nor an existing folder."""


def default_root() -> Path:
    """Return the data folder: the one that VAE_LIB_DATA names, or `data/` in the checkout.

    A relative VAE_LIB_DATA is relative to the checkout, because a shell, JupyterLab and a kernel
    all have different working directories.
    """
    configured = os.environ.get("VAE_LIB_DATA")
    if not configured:
        return checkout_data()
    return Path(_checkout() or Path.cwd(), os.path.expanduser(configured))


def checkout_data() -> Path:
    """Return the folder that the library may write to: `data/` in the checkout, or a cache."""
    if checkout := _checkout():
        return checkout / "data"
    try:
        home = Path.home()
    except RuntimeError:  # the user has no home, as in some containers
        home = Path(tempfile.gettempdir())
    return home / ".cache" / "vae_lib"


def _checkout() -> Path | None:
    checkout = Path(__file__).parents[1]
    return checkout if (checkout / "pyproject.toml").exists() else None


def load_images(
    source: str | os.PathLike = "auto",
    root: str | os.PathLike | None = None,
    seed: int = 0,
    size: int = 28,
    color: bool = False,
) -> Images:
    """Load a data set of garments.

    Args:
        source: one of these:

            - "fashion-mnist": 60,000 garments to train on and 10,000 to test with, 28×28 grey.
            - "drawn": 10,000 and 2,000 drawn garments.
            - "auto": Fashion-MNIST if it is on disk or can be downloaded; otherwise drawn garments,
              and a printed line that says so. The environment variable VAE_LIB_IMAGES replaces
              "auto" by another source.
            - The path of a folder of pictures, see `load_folder`. Write "./drawn" for a folder that
              has the name of a source.
        root: The folder that contains `FashionMNIST/`; by default `default_root()`. A read-only
            folder is only read.
        seed: The seed of the drawn garments, or of the split of a folder.
        size: Height and width of the garments, 28 to 128 pixels.
        color: Load the garments in colour? Fashion-MNIST is grey and 28×28, so "auto" with another
            `size` or with `color` means the drawn garments.

    Raises:
        UnknownSource: the source is neither a name from this list nor an existing folder; this is a
            ValueError and a FileNotFoundError.
        FetchError: "fashion-mnist" is neither on disk nor downloadable; this is an OSError.
        ValueError: a number is out of range, or "fashion-mnist" is requested in another size or in
            colour.
    """
    require("source", source, (str, os.PathLike), "a string or a path")
    how = Preparation(size, color)
    seed = require_int("seed", seed, least=0)
    if source == "auto":
        source = os.environ.get("VAE_LIB_IMAGES") or "auto"
    if source not in SOURCES:
        return load_folder(_existing(source), seed=seed, size=size, color=color)
    if source == "fashion-mnist" and how != GREY_28:
        got = f"{how.size} and {how.color}; only source='drawn' has others"
        raise ValueError(f"size, color: expected 28 and False for Fashion-MNIST, got {got}")
    if source == "drawn" or how != GREY_28:
        return _drawn(seed, how)
    root = Path(os.path.expanduser(root)) if root is not None else default_root()
    from vae_lib.fashion_mnist import FetchError  # torchvision takes seconds to import

    try:
        return _fashion_mnist(root)
    except FetchError as error:
        if source != "auto":
            raise
        print(f"Fashion-MNIST is not available ({error}); using drawn garments instead.")
        return _drawn(seed, how)


def _existing(source: str | os.PathLike) -> str:
    path = os.path.expanduser(source)
    if os.path.exists(path):
        return path
    known = ", ".join(repr(name) for name in SOURCES)
    raise UnknownSource(
        f"source: expected one of {known} or the path of a folder of pictures, "
        f"got {os.fspath(source)!r}, and there is no folder {os.path.abspath(path)}"
    )


def load_folder(
    path: str | os.PathLike,
    *,
    size: int = 28,
    color: bool = False,
    labels: str | os.PathLike | None = None,
    invert: Invert = "auto",
    trim: bool = False,
    seed: int = 0,
) -> Images:
    """Load a folder of pictures of any size, with a class for each sub-folder.

    PNG, JPEG, WebP, GIF, TIFF, BMP and AVIF are recognised by the content of a file, not by its
    suffix. A picture that cannot be read is no error: a printed line names it, and `unreadable` of
    the result gives the reason. A second printed line counts the files that are not pictures.

    Args:
        path: the folder. Pictures in no sub-folder form a class with the name of the folder.
        size: height and width of the garments, 28 to 128 pixels.
        color: whether to keep the colours and the background; if not, garments are grey on black.
        labels: a CSV file with a file name and a class in each row, in place of sub-folders.
        invert: whether to swap light and dark in grey garments; "auto" swaps them if
            the background is light. Medium grey counts as light if most backgrounds are light.
        trim: whether to cut off the margin, so that each garment fills the frame.
        seed: the seed of the split, which holds out a sixth of each class for testing.

    Raises:
        FileNotFoundError: there is no such folder, or no such file of labels.
        ValueError: the folder has fewer than two pictures that can be read.
    """
    seed = require_int("seed", seed, least=0)
    pictures = read_folder(path, Preparation(size, color, invert, trim), labels)
    if pictures.unreadable:
        total = len(pictures.unreadable) + len(pictures.files)
        named = [f"{name!r} ({reason})" for name, reason in pictures.unreadable.items()]
        count = f"{len(pictures.unreadable):,} of {total:,} pictures could not be read"
        _print(f"{count}: {describe_files(named)}.")
    if pictures.passed_over:
        named = [repr(name) for name in pictures.passed_over]
        _print(f"{len(named):,} other files are not pictures: {describe_files(named)}.")
    train, test = split(pictures.labels, seed)
    return Images(
        name=pictures.name,
        class_names=pictures.class_names,
        train_images=pictures.images[train],
        train_labels=pictures.labels[train],
        test_images=pictures.images[test],
        test_labels=pictures.labels[test],
        train_files=[pictures.files[row] for row in train.tolist()],
        test_files=[pictures.files[row] for row in test.tolist()],
        unreadable=pictures.unreadable,
        passed_over=pictures.passed_over,
        how=pictures.how,
    )


def _print(line: str) -> None:
    """Print a line with names of files, escaping what the terminal cannot show."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    print(line.encode(encoding, "backslashreplace").decode(encoding))


def _fashion_mnist(root: Path) -> Images:
    from vae_lib.fashion_mnist import fetch_fashion_mnist

    train, test = fetch_fashion_mnist(root, checkout_data())
    return Images(
        name="fashion-mnist",
        class_names=list(train.classes),
        train_images=train.data.unsqueeze(1),
        train_labels=train.targets.long(),
        test_images=test.data.unsqueeze(1),
        test_labels=test.targets.long(),
    )


def _drawn(seed: int, how: Preparation) -> Images:
    garments = draw_garments(DRAWN_TRAIN + DRAWN_TEST, seed, how.size, how.color)
    return Images(
        name="drawn",
        class_names=list(CLASS_NAMES),
        train_images=garments.images[:DRAWN_TRAIN],
        train_labels=garments.labels[:DRAWN_TRAIN],
        test_images=garments.images[DRAWN_TRAIN:],
        test_labels=garments.labels[DRAWN_TRAIN:],
        train_factors=garments.factors[:DRAWN_TRAIN],
        test_factors=garments.factors[DRAWN_TRAIN:],
        factor_names=garments.factor_names,
        how=how,
    )
