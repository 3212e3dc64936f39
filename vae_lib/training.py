"""Training: `fit` minimises −ELBO on a data set and tells what happened."""

import contextlib
import hashlib
import json
import math
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from jaxtyping import UInt8
from torch import Tensor

from vae_lib._checks import LARGEST, is_plain, require, require_int
from vae_lib._files import load_tensors, save_tensors
from vae_lib.data import Images
from vae_lib.model import VAE
from vae_lib.objective import ElboTerms, elbo
from vae_lib.pixels import as_unit_interval
from vae_lib.progress import progress_bar
from vae_lib.threads import one_thread

CHECKPOINT = "a vae_lib training checkpoint"
WARM_UP = 200  # steps in which the learning rate rises
HELD_OUT = 12  # one image in twelve is kept for validation: 5,000 of Fashion-MNIST's 60,000


@dataclass
class Curves:
    """Averages per epoch over a set of images, in nats per image."""

    reconstruction: list[float] = field(default_factory=list)
    kl: list[float] = field(default_factory=list)
    elbo: list[float] = field(default_factory=list)
    kl_per_dimension: list[list[float]] = field(default_factory=list)

    def append(self, terms: ElboTerms) -> None:
        """Add an epoch, given the average terms."""
        self.reconstruction.append(float(terms.reconstruction))
        self.kl.append(float(terms.kl))
        self.elbo.append(float(terms.elbo))
        self.kl_per_dimension.append(terms.kl_per_dimension.tolist())


@dataclass
class History:
    """What `fit` saw: curves over the epochs, for the images trained on and for those held out.

    The training curve averages over an epoch in which the model was still getting better.
    """

    train: Curves = field(default_factory=Curves)
    validation: Curves = field(default_factory=Curves)
    interrupted: bool = False


@dataclass(frozen=True)
class _Settings:
    """What must be the same for a checkpoint to be gone on with."""

    latent_dim: int
    images: int
    epochs: int
    seed: int
    free_bits: float
    beta: float
    batch_size: int
    learning_rate: float
    bfloat16: bool
    data_sha256: str

    def __post_init__(self) -> None:
        for name, least in (("epochs", 1), ("batch_size", 1), ("seed", 0)):
            require_int(name, getattr(self, name), least)
        require("bfloat16", self.bfloat16, bool, "True or False")
        for name in ("free_bits", "beta", "learning_rate"):
            value = getattr(self, name)
            if not isinstance(value, (int, float)):
                raise TypeError(f"{name}: expected a number, got {type(value).__name__}")
        for name in ("free_bits", "beta"):
            value = getattr(self, name)
            if not 0 <= value <= LARGEST:  # false for NaN, too
                raise ValueError(f"{name}: expected a number of at least 0, got {value!r}")
        if not 0 < self.learning_rate <= LARGEST:
            raise ValueError(f"learning_rate: expected more than 0, got {self.learning_rate!r}")


def split_validation(
    images: UInt8[Tensor, "images 1 28 28"],
) -> tuple[UInt8[Tensor, "train 1 28 28"], UInt8[Tensor, "validation 1 28 28"]]:
    """Return the images to train on and every twelfth, held out; always the same ones."""
    held_out = torch.arange(len(images)) % HELD_OUT == HELD_OUT - 1
    return images[~held_out], images[held_out]


def fit(
    vae: VAE,
    images: Images | Tensor,
    epochs: int = 20,
    seed: int = 0,
    free_bits: float = 0.5,
    progress: bool = True,
    checkpoint: str | os.PathLike | None = None,
    beta: float = 1.0,
    batch_size: int = 256,
    learning_rate: float = 2e-3,
    bfloat16: bool = False,
) -> History:
    """Train `vae` on `images` (an `Images`, or a tensor [N, 1, 28, 28]) and return the history.

    The loss is −reconstruction + β Σⱼ max(KLⱼ, free_bits), in nats per image, KLⱼ averaged over the
    batch (free bits: Kingma et al., 2016; β: Higgins et al., 2017). The history reports the ELBO
    itself, without β and without free bits. One image in twelve is held out.

    seed: decides the order of the images and the noise; the weights are as `vae` brings them.
    checkpoint: a file written after every epoch. Where it exists, training goes on from there, to
      the very numbers that an uninterrupted run reaches.
    bfloat16: run the layers in bfloat16, which halves the time on a CPU that has it.

    Ctrl-C ends the training: `vae` keeps what it has learned, and `history.interrupted` is true.
    Raises a TypeError or ValueError for settings of the wrong type or out of range, a ValueError
    for a checkpoint that is damaged or made with other settings or images, and a
    FloatingPointError where the loss is no longer finite.
    """
    pixels = images.train_images if isinstance(images, Images) else images
    require("vae", vae, VAE, "a VAE")
    require("progress", progress, bool, "True or False")
    require("images", pixels, Tensor, "Images or a tensor [N, 1, 28, 28]")
    few = pixels.dtype == torch.uint8 and pixels.dim() and is_plain(pixels)
    as_unit_interval(pixels[:1] if few else pixels, (1, 28, 28))  # said at the door
    if len(pixels) < HELD_OUT:
        raise ValueError(f"images: expected at least {HELD_OUT}, got {len(pixels)}")
    settings = _Settings(
        latent_dim=vae.latent_dim,
        images=len(pixels),
        epochs=epochs,
        seed=seed,
        free_bits=free_bits,
        beta=beta,
        batch_size=batch_size,
        learning_rate=learning_rate,
        bfloat16=bfloat16,
        data_sha256=hashlib.sha256(pixels.cpu().numpy().tobytes()).hexdigest(),
    )
    device = next(vae.parameters()).device
    train, validation = (part.to(device) for part in split_validation(pixels))
    optimizer = torch.optim.Adam(vae.parameters(), lr=learning_rate, fused=True)
    history = History()
    if checkpoint is not None and Path(checkpoint).exists():
        history = _load_checkpoint(checkpoint, vae, optimizer, settings)
    first_epoch = len(history.train.elbo)
    bar = progress_bar(
        description="training", total=(epochs - first_epoch), unit="epoch", shown=progress
    )
    # no cache: it would keep the bfloat16 weights of the first step for a whole epoch
    layers_in = torch.autocast(device.type, torch.bfloat16, enabled=bfloat16, cache_enabled=False)
    with bar, one_thread(), contextlib.suppress(KeyboardInterrupt):
        history.interrupted = True
        for epoch in range(first_epoch, epochs):
            with layers_in:
                trained = _train_epoch(vae, train, optimizer, epoch, settings)
            validated = mean_terms(vae, validation, seed=seed)
            history.train.append(trained)
            history.validation.append(validated)
            bar.set_postfix_str(
                f"-ELBO {-history.validation.elbo[-1]:.1f}, KL {history.validation.kl[-1]:.1f} nats"
            )
            bar.update()
            if checkpoint is not None:
                _save_checkpoint(checkpoint, vae, optimizer, settings, history)
        history.interrupted = False
    return history


def _train_epoch(
    vae: VAE, images: Tensor, optimizer: torch.optim.Adam, epoch: int, settings: _Settings
) -> ElboTerms:
    """Go once through the images in random order; return the average terms met on the way."""
    # one stream for each epoch: a resumed run draws what an uninterrupted one would have drawn
    generator = torch.Generator().manual_seed(settings.seed * 1_000_003 + epoch)
    order = torch.randperm(len(images), generator=generator).to(images.device)
    batches = order.split(settings.batch_size)
    sums = _TermSums()
    for number, indices in enumerate(batches):
        rate = _learning_rate(epoch * len(batches) + number, len(batches), settings)
        optimizer.param_groups[0]["lr"] = rate
        terms = elbo(vae, images.index_select(0, indices), generator=generator)
        kl = terms.kl_per_dimension.mean(dim=0).clamp(min=settings.free_bits).sum()
        loss = settings.beta * kl - terms.reconstruction.mean()
        if not loss.isfinite():
            raise FloatingPointError(
                f"the loss is {loss.item()} in epoch {epoch + 1}, step {number + 1}; "
                f"try a learning_rate below {settings.learning_rate}"
            )
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        sums.add(terms)
    return sums.mean()


def _learning_rate(step: int, steps_per_epoch: int, settings: _Settings) -> float:
    """Rise linearly over the warm-up, then fall along a cosine to 1 % (Loshchilov, Hutter 2017)."""
    total = settings.epochs * steps_per_epoch
    cosine = 0.5 * (1 + math.cos(math.pi * step / total))
    return settings.learning_rate * min(1, (step + 1) / WARM_UP) * (0.01 + 0.99 * cosine)


class _TermSums:
    """Adds up terms over batches in float64, so that the last digits do not depend on the order."""

    def __init__(self) -> None:
        self.count = 0
        self.sums: list[Tensor] = []

    def add(self, terms: ElboTerms) -> None:
        batch = [term.detach().sum(dim=0, dtype=torch.float64) for term in terms]
        self.sums = [a + b for a, b in zip(self.sums, batch, strict=True)] if self.sums else batch
        self.count += len(terms.elbo)

    def mean(self) -> ElboTerms:
        return ElboTerms(*(total / self.count for total in self.sums))


@torch.no_grad()
def mean_terms(vae: VAE, images: Tensor, seed: int = 0, batch_size: int = 1000) -> ElboTerms:
    """Return the ELBO and its parts, averaged over *all* images, in nats per image.

    One sample of z for each image; the same noise for the same seed.
    """
    require("vae", vae, torch.nn.Module, "a model with parameters")
    require("images", images, Tensor, "a tensor of images")
    require_int("seed", seed, least=0)
    require_int("batch_size", batch_size, least=1)
    as_unit_interval(images[:1] if images.dim() and is_plain(images) else images, (1, 28, 28))
    device = next(vae.parameters()).device
    generator = torch.Generator().manual_seed(seed)
    sums = _TermSums()
    with one_thread():
        for batch in images.split(batch_size):
            sums.add(elbo(vae, batch.to(device), generator=generator))
    return sums.mean()


@torch.no_grad()
def permutation_loss(vae: VAE, images: Tensor, seed: int = 0) -> list[float]:
    """Return by how much −ELBO rises, in nats per image, when z_j is shuffled among the images.

    One number for each dimension j. Near 0 says that the decoder does not listen to z_j, whatever
    its KL. images: at least two, [B, 1, 28, 28]; the same samples are used for every dimension.
    """
    require("vae", vae, VAE, "a VAE")
    require_int("seed", seed, least=0)
    x = as_unit_interval(images, (1, 28, 28)).to(next(vae.parameters()).device)
    if len(x) < 2:
        raise ValueError(f"images: expected at least two, got {len(x)}")
    generator, device = torch.Generator().manual_seed(seed), x.device
    q = vae.encode(x)
    z = q.mean + q.stddev * torch.randn(q.mean.shape, generator=generator).to(device)
    # a shift by a random number of places leaves no image its own z_j
    order = torch.randperm(len(x), generator=generator).to(device)
    intact = vae.likelihood(z).log_prob(x).sum().item()
    losses = []
    for j in range(vae.latent_dim):
        shuffled = z.clone()
        shuffled[order, j] = z[order.roll(1), j]
        losses.append((intact - vae.likelihood(shuffled).log_prob(x).sum().item()) / len(x))
    return losses


def _save_checkpoint(
    path: str | os.PathLike,
    vae: VAE,
    optimizer: torch.optim.Adam,
    settings: _Settings,
    history: History,
) -> None:
    tensors = {f"vae.{name}": tensor for name, tensor in vae.state_dict().items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"adam.{index}.{name}": tensor for name, tensor in state.items()}
    facts = {"settings": json.dumps(asdict(settings)), "history": json.dumps(asdict(history))}
    save_tensors(path, CHECKPOINT, tensors, facts)


def _load_checkpoint(
    path: str | os.PathLike, vae: VAE, optimizer: torch.optim.Adam, settings: _Settings
) -> History:
    """Put what a checkpoint holds into `vae` and `optimizer`, or nothing where it does not fit."""
    tensors, facts = load_tensors(path, CHECKPOINT)
    try:
        found = json.loads(facts["settings"])
        for name, value in asdict(settings).items():
            if found[name] != value:
                raise ValueError(
                    f"it was made with {name}={found[name]}, now it is {value}; "
                    "go on with the same settings, or name another file"
                )
        restored = _history_from(json.loads(facts["history"]), settings)
        expected = {f"vae.{name}": _kind(tensor) for name, tensor in vae.state_dict().items()}
        for number, parameter in enumerate(vae.parameters()):
            expected[f"adam.{number}.step"] = ((), torch.float32)
            expected[f"adam.{number}.exp_avg"] = _kind(parameter)
            expected[f"adam.{number}.exp_avg_sq"] = _kind(parameter)
        if {name: _kind(tensor) for name, tensor in tensors.items()} != expected:
            raise ValueError("it does not hold the tensors of this model and its optimizer")
        if not all(tensor.isfinite().all() for tensor in tensors.values()):
            raise ValueError("it holds numbers that are not finite")
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"checkpoint: {path} does not fit: {error}") from error
    adam: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        if name.startswith("adam."):
            _, index, key = name.split(".")
            adam.setdefault(int(index), {})[key] = tensor
    vae.load_state_dict(
        {name.removeprefix("vae."): t for name, t in tensors.items() if name.startswith("vae.")}
    )
    optimizer.load_state_dict(optimizer.state_dict() | {"state": adam})
    return restored


def _kind(tensor: Tensor) -> tuple[tuple[int, ...], torch.dtype]:
    return tuple(tensor.shape), tensor.dtype


def _history_from(found: dict, settings: _Settings) -> History:
    """Return the history in a checkpoint, or raise a TypeError, KeyError or ValueError."""
    history = History(Curves(**found["train"]), Curves(**found["validation"]))
    done = len(history.train.elbo)
    for curves in (history.train, history.validation):
        per_dimension = curves.kl_per_dimension
        lists = [curves.reconstruction, curves.kl, curves.elbo, *zip(*per_dimension, strict=True)]
        if not 1 <= done <= settings.epochs or any(len(each) != done for each in lists):
            raise ValueError("its history is not one of whole epochs")
        if not all(isinstance(value, float) for each in lists for value in each):
            raise ValueError("its history holds what are no numbers")
        if len(lists) != 3 + settings.latent_dim:
            raise ValueError(f"its history is not one of {settings.latent_dim} dimensions")
    return history
