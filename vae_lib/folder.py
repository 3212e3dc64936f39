"""Read a folder of pictures as garments, with a class for each sub-folder; write drawn garments."""

import csv
import io
import json
import os
import tempfile
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from PIL import Image
from torch import Tensor

from vae_lib._checks import require_int
from vae_lib.garments import CLASS_NAMES, COLORS, color_index, draw_garments, require_size
from vae_lib.pictures import (
    GREY_28,
    RAW_SUFFIXES,
    READ,
    NotAPicture,
    Preparation,
    open_picture,
    shrink,
    to_square,
)

# files with these suffixes should be pictures: if one cannot be read, the reason is listed
SUFFIXES = {".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".gif", ".bmp", ".tif", ".tiff"}
SUFFIXES |= {".avif", ".heic", ".heif", ".jxl", ".jp2", ".svg", ".psd", ".pdf"} | RAW_SUFFIXES
SYSTEM_FOLDERS = {"__macosx", "@eadir"}  # thumbnails that macOS and network drives add
HELD_OUT = 6  # one picture in six of each class is held out, as with the drawn garments
NAMED = 5  # the largest number of files named in one printed line
MARK = ".vae_lib.json"  # the file in a folder of drawn garments with the arguments that made it


@dataclass(frozen=True, eq=False)
class Pictures:
    """The N garments read from a folder, in the order of their files.

    Attributes:
        unreadable: the reason for each picture that could not be read, by its path in the folder.
        passed_over: the paths of the files that are not pictures.
        how: how to prepare a further picture in the same way.
    """

    name: str
    class_names: list[str]
    images: UInt8[Tensor, "garment channel size size"]
    labels: Int64[Tensor, " garment"]
    files: list[Path]
    unreadable: dict[str, str]
    passed_over: list[str]
    how: Preparation


def read_folder(
    path: str | os.PathLike,
    how: Preparation = GREY_28,
    labels: str | os.PathLike | None = None,
) -> Pictures:
    """Read every picture in a folder, at any depth.

    The class of a picture is the name of the sub-folder at the first level that contains it, or the
    name of the folder itself if the picture is in no sub-folder. Hidden files are ignored.

    Args:
        path: the folder.
        how: how a picture becomes a garment.
        labels: a CSV file that gives the classes instead, with a file name and a class in each row.

    Raises:
        FileNotFoundError: there is no such folder, or no such CSV file.
        ValueError: the folder cannot be opened, holds no picture that can be read, or no picture
            that the CSV file names.
    """
    folder = Path(os.path.abspath(os.path.expanduser(path)))
    _check_folder(folder)
    name = folder.name or str(folder)
    listed = None if labels is None else read_labels(labels)
    unreadable: dict[str, str] = {}
    passed_over: list[str] = []
    files, classes, pictures = [], [], []
    for file in _find(folder, unreadable):
        inside = file.relative_to(folder)
        kind: str | None = inside.parts[0] if len(inside.parts) > 1 else name
        if listed is not None:
            kind = listed.get(_key(inside.as_posix()), listed.get(_key(inside.name)))
        try:
            picture = shrink(open_picture(file, how.size), how)
            if kind is None:
                raise ValueError(f"no row in {os.path.basename(labels or '')}")
        except NotAPicture as error:
            if file.suffix.lower() in SUFFIXES:
                unreadable[inside.as_posix()] = str(error)
            else:
                passed_over.append(inside.as_posix())
        except ValueError as error:
            unreadable[inside.as_posix()] = str(error)
        else:
            files.append(file)
            classes.append(kind)
            pictures.append(picture)
    if not pictures:
        raise ValueError(f"path: {folder} holds {_why_no_pictures(unreadable)}")
    how = replace(how, on_light=bool(np.median([lightness for _, lightness in pictures]) > 127.5))
    garments = [to_square(*picture, how) for picture in pictures]
    class_names = sorted(set(classes))
    return Pictures(
        name,
        class_names,
        torch.stack(garments),
        torch.tensor([class_names.index(each) for each in classes], device="cpu"),
        files,
        unreadable,
        passed_over,
        how,
    )


def read_labels(path: str | os.PathLike) -> dict[str, str]:
    """Read a CSV file with a file name and a class in each row; return the class of each file.

    The columns may be separated by commas, semicolons or tabs. A header row does no harm, because
    it names no file.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: a row has only one column.
    """
    content = Path(os.path.expanduser(path)).read_bytes()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:  # the encoding in which spreadsheets save CSV on Windows
        text = content.decode("cp1252", "replace")
    separator = max(",;\t", key=text.partition("\n")[0].count)
    classes = {}
    for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator):
        if row and len(row) < 2:
            raise ValueError(f"labels: expected a file name and a class in each row, got {row!r}")
        if row:
            classes[_key(row[0])] = row[1].strip()
    return classes


def _key(name: str) -> str:
    """Return a file's name in one form, since systems differ in separators and accents."""
    return unicodedata.normalize("NFC", name.strip().replace("\\", "/").removeprefix("./"))


def _check_folder(folder: Path) -> None:
    if not folder.exists():
        raise FileNotFoundError(f"path: there is no folder {folder}")
    if not folder.is_dir():
        raise ValueError(f"path: {folder} is a file; expected a folder")
    try:
        os.listdir(folder)
    except OSError as error:
        raise ValueError(f"path: {folder} cannot be opened ({error.strerror})") from error


def _why_no_pictures(unreadable: dict[str, str]) -> str:
    if not unreadable:
        return f"no pictures; expected {READ} files"
    named = [f"{name!r} ({reason})" for name, reason in unreadable.items()]
    return f"no picture that can be read: {describe_files(named)}"


def describe_files(named: list[str]) -> str:
    """Return the first few of many files as text.

    `named` holds the `repr` of each name, because a name may contain line breaks or undecodable
    bytes.
    """
    more = len(named) - NAMED
    return ", ".join(named[:NAMED]) + (f" and {more:,} more" if more > 0 else "")


def _find(root: Path, unreadable: dict[str, str]) -> Iterator[Path]:
    """Yield the files below `root`, sorted; add folders that cannot be opened to `unreadable`.

    Links to folders are followed, but no folder is entered twice, and no folder that contains
    `root` is entered, so that circular links do no harm.
    """

    def note(error: OSError) -> None:
        inside = Path(error.filename).relative_to(root).as_posix()
        unreadable[inside] = error.strerror or "cannot be opened"

    home = Path(os.path.realpath(root))
    seen = {home, *home.parents}
    for folder, folders, names in os.walk(root, onerror=note, followlinks=True):
        inner = [Path(folder, name) for name in folders if not _is_hidden(name)]
        folders.clear()  # os.walk enters the folders that are put back
        for each in sorted(inner, key=lambda each: (each.is_symlink(), each.name)):
            real = Path(os.path.realpath(each))
            if real not in seen:
                seen.add(real)
                folders.append(each.name)
        yield from (Path(folder, name) for name in sorted(names) if not _is_hidden(name))


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name.lower() in SYSTEM_FOLDERS


def held_out_of(count: int) -> int:
    """Return how many of `count` pictures of one class are held out."""
    return max(1, round(count / HELD_OUT)) if count > 1 else 0


def split(
    labels: Int64[Tensor, " garment"], seed: int
) -> tuple[Int64[Tensor, " train"], Int64[Tensor, " test"]]:
    """Return the indices of the garments to train on and to test with, each in random order.

    A sixth of every class, but at least one garment, is held out for testing. A class of a single
    garment stays in training.

    Raises:
        ValueError: there are fewer than two garments.
    """
    if len(labels) < 2:
        raise ValueError(
            f"path: expected at least 2 pictures, to train and to test, got {len(labels)}"
        )
    order = np.random.default_rng([seed, len(labels)]).permutation(len(labels))
    shuffled = labels.numpy()[order]
    held_out = np.zeros(len(order), bool)
    for label in np.unique(shuffled):
        places = np.flatnonzero(shuffled == label)
        held_out[places[: held_out_of(len(places))]] = True
    if not held_out.any():  # one garment of each class
        held_out[0] = True
    return torch.from_numpy(order[~held_out]), torch.from_numpy(order[held_out])


def write_drawn_folder(
    path: str | os.PathLike, count: int = 300, seed: int = 0, size: int = 28, color: bool = False
) -> Path:
    """Write drawn garments as PNG files, in a sub-folder for each class, and return the folder.

    The file name of a picture in colour contains the colour, as in "00017-green.png". If the call
    is interrupted, there is no folder at `path`. An existing folder is never changed. If an earlier
    call wrote it with the same arguments, its path is returned, whatever was changed in it since.

    Args:
        path: where to write.
        count, seed, size, color: which garments to draw, as in `draw_garments`.

    Raises:
        FileExistsError: there is already something else at `path`.
    """
    path = Path(os.path.abspath(os.path.expanduser(path)))
    count, seed = require_int("count", count, least=1), require_int("seed", seed, least=0)
    size = require_size(size)
    wanted = {"drawn": count, "seed": seed}
    mark = json.dumps(wanted | ({"size": size, "color": color} if color or size != 28 else {}))
    if path.is_file() or path.is_symlink() or (path.is_dir() and any(path.iterdir())):
        # the mark is read after this test, since another notebook may write the folder meanwhile
        if _is_marked(path, mark):
            return path
        raise FileExistsError(f"path: {path} exists, and we do not overwrite it; choose another")
    garments = draw_garments(count, seed, size, color)
    names = [f"{number:05}" for number in range(count)]
    if color:
        colors = color_index(garments.factors[:, -1]).tolist()
        names = [f"{name}-{list(COLORS)[place]}" for name, place in zip(names, colors, strict=True)]
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as temporary:
        new = Path(temporary, "new")
        for name, image, label in zip(names, garments.images, garments.labels, strict=True):
            folder = new / CLASS_NAMES[int(label)].replace("/", "-")
            folder.mkdir(parents=True, exist_ok=True)
            pixels = image.permute(1, 2, 0).numpy() if color else image[0].numpy()
            Image.fromarray(pixels).save(folder / f"{name}.png")
        (new / MARK).write_text(mark, encoding="utf-8")
        try:
            os.rename(new, path)
        except OSError:
            if not _is_marked(path, mark):  # otherwise another notebook has written the same folder
                raise
    return path


def _is_marked(path: Path, mark: str) -> bool:
    try:
        return (path / MARK).read_text(encoding="utf-8") == mark
    except (OSError, ValueError):
        return False
