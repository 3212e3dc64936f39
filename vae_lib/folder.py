"""A folder of pictures on disk: read as garments, with a class for each sub-folder; or written."""

import json
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from PIL import Image
from torch import Tensor

from vae_lib.garments import CLASS_NAMES, draw_garments
from vae_lib.pictures import Invert, as_garment, open_picture

READ = {".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp"}
# pictures, too, that somebody will miss: they are listed, not passed over in silence
NOT_READ = {".gif", ".bmp", ".tif", ".tiff", ".heic", ".heif", ".avif", ".jxl", ".svg"}
DROPPINGS = {"__macosx", "@eadir"}  # what macOS and network drives leave: thumbnails of our files
HELD_OUT = 6  # one picture in six of each class is kept for the test, as with the drawn garments
NAMED = 5  # unreadable files named in the line that is printed
MARK = ".vae_lib.json"  # lies in a folder that we wrote, and says what we wrote


@dataclass(frozen=True)
class Pictures:
    """What was read from a folder: N garments in the order of their files, and what could not be.

    `unreadable` gives for each such file, by its path inside the folder, the reason.
    """

    name: str
    class_names: list[str]
    images: UInt8[Tensor, "garment 1 28 28"]
    labels: Int64[Tensor, " garment"]
    files: list[Path]
    unreadable: dict[str, str]


def read_folder(path: str | os.PathLike, invert: Invert = "auto", trim: bool = False) -> Pictures:
    """Read every PNG, JPEG and WebP picture in a folder, at any depth.

    The class of a picture is the sub-folder (of the first level) that it lies in; one that lies in
    the folder itself is of the class of the folder's name. Hidden files and files that are not
    pictures are passed over; pictures of other kinds are listed among the unreadable ones.

    Raises a FileNotFoundError where there is no such folder, a ValueError for a folder that cannot
    be opened, holds no picture, or holds only unreadable ones, with the name of one of them.
    """
    if not isinstance(invert, str | bool) or invert not in ("auto", True, False):
        raise ValueError(f"invert: expected 'auto', True or False, got {invert!r}")
    if not isinstance(trim, bool):
        raise TypeError(f"trim: expected True or False, got {trim!r}")
    folder = Path(os.path.abspath(os.path.expanduser(path)))
    _check_folder(folder)
    name = folder.name or str(folder)
    unreadable: dict[str, str] = {}
    files, classes, garments = [], [], []
    for file in _find(folder, unreadable):
        inside = file.relative_to(folder)
        try:
            garments.append(_read(file, invert, trim))
        except ValueError as error:
            unreadable[inside.as_posix()] = str(error)
        else:
            files.append(file)
            classes.append(inside.parts[0] if len(inside.parts) > 1 else name)
    if not garments:
        raise ValueError(f"path: {folder} holds {_nothing(unreadable)}")
    class_names = sorted(set(classes))
    labels = torch.tensor([class_names.index(each) for each in classes])
    return Pictures(name, class_names, torch.stack(garments), labels, files, unreadable)


def _check_folder(folder: Path) -> None:
    if not folder.exists():
        raise FileNotFoundError(f"path: there is no folder {folder}")
    if not folder.is_dir():
        raise ValueError(f"path: {folder} is a file; expected a folder")
    try:
        os.listdir(folder)
    except OSError as error:
        raise ValueError(f"path: {folder} cannot be opened ({error.strerror})") from error


def _read(file: Path, invert: Invert, trim: bool) -> UInt8[Tensor, "1 28 28"]:
    if file.suffix.lower() in NOT_READ:
        raise ValueError("expected PNG, JPEG or WebP")
    return as_garment(open_picture(file), invert, trim)


def _nothing(unreadable: dict[str, str]) -> str:
    if not unreadable:
        return "no pictures; expected PNG, JPEG or WebP files"
    return f"no picture that can be read: {describe_unreadable(unreadable)}"


def describe_unreadable(unreadable: dict[str, str]) -> str:
    """Return a line that names the first few unreadable files, each with the reason."""
    # repr, since a file name may hold a line break, or bytes that are no text
    named = [f"{name!r} ({reason})" for name, reason in list(unreadable.items())[:NAMED]]
    more = len(unreadable) - len(named)
    return ", ".join(named) + (f" and {more:,} more" if more else "")


def _find(root: Path, unreadable: dict[str, str]) -> Iterator[Path]:
    """Yield the picture files below `root`, sorted; put folders that won't open in `unreadable`.

    Links to folders are followed, but no folder is entered twice, nor one that `root` lies in: a
    link in a circle ends there.
    """

    def note(error: OSError) -> None:
        inside = Path(error.filename).relative_to(root).as_posix()
        unreadable[inside] = error.strerror or "cannot be opened"

    home = Path(os.path.realpath(root))
    seen = {home, *home.parents}
    for folder, folders, names in os.walk(root, onerror=note, followlinks=True):
        inner = (Path(folder, name) for name in folders if not _is_hidden(name))
        enter = []
        for each in sorted(inner, key=lambda each: (each.is_symlink(), each.name)):
            real = Path(os.path.realpath(each))
            if real not in seen:
                seen.add(real)
                enter.append(each.name)
        folders[:] = enter
        for name in sorted(names):
            if not _is_hidden(name) and Path(name).suffix.lower() in READ | NOT_READ:
                yield Path(folder, name)


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name.lower() in DROPPINGS


def split(
    labels: Int64[Tensor, " garment"], seed: int
) -> tuple[Int64[Tensor, " train"], Int64[Tensor, " test"]]:
    """Return which garments are for training and which for the test, each in random order.

    Of every class with more than one garment a sixth, and at least one, goes to the test.

    Raises a ValueError for fewer than two garments, or a seed below 0.
    """
    if seed < 0:
        raise ValueError(f"seed: expected at least 0, got {seed}")
    if len(labels) < 2:
        raise ValueError(
            f"path: expected at least 2 pictures, to train and to test, got {len(labels)}"
        )
    order = np.random.default_rng([seed, len(labels)]).permutation(len(labels))
    shuffled = labels.numpy()[order]
    held_out = np.zeros(len(order), bool)
    for label in np.unique(shuffled):
        places = np.flatnonzero(shuffled == label)
        if len(places) > 1:
            held_out[places[: max(1, round(len(places) / HELD_OUT))]] = True
    if not held_out.any():  # one garment of each class
        held_out[0] = True
    return torch.from_numpy(order[~held_out]), torch.from_numpy(order[held_out])


def write_drawn_folder(path: str | os.PathLike, count: int = 300, seed: int = 0) -> Path:
    """Write drawn garments as PNG files, in a sub-folder for each class, and return the folder.

    count, seed: which garments, as in `draw_garments`.

    The folder appears whole or not at all. What is there already is never changed: a folder that an
    earlier call wrote for the same `count` and `seed` is kept as it is, with what its owner may
    have done to it since; for any other a FileExistsError is raised.
    """
    path = Path(os.path.abspath(os.path.expanduser(path)))
    mark = json.dumps({"drawn": count, "seed": seed})
    if path.is_file() or path.is_symlink() or (path.is_dir() and any(path.iterdir())):
        # asked second: a folder that another notebook writes appears at once, its mark in it
        if _is_marked(path, mark):
            return path
        raise FileExistsError(f"path: {path} exists, and we do not overwrite it; choose another")
    garments = draw_garments(count, seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as beside:
        new = Path(beside, "new")
        for number, (image, label) in enumerate(zip(garments.images, garments.labels, strict=True)):
            folder = new / CLASS_NAMES[int(label)].replace("/", "-")
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image[0].numpy()).save(folder / f"{number:05}.png")
        (new / MARK).write_text(mark, encoding="utf-8")
        try:
            os.rename(new, path)
        except OSError:
            if not _is_marked(path, mark):  # else another notebook wrote the same meanwhile
                raise
    return path


def _is_marked(path: Path, mark: str) -> bool:
    try:
        return (path / MARK).read_text(encoding="utf-8") == mark
    except (OSError, ValueError):
        return False
