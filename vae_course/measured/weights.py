"""`course.py weights`: retrain the pretrained weights and record their settings and losses.

The command writes weights and facts to vae_lib/pretrained. If it is interrupted, run it again to
resume.
"""

import argparse
import hashlib
import json
import platform
import sys
from importlib.metadata import version
from pathlib import Path

import torch

from vae_course import ROOT
from vae_lib._files import write_text_atomically
from vae_lib.data import Images, load_images
from vae_lib.model import VAE
from vae_lib.training import fit, mean_terms, permutation_loss, split_validation
from vae_lib.weights import pretrained_path, save_vae, sha256

BUILD = ROOT / "build" / "weights"
EPOCHS = {"fashion-mnist": 20, "drawn": 120}  # there are six times fewer drawn garments
SEED = 1
FREE_BITS = 0.5


def trained(
    images: Images,
    latent_dim: int,
    checkpoint: Path,
    seed: int,
    free_bits: float,
    beta: float = 1.0,
) -> VAE:
    """Train a VAE for the data set's number of epochs.

    Args:
        images: the data set.
        latent_dim: d, the number of latent dimensions.
        checkpoint: the file from which an interrupted training resumes.
        seed: the seed of the first weights and of the training.
        free_bits: the free bits in nats per latent dimension.
        beta: the weight of the KL term.

    Raises:
        KeyboardInterrupt: if the user pressed Ctrl-C.
    """
    torch.manual_seed(seed)
    vae = VAE(latent_dim)
    history = fit(
        vae,
        images,
        epochs=EPOCHS[images.name],
        seed=seed,
        free_bits=free_bits,
        beta=beta,
        checkpoint=checkpoint,
    )
    if history.interrupted:
        raise KeyboardInterrupt
    return vae


def train(images: Images, latent_dim: int) -> None:
    """Train one VAE, and save its weights and a JSON file with its facts."""
    path = pretrained_path(images.name, latent_dim)
    checkpoint = BUILD / f"{path.stem}.checkpoint"
    print(f"{path.stem}: {EPOCHS[images.name]} epochs")
    vae = trained(images, latent_dim, checkpoint, SEED, FREE_BITS)
    save_vae(vae, path)
    facts = describe(vae, images) | {"sha256": sha256(path)}
    text = json.dumps(facts, indent=2) + "\n"
    write_text_atomically(path.with_suffix(".json"), text)
    checkpoint.unlink()
    print(f"  -ELBO {facts['negative_elbo']}, {facts['active_dimensions']} dimensions active")


def data_sha256(images: Images) -> str:
    """Return the SHA-256 of all pixels of a data set, first training then test images."""
    digest = hashlib.sha256(images.train_images.numpy().tobytes())
    digest.update(images.test_images.numpy().tobytes())
    return digest.hexdigest()


def describe(vae: VAE, images: Images) -> dict:
    """Return the settings that reproduce the weights, and the losses that they reach."""
    _, validation = split_validation(images.train_images)
    losses = permutation_loss(vae, images.test_images)
    return {
        "command": "python3 course.py weights",
        "data_set": images.name,
        "data_sha256": data_sha256(images),
        "latent_dim": vae.latent_dim,
        "epochs": EPOCHS[images.name],
        "seed": SEED,
        "free_bits": FREE_BITS,
        "threads": 1,
        "precision": "float32",
        "versions": {"python": platform.python_version(), "torch": version("torch")},
        "unit": "nats per image; one sample of z; grey pixels under a Bernoulli",
        "negative_elbo": {
            "validation": -round(float(mean_terms(vae, validation).elbo), 2),
            "test": -round(float(mean_terms(vae, images.test_images).elbo), 2),
        },
        "validation_images": len(validation),
        "permutation_loss": [round(loss, 1) for loss in losses],
        "active_dimensions": sum(loss >= 1 for loss in losses),
    }


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="course.py weights", description=__doc__)
    parser.add_argument("--data", choices=list(EPOCHS), help="only this data set")
    parser.add_argument("--latent-dim", type=int, choices=[2, 10], help="only this latent size")
    chosen = parser.parse_args(arguments)
    try:
        for name in [chosen.data] if chosen.data else list(EPOCHS):
            images = load_images(name)
            for latent_dim in [chosen.latent_dim] if chosen.latent_dim else [2, 10]:
                train(images, latent_dim)
    except KeyboardInterrupt:
        print("\nStopped. Run the same command again to resume from the last complete epoch.")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
