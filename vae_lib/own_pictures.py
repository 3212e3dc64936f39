"""Search with a new picture, and add or remove garments, without training again."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor

from vae_lib._checks import require, require_int, require_one_picture_each
from vae_lib.data import Images
from vae_lib.encoding import encode_dataset
from vae_lib.latent_model import LatentModel
from vae_lib.pictures import Source
from vae_lib.posteriors import Posteriors
from vae_lib.retrieval import Neighbors, PosteriorIndex


class PictureSearch(NamedTuple):
    """The answer to a picture.

    Attributes:
        x: the picture as the model sees it, [1, C, H, W].
        posterior: its posterior, with `mean` and `std` of shape [1, d].
        neighbors: for each rule, the k garments nearest to z = mean.
    """

    x: UInt8[Tensor, "1 channel height width"]
    posterior: Posteriors
    neighbors: dict[str, Neighbors]


def search_picture(
    vae: LatentModel,
    index: PosteriorIndex,
    images: Images,
    picture: Source | Image.Image,
    k: int = 10,
    rules: Iterable[str] = ("likelihood", "euclidean"),
) -> PictureSearch:
    """Encode a new picture, and find the garments nearest to its μ by each rule.

    `images.prepare` gives it the size, colour, polarity and trimming of the pictures in `images`.

    Args:
        picture: a path, the bytes of a file, an open binary file, or a Pillow image.
        k: how many garments to return.
        rules: names of rules, as `PosteriorIndex.search` takes them.

    Raises:
        ValueError: the picture cannot be read, or `search` refuses an argument.
    """
    _require_parts(index, images)
    x = images.prepare(picture)
    posterior = encode_dataset(vae, x)
    neighbors = {rule: index.search(posterior.mean[0], k, rule) for rule in rules}
    return PictureSearch(x, posterior, neighbors)


def add_garments(
    vae: LatentModel, index: PosteriorIndex, images: Images, pictures: Sequence[Source], kind: str
) -> tuple[PosteriorIndex, Images]:
    """Add pictures of one class, and return a new index and new images that end with them.

    Only the new pictures are encoded.

    Args:
        vae: the model that made the index.
        index: the index of `images.train_images`.
        images: the images to add to.
        pictures: paths, bytes of files, or open binary files; at least one.
        kind: the name of the class, which may be new.

    Raises:
        ValueError: there is no picture; other errors as `Images.prepare`.
    """
    _require_parts(index, images)
    require("pictures", pictures, (list, tuple), "a list of pictures")
    require("kind", kind, str, "a name")
    if len(pictures) == 0:
        raise ValueError("pictures: expected at least one picture, got none")
    x = torch.cat([images.prepare(picture) for picture in pictures])
    new, old = encode_dataset(vae, x), index.posteriors
    names = list(dict.fromkeys([*images.class_names, kind]))
    labels = torch.full((len(x),), names.index(kind), device="cpu")
    files, factors = images.train_files, images.train_factors
    larger = replace(
        images,
        class_names=names,
        train_images=torch.cat([images.train_images, x]),
        train_labels=torch.cat([images.train_labels, labels]),
        train_files=files and [*files, *(Path(str(picture)) for picture in pictures)],
        train_factors=None
        if factors is None
        else torch.cat([factors, factors.new_full((len(x), factors.shape[1]), torch.nan)]),
    )
    mean, std = torch.cat([old.mean, new.mean]), torch.cat([old.std, new.std])
    return PosteriorIndex(mean=mean, std=std), larger


def remove_garments(
    index: PosteriorIndex, images: Images, garments: Sequence[int] | Tensor
) -> tuple[PosteriorIndex, Images]:
    """Remove garments, and return a new index and new images of the others, in the same order.

    Args:
        index: the index of `images.train_images`.
        images: the images to remove from.
        garments: the indices of the garments to remove.

    Raises:
        ValueError: a garment is not in the index, or no garment would be left.
    """
    _require_parts(index, images)
    if isinstance(garments, (Tensor, np.ndarray)):
        garments = garments.tolist()
    require("garments", garments, (list, tuple), "a list of numbers")
    numbers = [require_int("garments", garment, 0, len(index) - 1) for garment in garments]
    if len(set(numbers)) == len(index):
        raise ValueError(f"garments: expected at least one garment to stay, got all {len(index)}")
    keep = torch.ones(len(index), dtype=torch.bool, device="cpu")
    keep[numbers] = False
    files, factors = images.train_files, images.train_factors
    smaller = replace(
        images,
        train_images=images.train_images[keep],
        train_labels=images.train_labels[keep],
        train_files=files and [files[row] for row in keep.nonzero()[:, 0].tolist()],
        train_factors=None if factors is None else factors[keep],
    )
    return PosteriorIndex(index.posteriors[keep]), smaller


def _require_parts(index: PosteriorIndex, images: Images) -> None:
    require("index", index, PosteriorIndex, "a PosteriorIndex")
    require("images", images, Images, "Images")
    require_one_picture_each(index, images)
