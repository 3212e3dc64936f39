"""Encode a data set: the posterior q(z|x) of every image."""

from collections.abc import Iterable

import torch
from torch import Tensor

from vae_lib._checks import is_plain, require
from vae_lib.latent_model import LatentModel, evaluation_mode, like_weights, require_model
from vae_lib.pixels import as_unit_interval
from vae_lib.posteriors import Posteriors
from vae_lib.threads import one_thread

IMAGES_AT_ONCE = 1000


@torch.no_grad()
def encode_dataset(vae: LatentModel, x: Tensor | Iterable[Tensor]) -> Posteriors:
    """Encode a whole data set: μ(x) and σ(x) of every image; nothing is sampled.

    A module is used in evaluation mode and then returned to the mode it was in, so that dropout and
    batch normalisation give the same answer every time.

    Args:
        vae: a model with `encode`, on any device; a model of another library through `adapt`.
        x: images [N, C, H, W], uint8 or float in [0, 1]; or an iterable of such batches, read one
            at a time, for a data set larger than memory.

    Returns:
        The posteriors of all images, in float32 on the CPU.

    Raises:
        TypeError: the model has no `encode`, or x is not a tensor or batches of them.
        ValueError: there is no image, or images have the wrong shape or range.
    """
    require_model(vae, "encode", "latent_dim", "image_shape")
    require("x", x, Iterable, "a tensor or batches of images")
    means, stds = [], []
    with evaluation_mode(vae), one_thread():
        for batch in [x] if isinstance(x, Tensor) else x:
            require("x", batch, Tensor, "a tensor of images or batches of them")
            splits = batch.dim() and is_plain(batch)
            for chunk in batch.split(IMAGES_AT_ONCE) if splits else [batch]:
                pixels = as_unit_interval(chunk, vae.image_shape)
                q = vae.encode(like_weights(vae, pixels))
                if q.mean.shape != (len(chunk), vae.latent_dim):
                    raise ValueError(
                        f"vae: expected encode to return a Normal of shape [{len(chunk)}, "
                        f"{vae.latent_dim}], got {list(q.mean.shape)}; see vae_lib.adapt"
                    )
                means.append(q.mean.cpu())
                stds.append(q.stddev.cpu())
    if not sum(map(len, means)):
        raise ValueError("x: expected at least one image, got none")
    return Posteriors(torch.cat(means), torch.cat(stds))
