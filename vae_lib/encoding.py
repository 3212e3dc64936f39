"""Encode a data set: the posterior q(z|x) of every image."""

from collections.abc import Iterable

import torch
from torch import Tensor

from vae_lib._checks import is_plain, require
from vae_lib.model import VAE
from vae_lib.posteriors import Posteriors
from vae_lib.threads import one_thread

IMAGES_AT_ONCE = 1000


@torch.no_grad()
def encode_dataset(vae: VAE, x: Tensor | Iterable[Tensor]) -> Posteriors:
    """Encode a whole data set: μ(x) and σ(x) of every image. Nothing is sampled.

    x: images [N, 1, 28, 28], uint8 or float in [0, 1]; or an iterable of such batches, read one at
    a time, for a wardrobe larger than memory. The result lies on the CPU, whatever `vae` runs on.
    Raises as `VAE.encode` does, and a ValueError where there is no image.
    """
    require("vae", vae, torch.nn.Module, "a VAE")
    if not isinstance(x, Iterable):
        raise TypeError(f"x: expected a tensor or batches of images, got {type(x).__name__}")
    device = next(vae.parameters()).device
    batches = [x] if isinstance(x, Tensor) else x
    means, stds = [], []
    with one_thread():
        for batch in batches:
            if not isinstance(batch, Tensor):
                got = type(batch).__name__
                raise TypeError(f"x: expected a tensor of images or batches of them, got {got}")
            for chunk in (
                batch.split(IMAGES_AT_ONCE) if batch.dim() and is_plain(batch) else [batch]
            ):
                q = vae.encode(chunk.to(device) if is_plain(chunk) else chunk)
                means.append(q.mean.cpu())
                stds.append(q.stddev.cpu())
    if not sum(map(len, means)):
        raise ValueError("x: expected at least one image, got none")
    return Posteriors(torch.cat(means), torch.cat(stds))
