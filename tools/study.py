"""`course.py study`: does what notebook 05 finds hold for other seeds and other objectives?"""

import argparse
import sys
from pathlib import Path

import torch

from tools.weights import EPOCHS
from vae_lib.data import Images, load_images
from vae_lib.model import VAE
from vae_lib.training import fit
from vae_lib.weights import load_vae, save_vae

BUILD = Path(__file__).parents[1] / "build" / "study"
SEEDS = range(5)
LATENT_DIM = 10
OBJECTIVES: dict[str, dict[str, float]] = {
    "free bits 0.5": {"free_bits": 0.5},
    "no free bits": {"free_bits": 0.0},
    "beta 4": {"free_bits": 0.0, "beta": 4.0},
}


def trained(images: Images, objective: str, seed: int) -> VAE:
    """Return the VAE of one run: loaded where it was trained before, else trained now."""
    path = BUILD / f"{images.name}-{objective.replace(' ', '-')}-seed-{seed}.safetensors"
    if path.exists():
        return load_vae(path)
    checkpoint = path.with_suffix(".checkpoint")
    print(path.stem)
    torch.manual_seed(seed)
    vae = VAE(LATENT_DIM)
    epochs = EPOCHS[images.name]
    history = fit(
        vae, images, epochs=epochs, seed=seed, checkpoint=checkpoint, **OBJECTIVES[objective]
    )
    if history.interrupted:
        raise KeyboardInterrupt
    save_vae(vae, path)
    checkpoint.unlink()
    return vae


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="course.py study", description=__doc__)
    parser.parse_args(arguments)
    for name in EPOCHS:
        images = load_images(name)
        for seed in SEEDS:
            for objective in OBJECTIVES:
                trained(images, objective, seed)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
