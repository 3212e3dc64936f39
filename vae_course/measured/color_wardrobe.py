"""Train a VAE on 3,000 drawn pictures in colour, and measure what its answers have in common.

`python -m vae_course.measured.color_wardrobe` asks with each held-out picture for the ten best
garments, and writes the shares of the right kind and colour to color_wardrobe.json beside this
file. For comparison it does the same once more with Bernoulli pixels, as grey pictures have them.
It takes a few minutes on one core.
"""

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from vae_course.measured.results import COLOR_WARDROBE
from vae_course.publish.run_times import machine
from vae_lib._files import write_text_atomically
from vae_lib.data import Images, load_folder
from vae_lib.encoding import encode_dataset
from vae_lib.evaluation import average_share
from vae_lib.folder import write_drawn_folder
from vae_lib.model import VAE
from vae_lib.retrieval import PosteriorIndex
from vae_lib.training import fit

COUNT, SIZE, LATENT_DIM, SEED = 3000, 64, 10, 0
SETTINGS: dict[str, Any] = {"epochs": 40, "batch_size": 64}  # of `fit`; all others are its defaults
BEST = 10
RULES = ("likelihood", "euclidean")
Pixels = Literal["auto", "bernoulli", "gaussian"]


def colors_of(files: list[Path]) -> list[str]:
    """Return the colours that the names of drawn pictures contain, as in "00017-green.png"."""
    return [file.stem.partition("-")[2] for file in files]


def same_color(images: Images) -> Tensor:
    """Return which training pictures have the colour of each held-out picture, [test, train]."""
    train, test = (colors_of(files or []) for files in (images.train_files, images.test_files))
    return torch.tensor([[mine == other for other in train] for mine in test])


def measure(folder: Path, size: int = SIZE, pixels: Pixels = "auto", **settings: Any) -> dict:
    """Train on a folder of drawn pictures in colour, and ask with its held-out pictures.

    Args:
        folder: what `write_drawn_folder(color=True)` wrote.
        size: the side of the pictures, in pixels.
        pixels: the distribution of the pixels, as `VAE` takes it.
        settings: arguments of `fit`.

    Returns:
        The seconds of the training, and for each rule the share of the ten best garments that are
        of the right kind and of the right colour, each with its 95 % interval.
    """
    images = load_folder(folder, size=size, color=True)
    torch.manual_seed(SEED)
    vae = VAE(LATENT_DIM, images.image_shape, pixels=pixels)
    started, used = time.perf_counter(), time.process_time()
    history = fit(vae, images, seed=SEED, progress=False, **settings)
    elapsed, used = time.perf_counter() - started, time.process_time() - used
    index = PosteriorIndex(encode_dataset(vae, images.train_images))
    z = encode_dataset(vae, images.test_images).mean
    right = {
        "kind": images.test_labels[:, None] == images.train_labels,
        "colour": same_color(images),
    }
    shares: dict[str, dict[str, list[float]]] = {rule: {} for rule in RULES}
    for rule in RULES:
        best = index.search(z, BEST, rule).indices  # [test, 10]
        for name, table in right.items():
            share = average_share(table.gather(1, best).double().mean(dim=1))
            shares[rule][name] = [round(number, 4) for number in share if number is not None]
    return {
        "pictures": len(images.train_images),
        "held out": len(images.test_images),
        "size": size,
        "settings": settings,
        "training seconds": round(elapsed),
        "CPU seconds": round(used),
        "KL": round(history.validation.kl[-1], 1),
        "right": shares,
        "by chance": {
            name: round(table.double().mean().item(), 4) for name, table in right.items()
        },
    }


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        drawn = write_drawn_folder(Path(folder, "drawn"), COUNT, SEED, SIZE, color=True)
        found = {"machine": machine(), **measure(drawn, **SETTINGS)}
        found["right with Bernoulli pixels"] = measure(drawn, pixels="bernoulli", **SETTINGS)[
            "right"
        ]
    text = json.dumps(found, indent=1, ensure_ascii=False)
    write_text_atomically(COLOR_WARDROBE, text + "\n")
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
