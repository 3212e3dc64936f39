"""Write models, posteriors and pictures as small files that a browser reads."""

import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from vae_course.figures.encoding import CLASS_COLORS
from vae_course.publish.playground.presets import presets
from vae_lib import Images, PosteriorIndex, Posteriors, encode_dataset, load_pretrained
from vae_lib.model import VAE
from vae_lib.rules import RULES
from vae_lib.weights import pretrained_facts

GARMENTS = 10_000  # the first ones of the training set
LATENT_DIMS = (10, 2)
SHEET_COLUMNS, SHEET_ROWS = 25, 20  # pictures on one sheet


@dataclass(frozen=True)
class Exported:
    """The model and the posteriors of a page, with numbers rounded to float16."""

    vae: VAE
    index: PosteriorIndex


def as_float16(vae: VAE) -> VAE:
    """Round the weights of a model to float16, in place, and return it."""
    with torch.no_grad():
        for parameter in vae.parameters():
            parameter.copy_(parameter.half().float())
    return vae


def exported(images: Images, latent_dim: int) -> Exported:
    """Return the model and the posteriors of a page, with the numbers that its files contain.

    The posteriors come from the model in float32, and are rounded once.
    """
    vae = load_pretrained(images.name, latent_dim)
    exact = encode_dataset(vae, images.train_images[:GARMENTS])
    rounded = Posteriors(exact.mean.half().float(), exact.std.half().float())
    return Exported(as_float16(vae), PosteriorIndex(rounded))


def write_data(folder: Path, images: Images) -> None:
    """Fill a folder with the data of the page, and `manifest.json`, which describes it.

    Numbers are float16, little-endian. A file contains the low bytes of all its numbers, then the
    high bytes, compressed by gzip. In this order the files are a seventh smaller.
    """
    folder.mkdir(parents=True, exist_ok=True)
    labels = images.train_labels[:GARMENTS].numpy().astype(np.uint8)
    (folder / "labels.bin").write_bytes(gzip.compress(labels.tobytes(), 9, mtime=0))
    manifest = {
        "name": images.name,
        "garments": len(labels),
        "class_names": images.class_names,
        "class_colors": CLASS_COLORS,
        "rules": rules(),
        "labels": "labels.bin",
        "sheets": write_sheets(folder, images.train_images[:GARMENTS, 0].numpy(), labels),
        "models": {str(d): write_model(folder, images, d) for d in LATENT_DIMS},
    }
    text = json.dumps(manifest, ensure_ascii=False, indent=1)
    (folder / "manifest.json").write_text(text, encoding="utf-8")


def rules() -> dict[str, dict[str, str]]:
    """Return the name and the colour of every rule, the same as in the course's figures."""
    return {name: {"name": rule.title, "color": rule.color} for name, rule in RULES.items()}


def write_model(folder: Path, images: Images, latent_dim: int) -> dict:
    """Write a model with its posteriors; return its entry of the manifest."""
    page = exported(images, latent_dim)
    posteriors = page.index.posteriors
    parts = {
        "decoder": page.vae.decoder.state_dict(),
        "encoder": page.vae.encoder.state_dict(),
        "posteriors": {"mean": posteriors.mean, "std": posteriors.std},
    }
    return {
        "latent_dim": latent_dim,
        "familiar_below": page.index.familiar_below,
        # the nats that the reconstruction loses if a dimension is shuffled among garments
        "strength": pretrained_facts(images.name, latent_dim)["permutation_loss"],
        "parts": {
            name: write_tensors(folder / f"{name}-{latent_dim}.bin", tensors)
            for name, tensors in parts.items()
        },
        "presets": presets(page.index, images.train_labels[:GARMENTS]),
    }


def write_tensors(path: Path, tensors: Mapping[str, torch.Tensor]) -> dict:
    """Write tensors as float16; return the file's name, and each tensor's shape and byte range."""
    entries, start = [], 0
    for name, tensor in tensors.items():
        end = start + 2 * tensor.numel()
        entries.append({"name": name, "shape": list(tensor.shape), "bytes": [start, end]})
        start = end
    numbers = np.concatenate([tensor.numpy().ravel() for tensor in tensors.values()])
    low_and_high = numbers.astype("<f2").view(np.uint8).reshape(-1, 2).T
    path.write_bytes(gzip.compress(low_and_high.tobytes(), 9, mtime=0))
    return {"file": path.name, "size": path.stat().st_size, "tensors": entries}


def write_sheets(folder: Path, pictures: np.ndarray, labels: np.ndarray) -> list[dict]:
    """Write all garments as sheets of pictures, losslessly; return the sheets, in order.

    The garments are sorted by class and turned on their side, which makes the files a tenth
    smaller. Within a class they keep the order of the data set, so that the page can compute the
    place of each garment from the labels.
    """
    order = np.argsort(labels, kind="stable")
    sheets = []
    for number, first in enumerate(range(0, len(order), SHEET_COLUMNS * SHEET_ROWS)):
        some = order[first : first + SHEET_COLUMNS * SHEET_ROWS]
        name = f"garments-{number:02}.webp"
        sheet = Image.fromarray(on_one_sheet(pictures[some].swapaxes(1, 2))).convert("RGB")
        sheet.save(folder / name, lossless=True, quality=90, method=6)
        size = (folder / name).stat().st_size
        shape = {"garments": len(some), "columns": SHEET_COLUMNS}
        sheets.append({"file": name, "size": size, **shape})
    return sheets


def on_one_sheet(pictures: np.ndarray) -> np.ndarray:
    """Lay out pictures [n, 28, 28], row by row, on black."""
    rows = -(-len(pictures) // SHEET_COLUMNS)
    cells = np.zeros((rows * SHEET_COLUMNS, *pictures.shape[1:]), np.uint8)
    cells[: len(pictures)] = pictures
    height, width = pictures.shape[1:]
    grid = cells.reshape(rows, SHEET_COLUMNS, height, width).swapaxes(1, 2)
    return grid.reshape(rows * height, SHEET_COLUMNS * width)
