"""Check images before training: too few, blank, or in both the training and the test images."""

from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, normalize

from vae_lib._checks import require
from vae_lib.data import Images
from vae_lib.folder import held_out_of

LEAST_TO_TRAIN, ENOUGH_TO_TEST = 12, 100  # pictures that `fit` and that a useful interval need
BLANK = 3.0  # of 255: a picture whose pixels have a smaller standard deviation is blank
THUMBNAIL = 14  # pixels
# The squared distance of two normalised thumbnails, 2 − 2 × their correlation. A photograph saved
# at JPEG qualities 95 and 20 stays below 0.001; different garments of Fashion-MNIST and different
# drawn ones, 2,000 against 20,000, are more than 0.001 apart.
SAME = 1.1e-3
ROWS_AT_ONCE = 1000


class Finding(NamedTuple):
    """The result of one check: whether all is well, a sentence, and the pictures or classes."""

    fine: bool
    text: str
    names: list[str]

    def __str__(self) -> str:
        first = ": " + ", ".join(self.names[:3]) if self.names else ""
        more = ", ..." if len(self.names) > 3 else ""
        return f"{'[ok]  ' if self.fine else '[look]'} {self.text}{first}{more}"


def inspect_images(images: Images) -> list[Finding]:
    """Look for problems that would spoil training on these images or testing with them.

    A held-out picture is a duplicate if its thumbnail correlates almost perfectly with that of a
    training picture, as when a photograph is saved again at another JPEG quality. If the images
    were loaded with `trim=True`, the noise of a very low quality can hide a duplicate.

    Returns:
        Findings on the number of pictures, blank pictures, duplicates, and classes with fewer than
        two pictures. Print a finding to read it.

    Raises:
        ValueError: there is no training picture.
    """
    require("images", images, Images, "Images")
    if len(images.train_images) == 0:
        raise ValueError("images: expected at least one picture to learn from, got none")
    parts = (images.train_images, images.test_images)
    train, test = parts
    names = _names(images.train_files, "train", train), _names(images.test_files, "test", test)
    counts = torch.cat([images.train_labels, images.test_labels]).bincount()
    missing = _missing(counts.tolist())
    add = f"; add {missing:,} more to the folder" if missing else ""
    learn = f"{len(train):,} pictures to learn from; it takes {LEAST_TO_TRAIN}{add}"
    held_out = f"{len(test):,} pictures held out; useful intervals take {ENOUGH_TO_TEST}"
    blank = [name for each, x in zip(names, parts, strict=True) for name in _blank(each, x)]
    twice = [f"{names[1][row]} = {names[0][other]}" for row, other in _same(train, test)]
    rare = [f"{name} ({n})" for name, n in zip(images.class_names, counts, strict=False) if n < 2]
    return [
        Finding(not missing, learn, []),
        Finding(len(test) >= ENOUGH_TO_TEST, held_out, []),
        Finding(not blank, f"{len(blank):,} pictures are blank", blank),
        Finding(not twice, f"{len(twice):,} held-out pictures are also learned from", twice),
        Finding(not rare, f"{len(rare):,} kinds have fewer than two pictures", rare),
    ]


def _names(files: list[Path] | None, part: str, images: Tensor) -> list[str]:
    if files is not None:
        return [repr(file.name) for file in files]
    return [f"{part} {row}" for row in range(len(images))]


def _missing(counts: list[int]) -> int:
    """Return how many pictures must be added to the largest class to have enough to train on."""
    counts = sorted(counts)
    missing = 0
    while sum(count - held_out_of(count) for count in counts) < LEAST_TO_TRAIN:
        counts[-1] += 1
        missing += 1
    return missing


def _blank(names: list[str], images: Tensor) -> list[str]:
    spread = [image.float().std() for image in images]
    return [name for name, each in zip(names, spread, strict=True) if each < BLANK]


def _same(train: Tensor, test: Tensor) -> list[tuple[int, int]]:
    """Return pairs of indices: a test picture, and the training picture that it duplicates."""
    known = _thumbnails(train)
    pairs = []
    for start in range(0, len(test), ROWS_AT_ONCE):
        block = _thumbnails(test[start : start + ROWS_AT_ONCE])
        correlation, nearest = (block @ known.T).max(dim=1)
        for row in (2 - 2 * correlation < SAME).nonzero()[:, 0].tolist():
            pairs.append((start + row, int(nearest[row])))
    return pairs


def _thumbnails(images: Tensor) -> Tensor:
    """Return a normalised vector for each picture: without its mean, and of length 1."""
    small = [adaptive_avg_pool2d(part.float(), THUMBNAIL) for part in images.split(ROWS_AT_ONCE)]
    flat = torch.cat(small).flatten(1)
    return normalize(flat - flat.mean(dim=1, keepdim=True), dim=1)
