"""Training: `fit` minimises −ELBO on a data set and records its progress."""

import hashlib
import math
import os
import warnings
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch
from jaxtyping import Num
from torch import Tensor, nn

from vae_lib._checks import require, require_int, require_number, require_one_of
from vae_lib._files import as_path
from vae_lib.checkpoint import History, load_checkpoint, save_checkpoint
from vae_lib.data import Images
from vae_lib.distributed import (
    elbo_of_share,
    gathered,
    in_first_process,
    mean_over_batch,
    processes,
    require_same,
)
from vae_lib.latent_model import ModelWithLikelihood, evaluation_mode, like_weights, require_model
from vae_lib.objective import ElboTerms, draw_noise, elbo, encode_images, log_prob_of_image
from vae_lib.pixels import as_unit_interval
from vae_lib.progress import progress_bar
from vae_lib.threads import one_thread

WARM_UP = 200  # steps over which the learning rate rises
HELD_OUT = 12  # one image in twelve is kept for validation: 5,000 of Fashion-MNIST's 60,000
LEAST_RATE = 1e-12  # a learning rate below it changes no float32 weight


@dataclass(frozen=True)
class _Settings:
    """Settings that must match to resume from a checkpoint."""

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


def split_validation(
    images: Num[Tensor, "images c h w"],
) -> tuple[Num[Tensor, "train c h w"], Num[Tensor, "validation c h w"]]:
    """Split images [N, C, H, W] into those to train on and every twelfth, which is held out."""
    held_out = torch.arange(len(images), device=images.device) % HELD_OUT == HELD_OUT - 1
    return images[~held_out], images[held_out]


def fit(
    vae: nn.Module,
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
    on_interrupt: Literal["raise", "return"] = "raise",
) -> History:
    """Train a model on images by minimising −reconstruction + β Σⱼ max(KLⱼ, free_bits).

    KLⱼ is averaged over the batch. The history reports the ELBO itself, without β and free bits.
    One image in twelve is held out for validation. Adam's learning rate rises over 200 steps, then
    falls along a cosine to a hundredth.

    In a script that `torchrun` starts, call `torch.distributed.init_process_group` first. Every
    process then computes its share of each batch, and all models end with the same weights. The
    first process shows the progress and writes the checkpoint.

    Args:
        vae: a module with `encode`, `likelihood` and `latent_dim`, in float32 or float64, on any
            device. Training starts from its weights, and leaves frozen parameters as they are.
        images: an `Images`, whose training images are used, or a tensor [N, C, H, W], uint8 or
            float in [0, 1]; at least 12.
        epochs: the number of passes over the training images.
        seed: the seed of the order of the images and of the noise.
        free_bits: in nats per dimension; a KL below it is not penalised.
        progress: show a progress bar with the time left.
        checkpoint: a file that is written after every epoch. If it exists, training resumes from
            it and reaches the same numbers as a run without interruption.
        beta: the weight β of the KL.
        batch_size: the number of images in a step.
        learning_rate: the largest learning rate.
        bfloat16: run the layers in bfloat16, which halves the time on a CPU that supports it.
        on_interrupt: what happens on Ctrl-C: "raise" raises the KeyboardInterrupt, so that the
            whole cell or script stops; "return" ends only this training and returns its history,
            with `interrupted` set. In both cases `vae` keeps what it has learned.

    Returns:
        The reconstruction, KL and ELBO of every epoch, in nats per image.

    Raises:
        TypeError: the model lacks a method, or an argument has the wrong type.
        ValueError: an argument is out of range, all parameters are frozen, the checkpoint is
            damaged or was made with other settings or images, or the settings or images differ
            between the processes of `torchrun`.
        FloatingPointError: the loss or the weights are no longer finite.

    Reference:
        Free bits: Kingma et al., Improving Variational Inference with Inverse Autoregressive Flow
        (2016). β: Higgins et al., beta-VAE (2017).
    """
    pixels = images.train_images if isinstance(images, Images) else images
    require_model(vae, "encode", "likelihood", "latent_dim")
    require("vae", vae, nn.Module, "a torch.nn.Module")
    _require_images(pixels, getattr(vae, "image_shape", None))
    if len(pixels) < HELD_OUT:
        raise ValueError(f"images: expected at least {HELD_OUT}, got {len(pixels)}")
    for name, value in (("progress", progress), ("bfloat16", bfloat16)):
        require(name, value, bool, "True or False")
    require_one_of("on_interrupt", ("raise", "return"), on_interrupt)
    settings = _Settings(
        latent_dim=require_int("vae.latent_dim", vae.latent_dim, least=1),
        images=len(pixels),
        epochs=require_int("epochs", epochs, least=1),
        seed=require_int("seed", seed, least=0),
        free_bits=require_number("free_bits", free_bits),
        beta=require_number("beta", beta),
        batch_size=require_int("batch_size", batch_size, least=1),
        learning_rate=require_number("learning_rate", learning_rate, LEAST_RATE),
        bfloat16=bfloat16,
        data_sha256=_sha256(pixels),
    )
    path = None if checkpoint is None else as_path(checkpoint, "checkpoint")
    if path is not None and path.is_dir():
        raise ValueError(f"checkpoint: {path} is a folder; expected the name of a file")
    parameters = _trainable(vae)
    optimizer = torch.optim.Adam(parameters, lr=settings.learning_rate, fused=True)
    history = History()
    if path is not None and path.exists():
        history = load_checkpoint(path, vae, optimizer, asdict(settings))
    require_same(asdict(settings) | {"checkpoint": len(history.train.elbo)})
    with evaluation_mode(vae), torch.inference_mode(False), torch.enable_grad(), one_thread():
        try:
            for trained, validated in _epochs(vae, pixels, optimizer, settings, history, progress):
                history.train.append(trained)
                history.validation.append(validated)
                if path is not None:
                    state = path, vae, optimizer, asdict(settings), history
                    in_first_process(save_checkpoint, *state)
        except KeyboardInterrupt:
            history.interrupted = True
            if on_interrupt == "raise":
                raise
    return history


def _require_images(images: Any, image_shape: tuple[int, int, int] | None) -> None:
    require("images", images, Tensor, "Images or a tensor [N, C, H, W]")
    # uint8 pixels are never out of range, so checking the shape of one image is enough
    first = images.dtype == torch.uint8 and images.dim() and images.layout == torch.strided
    as_unit_interval(images[:1] if first else images, image_shape)


def _sha256(pixels: Tensor) -> str:
    raw = pixels.detach().cpu().contiguous().view(torch.uint8)
    return hashlib.sha256(raw.numpy().tobytes()).hexdigest()


def _trainable(vae: nn.Module) -> list[nn.Parameter]:
    """Return the parameters to train.

    Raises an error for weights that cannot be trained, and warns about frozen ones.
    """
    everything = list(vae.parameters())
    for parameter in everything:
        if parameter.is_inference():
            raise ValueError(
                "vae: made under torch.inference_mode, whose tensors cannot be trained"
            )
        if parameter.dtype not in (torch.float32, torch.float64):
            got = str(parameter.dtype).removeprefix("torch.")
            advice = "call vae.float() first; bfloat16=True makes the layers faster"
            raise TypeError(f"vae: expected weights in float32 or float64, got {got}; {advice}")
    found = [parameter for parameter in everything if parameter.requires_grad]
    frozen = len(everything) - len(found)
    if not found:
        advice = "vae.requires_grad_(True) makes them trainable"
        raise ValueError(f"vae: expected parameters to train, got {frozen} frozen ones; {advice}")
    if frozen:
        count = f"{frozen} of {len(everything)} parameter tensors"
        warnings.warn(f"vae: {count} are frozen and will not be trained", stacklevel=3)
    return found


def _epochs(
    vae: Any,
    pixels: Tensor,
    optimizer: torch.optim.Adam,
    settings: _Settings,
    history: History,
    progress: bool,
) -> Iterator[tuple[ElboTerms, ElboTerms]]:
    """Train the epochs missing from `history`; yield the training and validation averages."""
    device = optimizer.param_groups[0]["params"][0].device
    train, validation = (part.detach().to(device) for part in split_validation(pixels))
    first = len(history.train.elbo)
    number, _ = processes()
    shown = progress and number == 0
    elbo_of = elbo_of_share(vae)
    # no cache: it would keep the bfloat16 weights of the first step for a whole epoch
    precision = torch.autocast(
        device.type, torch.bfloat16, enabled=settings.bfloat16, cache_enabled=False
    )
    with progress_bar(
        description="training", total=settings.epochs - first, unit="epoch", shown=shown
    ) as bar:
        for epoch in range(first, settings.epochs):
            # a seed for layers that draw random numbers themselves, such as dropout
            with torch.random.fork_rng(range(torch.cuda.device_count())), precision:
                torch.manual_seed(settings.seed + epoch + number * settings.epochs)
                vae.train()
                trained = _train_epoch(elbo_of, train, optimizer, epoch, settings)
            validated = mean_terms(vae, validation, seed=settings.seed)
            adam = [tensor for state in optimizer.state.values() for tensor in state.values()]
            numbers = (validated.elbo, *vae.state_dict().values(), *adam)
            if not all(tensor.isfinite().all() for tensor in numbers):
                raise _diverged("a weight or the validation loss is not finite", epoch, settings)
            bar.set_postfix_str(f"-ELBO {-validated.elbo:.1f}, KL {validated.kl:.1f} nats")
            bar.update()
            yield trained, validated


def _train_epoch(
    elbo_of: Callable[..., ElboTerms],
    images: Tensor,
    optimizer: torch.optim.Adam,
    epoch: int,
    settings: _Settings,
) -> ElboTerms:
    """Train for one epoch, on batches in random order; return the terms averaged over it."""
    # a generator of its own for each epoch, so that a resumed run draws the same numbers
    generator = torch.Generator().manual_seed(settings.seed * 1_000_003 + epoch)
    order = torch.randperm(len(images), generator=generator, device="cpu").to(images.device)
    batches = order.split(settings.batch_size)
    done = []
    for number, indices in enumerate(batches):
        rate = _learning_rate(epoch * len(batches) + number, len(batches), settings)
        optimizer.param_groups[0]["lr"] = rate
        terms = elbo_of(images.index_select(0, indices), generator=generator)
        kl = mean_over_batch(terms.kl_per_dimension, len(indices))
        reconstruction = mean_over_batch(terms.reconstruction, len(indices))
        loss = settings.beta * kl.clamp(min=settings.free_bits).sum() - reconstruction
        if not loss.isfinite():
            raise _diverged(f"the loss is {loss.item()} in step {number + 1}", epoch, settings)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        done.append(ElboTerms(*(term.detach() for term in terms)))
    mine = ElboTerms(*(torch.cat(part).cpu() for part in zip(*done, strict=True)))
    return _average(gathered(mine))


def _diverged(what: str, epoch: int, settings: _Settings) -> FloatingPointError:
    return FloatingPointError(
        f"{what} of epoch {epoch + 1}; try a learning_rate below {settings.learning_rate}"
    )


def _learning_rate(step: int, steps_per_epoch: int, settings: _Settings) -> float:
    """Return the rate: linear warm-up, then a cosine down to 1 % (Loshchilov, Hutter 2017)."""
    total = settings.epochs * steps_per_epoch
    cosine = 0.5 * (1 + math.cos(math.pi * step / total))
    return settings.learning_rate * min(1, (step + 1) / WARM_UP) * (0.01 + 0.99 * cosine)


def _average(batches: list[ElboTerms]) -> ElboTerms:
    """Average over all images: in float64, on the CPU, since not every device has float64."""
    parts = [torch.cat(part).cpu() for part in zip(*batches, strict=True)]
    return ElboTerms(*(part.mean(dim=0, dtype=torch.float64) for part in parts))


@torch.no_grad()
def mean_terms(
    vae: ModelWithLikelihood, images: Tensor, seed: int = 0, batch_size: int = 1000
) -> ElboTerms:
    """Average the ELBO and its parts over all images, with one sample of z for each.

    Args:
        vae: a model with `encode` and `likelihood`; a module is used in evaluation mode.
        images: [N, C, H, W], uint8 or float in [0, 1]; at least one.
        seed: the seed of the noise.
        batch_size: the number of images computed at a time.

    Returns:
        The averages, in nats per image: three numbers, and the KL of each dimension [d].

    Raises:
        TypeError: the model lacks a method, or an argument has the wrong type.
        ValueError: an argument is out of range, or the images have the wrong shape.
    """
    require("images", images, Tensor, "a tensor of images")
    seed = require_int("seed", seed, least=0)
    batch_size = require_int("batch_size", batch_size, least=1)
    if not images.dim() or not len(images):
        raise ValueError(f"images: expected at least one image, got shape {list(images.shape)}")
    generator = torch.Generator().manual_seed(seed)
    with evaluation_mode(vae), one_thread():
        batches = images.split(batch_size)
        return _average([elbo(vae, batch, generator=generator) for batch in batches])


@torch.no_grad()
def permutation_loss(vae: ModelWithLikelihood, images: Tensor, seed: int = 0) -> list[float]:
    """Measure the rise of −ELBO when one zⱼ at a time is shuffled among the images.

    A value near 0 shows that the decoder ignores zⱼ, whatever its KL.

    Args:
        vae: a model with `encode` and `likelihood`; a module is used in evaluation mode.
        images: at least two, [B, C, H, W], uint8 or float in [0, 1].
        seed: the seed of the samples, which are the same for all dimensions, and of the order in
            which zⱼ is shuffled.

    Returns:
        One number for each of the d dimensions, in nats per image.

    Raises:
        TypeError: the model lacks a method, or an argument has the wrong type.
        ValueError: there are fewer than two images, or they have the wrong shape.
    """
    require("images", images, Tensor, "a tensor of images")
    generator = torch.Generator().manual_seed(require_int("seed", seed, least=0))
    with evaluation_mode(vae):
        q, x = encode_images(vae, images)
        if len(x) < 2:
            raise ValueError(f"images: expected at least two, got {len(x)}")
        z = q.mean + q.stddev * draw_noise(q, generator)
        # each image takes z_j of the one before it in a random order, so none keeps its own
        order = torch.randperm(len(x), generator=generator, device="cpu").to(z.device)
        intact = log_prob_of_image(vae.likelihood(like_weights(vae, z)), x).sum().item()
        losses = []
        for j in range(z.shape[1]):
            shuffled = z.clone()
            shuffled[order, j] = z[order.roll(1), j]
            shuffled_log_prob = (
                log_prob_of_image(vae.likelihood(like_weights(vae, shuffled)), x).sum().item()
            )
            losses.append((intact - shuffled_log_prob) / len(x))
    return losses
