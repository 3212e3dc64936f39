"""The evidence lower bound (ELBO), its parts, and a tighter bound.

These functions know a model only by `encode(x)`, which returns q(z|x) as a Normal, by
`likelihood(z)`, which returns p(x|z), and by the prior N(0, I). Every model with these two methods
will do, one whose log p(x) is known exactly included.
"""

import math
from typing import NamedTuple, Protocol

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution, Normal

from vae_lib._checks import require, require_int


class LatentVariableModel(Protocol):
    """What the bounds need of a model."""

    def encode(self, x: Tensor) -> Normal: ...

    def likelihood(self, z: Tensor) -> Distribution: ...


class ElboTerms(NamedTuple):
    """The ELBO of each image and its parts, in nats per image; see `elbo`."""

    elbo: Float[Tensor, " batch"]
    reconstruction: Float[Tensor, " batch"]
    kl: Float[Tensor, " batch"]
    kl_per_dimension: Float[Tensor, "batch latent"]


def kl_to_prior(q: Normal) -> Float[Tensor, "batch latent"]:
    """Return KL(q ‖ N(0, 1)) of each dimension, in nats.

    ½ (μ² + σ² − 1 − log σ²): Kingma and Welling,
    Auto-Encoding Variational Bayes (2014), appendix B.
    """
    require("q", q, Distribution, "a Normal")
    return 0.5 * (q.mean**2 + q.variance - 1) - q.stddev.log()


def log_prob_of_image(p: Distribution, x: Tensor) -> Float[Tensor, " batch"]:
    """Return log p(x|z) of each image: the *sum* over its pixels, in nats."""
    log_prob = p.log_prob(x)  # [B, ...], or [B] where the distribution has summed already
    return log_prob.flatten(start_dim=1).sum(dim=1) if log_prob.dim() > 1 else log_prob


def _require_model(vae: object) -> None:
    if not (hasattr(vae, "encode") and hasattr(vae, "likelihood")):
        got = type(vae).__name__
        raise TypeError(f"vae: expected a model with encode and likelihood, got {got}")


def _as_float(x: Tensor) -> Tensor:
    return x.float() / 255 if x.dtype == torch.uint8 else x


def _noise(q: Normal, generator: torch.Generator | None) -> Float[Tensor, "batch latent"]:
    require("generator", generator, (torch.Generator, type(None)), "a torch.Generator or None")
    # drawn where the generator lives, so that a seed means the same on every device
    device = generator.device if generator is not None else q.mean.device
    noise = torch.randn(q.mean.shape, generator=generator, device=device, dtype=q.mean.dtype)
    return noise.to(q.mean.device)


def elbo(
    vae: LatentVariableModel,
    x: Tensor,
    eps: Float[Tensor, "batch latent"] | None = None,
    generator: torch.Generator | None = None,
) -> ElboTerms:
    """Return ELBO = E_q[log p(x|z)] − KL(q(z|x) ‖ p(z)) of each image, in nats per image.

    The expectation is estimated with one sample z = μ + σ ⊙ ε (Kingma and Welling, 2014, eq. 10).
    x: images [B, ...], uint8 or float. eps: the noise ε [B, d]; drawn with `generator` by default.
    Raises a ValueError where eps has another shape than μ.
    """
    _require_model(vae)
    q = vae.encode(x)
    if eps is None:
        eps = _noise(q, generator)
    elif not isinstance(eps, Tensor):
        raise TypeError(f"eps: expected a tensor, got {type(eps).__name__}")
    elif eps.shape != q.mean.shape:
        raise ValueError(f"eps: expected shape {list(q.mean.shape)}, got {list(eps.shape)}")
    z = q.mean + q.stddev * eps  # gradients pass to the mean and the stddev
    reconstruction = log_prob_of_image(vae.likelihood(z), _as_float(x))
    kl_per_dimension = kl_to_prior(q)
    kl = kl_per_dimension.sum(dim=1)
    return ElboTerms(reconstruction - kl, reconstruction, kl, kl_per_dimension)


@torch.no_grad()
def importance_weighted_bound(
    vae: LatentVariableModel,
    x: Tensor,
    samples: int = 64,
    generator: torch.Generator | None = None,
) -> Float[Tensor, " batch"]:
    """Return log (1/K) Σₖ p(x|zₖ) p(zₖ) / q(zₖ|x), zₖ drawn from q(z|x), in nats per image.

    In expectation it lies between the ELBO (K = 1) and log p(x), and grows with K = `samples`:
    Burda, Grosse and Salakhutdinov, Importance Weighted Autoencoders (2016), theorem 1. A single
    estimate may exceed log p(x). Raises a ValueError where samples < 1.
    """
    _require_model(vae)
    require_int("samples", samples, least=1)
    q = vae.encode(x)
    prior = Normal(torch.zeros_like(q.mean), torch.ones_like(q.mean))
    log_weights = []
    for _ in range(samples):  # one at a time: K copies of the images need not fit into memory
        z = q.mean + q.stddev * _noise(q, generator)
        log_weight = log_prob_of_image(vae.likelihood(z), _as_float(x))
        log_weight += (prior.log_prob(z) - q.log_prob(z)).sum(dim=1)
        log_weights.append(log_weight)
    return torch.logsumexp(torch.stack(log_weights), dim=0) - math.log(samples)
