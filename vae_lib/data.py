"""Images in: Fashion-MNIST through torchvision, garments that we draw, or a folder of pictures."""

import os
from dataclasses import dataclass, field
from pathlib import Path

from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from vae_lib._checks import require_int
from vae_lib.folder import describe_unreadable, read_folder, split
from vae_lib.garments import CLASS_NAMES, FACTOR_NAMES, draw_garments
from vae_lib.pictures import Invert

SOURCES = ("auto", "fashion-mnist", "drawn")
DRAWN_TRAIN, DRAWN_TEST = 10_000, 2_000


@dataclass(frozen=True)
class Images:
    """A data set of garments, in memory: 28×28 grey pixels, with labels.

    `train_factors` and `test_factors` hold the ground truth behind drawn garments, one column for
    each of `factor_names`, in [0, 1] and NaN where a class does not have the factor; else None.
    `train_files` and `test_files` name the file of each garment from a folder of pictures, else
    None; `unreadable` gives, for each file that could not be read, the reason.
    """

    name: str
    class_names: list[str]
    train_images: UInt8[Tensor, "train 1 28 28"]
    train_labels: Int64[Tensor, " train"]
    test_images: UInt8[Tensor, "test 1 28 28"]
    test_labels: Int64[Tensor, " test"]
    train_factors: Float[Tensor, "train factor"] | None = None
    test_factors: Float[Tensor, "test factor"] | None = None
    factor_names: list[str] | None = None
    train_files: list[Path] | None = None
    test_files: list[Path] | None = None
    unreadable: dict[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        train, test = len(self.train_images), len(self.test_images)
        return f"Images({self.name!r}, {train:,} train, {test:,} test)"


class UnknownSource(FileNotFoundError, ValueError):
    """Neither the name of a data set nor a folder: which of them was meant, nobody can tell."""


def default_root() -> Path:
    """Return the data folder: VAE_LIB_DATA where it is set, else `data/` in the checkout."""
    configured = os.environ.get("VAE_LIB_DATA")
    return Path(os.path.expanduser(configured)) if configured else checkout_data()


def checkout_data() -> Path:
    """Return the folder that is ours to write: `data/` in the checkout (git ignores it)."""
    checkout = Path(__file__).parents[1]
    inside = (checkout / "pyproject.toml").exists()
    return checkout / "data" if inside else Path.home() / ".cache" / "vae_lib"


def load_images(
    source: str | os.PathLike = "auto", root: str | os.PathLike | None = None, seed: int = 0
) -> Images:
    """Load a data set of garments.

    source: "fashion-mnist" (60,000 train and 10,000 test), "drawn" (10,000 and 2,000), "auto":
      Fashion-MNIST where it is on disk or can be downloaded, else, with a line that says so, the
      drawn garments; or the path of a folder of pictures, see `load_folder` ("./drawn" for one that
      has the name of a source). The environment variable VAE_LIB_IMAGES says what "auto" stands
      for.
    root: the folder that holds `FashionMNIST/`; by default VAE_LIB_DATA, else `data/` in the
      checkout. A folder that cannot be written to is read and left alone.
    seed: which wardrobe is drawn, or how a folder is split; Fashion-MNIST does not depend on it.

    Raises an `UnknownSource` (a ValueError and a FileNotFoundError) for what is neither a source
    nor a folder, and a `FetchError` (an OSError) where Fashion-MNIST was asked for by name and is
    neither on disk nor downloadable.
    """
    if not isinstance(source, str | os.PathLike):
        raise TypeError(f"source: expected a string or a path, got {type(source).__name__}")
    if source == "auto":
        source = os.environ.get("VAE_LIB_IMAGES") or "auto"
    if source not in SOURCES:
        return load_folder(_existing(source), seed=seed)
    if source == "drawn":
        return _drawn(seed)
    root = Path(os.path.expanduser(root)) if root is not None else default_root()
    from vae_lib.fashion_mnist import FetchError  # torchvision takes seconds to import

    try:
        return _fashion_mnist(root)
    except FetchError as error:
        if source != "auto":
            raise
        print(f"Fashion-MNIST is not available ({error}); using drawn garments instead.")
        return _drawn(seed)


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
    path: str | os.PathLike, *, invert: Invert = "auto", trim: bool = False, seed: int = 0
) -> Images:
    """Load a folder of pictures: PNG, JPEG or WebP, of any size, with a class for each sub-folder.

    path: the folder. Pictures that lie in it directly are of one class, named after the folder.
    invert: swap light and dark? True, False, or "auto": for each picture whose border is light.
    trim: cut off the margin around each garment, so that it fills the frame?
    seed: how the pictures are split; of each class, a sixth goes to the test.

    A file that cannot be read is no error: a printed line names it, and `unreadable` of the result
    says why. Raises a FileNotFoundError where there is no such folder, a ValueError for one with
    fewer than two pictures that can be read.
    """
    require_int("seed", seed, least=0)
    pictures = read_folder(path, invert, trim)
    if pictures.unreadable:
        total = len(pictures.unreadable) + len(pictures.files)
        print(
            f"{len(pictures.unreadable):,} of {total:,} pictures could not be read: "
            f"{describe_unreadable(pictures.unreadable)}."
        )
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
    )


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


def _drawn(seed: int) -> Images:
    garments = draw_garments(DRAWN_TRAIN + DRAWN_TEST, seed)
    return Images(
        name="drawn",
        class_names=list(CLASS_NAMES),
        train_images=garments.images[:DRAWN_TRAIN],
        train_labels=garments.labels[:DRAWN_TRAIN],
        test_images=garments.images[DRAWN_TRAIN:],
        test_labels=garments.labels[DRAWN_TRAIN:],
        train_factors=garments.factors[:DRAWN_TRAIN],
        test_factors=garments.factors[DRAWN_TRAIN:],
        factor_names=list(FACTOR_NAMES),
    )
