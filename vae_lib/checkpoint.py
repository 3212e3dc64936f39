"""The history of a training, and checkpoints from which an interrupted training resumes."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from vae_lib._files import load_tensors, save_tensors
from vae_lib.objective import ElboTerms

CHECKPOINT = "a vae_lib training checkpoint"


@dataclass
class Curves:
    """Averages over a set of images, one for each epoch, in nats per image."""

    reconstruction: list[float] = field(default_factory=list)
    kl: list[float] = field(default_factory=list)
    elbo: list[float] = field(default_factory=list)
    kl_per_dimension: list[list[float]] = field(default_factory=list)

    def append(self, terms: ElboTerms) -> None:
        """Add the averages of one epoch."""
        self.reconstruction.append(float(terms.reconstruction))
        self.kl.append(float(terms.kl))
        self.elbo.append(float(terms.elbo))
        self.kl_per_dimension.append(terms.kl_per_dimension.tolist())


@dataclass
class History:
    """The curves of a training, for the images trained on and for those held out.

    The training curve averages over each epoch, while the model is still improving. `interrupted`
    is True when Ctrl-C ended the training early.
    """

    train: Curves = field(default_factory=Curves)
    validation: Curves = field(default_factory=Curves)
    interrupted: bool = False


def save_checkpoint(
    path: Path,
    vae: nn.Module,
    optimizer: torch.optim.Optimizer,
    settings: dict[str, Any],
    history: History,
) -> None:
    """Save a training: the model, the optimizer, the settings and the history."""
    tensors = {f"vae.{name}": tensor for name, tensor in vae.state_dict().items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"adam.{index}.{name}": tensor for name, tensor in state.items()}
    facts = {"settings": json.dumps(settings), "history": json.dumps(asdict(history))}
    save_tensors(path, CHECKPOINT, tensors, facts)


def load_checkpoint(
    path: Path, vae: nn.Module, optimizer: torch.optim.Optimizer, settings: dict[str, Any]
) -> History:
    """Load a training into `vae` and `optimizer`, and return its history.

    Raises:
        ValueError: the file is damaged, or was written with other settings, other images or
            another model. Then `vae` and `optimizer` are unchanged.
    """
    tensors, facts = load_tensors(path, CHECKPOINT)
    try:
        found = json.loads(facts["settings"])
        for name, value in settings.items():
            if found[name] != value:
                made = f"it was made with {name}={found[name]}"
                raise ValueError(f"{made}, now it is {value}; name another file to start anew")
        history = _history_from(json.loads(facts["history"]), settings)
        weights, adam = _states(tensors, vae, optimizer)
    except (KeyError, TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise ValueError(f"checkpoint: {path} does not fit: {error}") from error
    vae.load_state_dict(weights)
    optimizer.load_state_dict(optimizer.state_dict() | {"state": adam})
    return history


def _states(
    tensors: dict[str, Tensor], vae: nn.Module, optimizer: torch.optim.Optimizer
) -> tuple[dict[str, Tensor], dict[int, dict[str, Tensor]]]:
    """Return the states of this model and of its Adam, or raise a KeyError or ValueError."""
    expected = {f"vae.{name}": _kind(tensor) for name, tensor in vae.state_dict().items()}
    adam = {}
    for number, parameter in enumerate(optimizer.param_groups[0]["params"]):
        if f"adam.{number}.step" in tensors:  # Adam has no state for an unused parameter
            shape = _kind(parameter)
            kinds = {"step": ((), torch.float32), "exp_avg": shape, "exp_avg_sq": shape}
            expected |= {f"adam.{number}.{key}": kind for key, kind in kinds.items()}
            adam[number] = {key: tensors[f"adam.{number}.{key}"] for key in kinds}
    if {name: _kind(tensor) for name, tensor in tensors.items()} != expected:
        raise ValueError("it does not hold the tensors of this model and its optimizer")
    if not all(tensor.isfinite().all() for tensor in tensors.values()):
        raise ValueError("it holds numbers that are not finite")
    return {name: tensors[f"vae.{name}"] for name in vae.state_dict()}, adam


def _kind(tensor: Tensor) -> tuple[tuple[int, ...], torch.dtype]:
    return tuple(tensor.shape), tensor.dtype


def _history_from(found: dict[str, Any], settings: dict[str, Any]) -> History:
    """Return the history in a checkpoint; `load_checkpoint` catches its errors."""
    train, validation = (_curves_from(found[name], settings) for name in ("train", "validation"))
    if len(train.elbo) != len(validation.elbo):
        raise ValueError("its history has more epochs of one curve than of the other")
    return History(train, validation)


def _curves_from(found: dict[str, Any], settings: dict[str, Any]) -> Curves:
    columns = [found[name] for name in ("reconstruction", "kl", "elbo", "kl_per_dimension")]
    rows = [[*totals, *kls] for *totals, kls in zip(*columns, strict=True)]
    table = torch.tensor(rows, dtype=torch.float64, device="cpu")  # [epochs, 3 + d]
    done, width = len(table), 3 + settings["latent_dim"]
    if done > settings["epochs"] or table.shape != (done, width):
        raise ValueError(f"its history is not one of up to {settings['epochs']} whole epochs")
    reconstruction, kl, elbo = table[:, :3].T.tolist()
    return Curves(reconstruction, kl, elbo, table[:, 3:].tolist())
