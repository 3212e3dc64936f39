"""Save and load weights as safetensors, which cannot run code when it is loaded."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import torch

from vae_lib._checks import require, require_int
from vae_lib._files import load_tensors, save_tensors
from vae_lib.latent_model import require_model
from vae_lib.model import HIDDEN, VAE

KIND = "the weights of a vae_lib VAE"
SHAPE = ("latent_dim", "image_shape", "architecture", "hidden", "pixels")  # the arguments of VAE
PRETRAINED = Path(__file__).parent / "pretrained"


def save_vae(vae: VAE, path: str | os.PathLike) -> Path:
    """Save a VAE as safetensors: its weights and the arguments it was created with.

    Args:
        vae: the model, on any device.
        path: the file to write; it keeps its old content if the model cannot be saved.

    Returns:
        The path that was written.

    Raises:
        TypeError: vae is not a VAE, or of a subclass, which `load_vae` could not rebuild.
        ValueError: the weights are not finite float32 numbers, layers were replaced, or the
            model is on the meta device.
        OSError: the disk is full, or the folder cannot be written to.
    """
    require("vae", vae, VAE, "a VAE")
    if type(vae) is not VAE:
        got = f"its subclass {type(vae).__name__}, which load_vae could not rebuild"
        raise TypeError(f"vae: expected a VAE itself, got {got}; save its state_dict() instead")
    require_model(vae)
    shape = {name: getattr(vae, name) for name in SHAPE}
    tensors = vae.state_dict()
    _require_weights("vae:", _empty_vae(shape), tensors)
    return save_tensors(path, KIND, tensors, {name: json.dumps(shape[name]) for name in SHAPE})


def load_vae(path: str | os.PathLike) -> VAE:
    """Load a VAE that `save_vae` saved.

    Args:
        path: the file to read.

    Returns:
        The model, in evaluation mode, on the CPU.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged or of another kind, or its weights do not fit the model
            that its header describes.
    """
    tensors, facts = load_tensors(path, KIND)
    # the values for older files, whose headers lack some of these entries
    texts = {"image_shape": "[1, 28, 28]", "architecture": '"mlp"', "hidden": json.dumps(HIDDEN)}
    texts["pixels"] = '"bernoulli"'
    try:
        shape = {name: json.loads((texts | facts)[name]) for name in SHAPE}
        if len(shape["hidden"]) > len(tensors):
            raise ValueError(f"hidden: more layers than {len(tensors)} tensors")
        vae = _empty_vae(shape)
    except (KeyError, TypeError, ValueError, RuntimeError, OverflowError) as error:
        found = {name: facts[name] for name in SHAPE if name in facts}
        raise ValueError(f"path: {path} does not describe a VAE by {found}: {error}") from error
    _require_weights(f"path: {path} with latent_dim={vae.latent_dim}:", vae, tensors)
    vae.load_state_dict(tensors, assign=True)
    return vae.requires_grad_(True).eval()


def _empty_vae(shape: dict[str, Any]) -> VAE:
    """Return a VAE whose parameters have shapes but no storage."""
    with torch.device("meta"):
        return VAE(**shape)


def _require_weights(where: str, vae: VAE, tensors: dict[str, torch.Tensor]) -> None:
    """Raise a ValueError unless the tensors are finite float32 weights of this VAE."""
    expected = {name: tuple(tensor.shape) for name, tensor in vae.state_dict().items()}
    found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    for name in sorted(expected | found):
        wanted, got = (shapes.get(name, "none") for shapes in (expected, found))
        if wanted != got:
            raise ValueError(f"{where} expected {name} of shape {wanted}, got {got}")
    for name, tensor in tensors.items():
        if tensor.dtype != torch.float32:
            got = f"{tensor.dtype} in {name}; vae.float() converts them"
            raise ValueError(f"{where} expected float32 weights, got {got}")
        if not tensor.isfinite().all():
            raise ValueError(f"{where} expected finite weights, got NaN or infinity in {name}")


def pretrained_path(name: str, latent_dim: int) -> Path:
    """Return the path of the pretrained weights for a data set and a latent size."""
    return PRETRAINED / f"{name}-d{latent_dim}.safetensors"


def pretrained_facts(name: str, latent_dim: int = 10) -> dict[str, Any]:
    """Describe how a pretrained VAE was trained and what it reached.

    Args:
        name: "fashion-mnist" or "drawn", as in `images.name`.
        latent_dim: 2 or 10.

    Returns:
        The content of the JSON file beside the weights: epochs, seed, −ELBO and so on.

    Raises:
        TypeError: an argument has the wrong type.
        ValueError: there is no such model; the message lists those that there are.
    """
    require("name", name, str, "the name of a data set")
    latent_dim = require_int("latent_dim", latent_dim, least=1)
    path = pretrained_path(name, latent_dim).with_suffix(".json")
    if not path.exists():
        known = ", ".join(sorted(file.stem for file in PRETRAINED.glob("*.json")))
        raise ValueError(f"there are no pretrained weights {path.stem!r}; there are {known}")
    return json.loads(path.read_text(encoding="utf-8"))


def load_pretrained(name: str, latent_dim: int = 10) -> VAE:
    """Load a trained VAE that comes with the library, after checking its SHA-256.

    Args:
        name: "fashion-mnist" or "drawn", as in `images.name`.
        latent_dim: 2 or 10.

    Returns:
        The model, in evaluation mode, on the CPU.

    Raises:
        ValueError: there is no such model, or its file is not the one that was shipped.
        FileNotFoundError: the file is missing.
    """
    facts = pretrained_facts(name, latent_dim)
    path = pretrained_path(name, latent_dim)
    if sha256(path) != facts["sha256"]:
        advice = "restore it with `git checkout -- vae_lib/pretrained`"
        raise ValueError(f"{path} is not the file that was shipped (another SHA-256); {advice}")
    return load_vae(path)


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file as hexadecimal digits.

    Raises:
        FileNotFoundError: there is no such file.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
