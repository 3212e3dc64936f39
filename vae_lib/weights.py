"""Weights on disk: safetensors, which cannot run code when they are loaded, never a pickle."""

import hashlib
import json
import os
from pathlib import Path

import torch

from vae_lib._checks import require
from vae_lib._files import load_tensors, save_tensors
from vae_lib.model import VAE

KIND = "the weights of a vae_lib VAE"
PRETRAINED = Path(__file__).parent / "pretrained"


def save_vae(vae: VAE, path: str | os.PathLike) -> Path:
    """Save the weights as safetensors; `path` holds the old file or the whole new one."""
    require("vae", vae, VAE, "a VAE")
    return save_tensors(path, KIND, vae.state_dict(), {"latent_dim": str(vae.latent_dim)})


def load_vae(path: str | os.PathLike) -> VAE:
    """Load what `save_vae` saved, in evaluation mode, on the CPU.

    Raises a FileNotFoundError, or a ValueError for a file that is truncated, foreign, or whose
    tensors do not make up the model that it says it is.
    """
    tensors, facts = load_tensors(path, KIND)
    latent_dim = facts.get("latent_dim", "")
    if not latent_dim.isdecimal() or not 1 <= int(latent_dim) <= 10_000:
        raise ValueError(f"path: {path} gives latent_dim={latent_dim!r}; expected a whole number")
    with torch.device("meta"):  # shapes only: nothing is initialised that is overwritten at once
        vae = VAE(int(latent_dim))
    expected = {name: tuple(tensor.shape) for name, tensor in vae.state_dict().items()}
    found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    if found != expected:
        names = sorted(n for n in expected | found if expected.get(n) != found.get(n))
        raise ValueError(
            f"path: {path} does not hold a VAE with latent_dim={latent_dim}: {names[0]} is "
            f"{found.get(names[0], 'missing')}, expected {expected.get(names[0], 'no such tensor')}"
        )
    if not all(t.dtype == torch.float32 and t.isfinite().all() for t in tensors.values()):
        raise ValueError(f"path: {path} holds numbers that are not finite float32")
    vae.load_state_dict(tensors, assign=True)
    return vae.requires_grad_(True).eval()


def pretrained_path(name: str, latent_dim: int) -> Path:
    """Return where the pretrained weights for a data set and a latent size lie, or would lie."""
    return PRETRAINED / f"{name}-d{latent_dim}.safetensors"


def pretrained_facts(name: str, latent_dim: int = 10) -> dict:
    """Return how a pretrained VAE was made and what it reached; see its JSON file.

    Raises a ValueError, with the models that there are, for one that there is not.
    """
    path = pretrained_path(name, latent_dim).with_suffix(".json")
    if not path.exists():
        known = ", ".join(sorted(file.stem for file in PRETRAINED.glob("*.json")))
        raise ValueError(f"there are no pretrained weights {path.stem!r}; there are {known}")
    return json.loads(path.read_text(encoding="utf-8"))


def load_pretrained(name: str, latent_dim: int = 10) -> VAE:
    """Load a VAE that was trained for the course, after checking its SHA-256.

    name: "fashion-mnist" or "drawn" (`images.name`). latent_dim: 2 or 10.
    Raises a ValueError for others, or where the file is not the one that was shipped.
    """
    facts = pretrained_facts(name, latent_dim)
    path = pretrained_path(name, latent_dim)
    if sha256(path) != facts["sha256"]:
        raise ValueError(
            f"{path} is not the file that was shipped (another SHA-256). "
            "Get it back with `git checkout -- vae_lib/pretrained`."
        )
    return load_vae(path)


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, as hexadecimal digits."""
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}")
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
