"""The evidence lower bound (ELBO), its parts, and a tighter bound.

These functions need two methods of a model: `encode(x)`, which returns q(z|x) as a Normal, and
`likelihood(z)`, which returns p(x|z). The prior is N(0, I). They work with every model that has the
two methods, including one whose log p(x) is known exactly.
"""

import math
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution, Normal

from vae_lib._checks import is_plain, require, require_int
from vae_lib.latent_model import ModelWithLikelihood, device_of, like_weights, require_model


class ElboTerms(NamedTuple):
    """The ELBO of each image and its parts, in nats per image; see `elbo`."""

    elbo: Float[Tensor, "*batch"]
    reconstruction: Float[Tensor, "*batch"]
    kl: Float[Tensor, "*batch"]
    kl_per_dimension: Float[Tensor, "*batch latent"]


def kl_to_prior(q: Normal) -> Float[Tensor, "*batch"]:
    """Compute KL(q ‖ N(0, 1)) of each dimension: ½ (μ² + σ² − 1 − log σ²).

    Args:
        q: a Normal, of shape [B, d] for example.

    Returns:
        The divergence in nats, of the shape of q.

    Raises:
        TypeError: q is not a distribution.

    Reference:
        Kingma and Welling, Auto-Encoding Variational Bayes (2014), appendix B.
    """
    require("q", q, Distribution, "a Normal")
    return 0.5 * (q.mean**2 + q.variance - 1) - q.stddev.log()


def log_prob_of_image(p: Distribution, x: Tensor) -> Float[Tensor, " batch"]:
    """Compute log p(x|z) of each image: the *sum* over its pixels, in nats.

    Raises:
        ValueError: p is not a distribution over images of the shape of x.
    """
    shape = p.batch_shape + p.event_shape
    if shape != x.shape:  # [B, H, W] and [B, 1, H, W] would broadcast to [B, B, H, W]
        raise ValueError(
            f"likelihood: expected a distribution over images {list(x.shape)}, got {list(shape)}"
        )
    log_prob = p.log_prob(x)  # [B, ...], or [B] if the distribution already sums over pixels
    return log_prob.flatten(start_dim=1).sum(dim=1) if log_prob.dim() > 1 else log_prob


def encode_images(vae: ModelWithLikelihood, x: Tensor) -> tuple[Normal, Tensor]:
    """Return q(z|x), and x as floats on the model's device.

    Raises:
        TypeError: the model lacks `encode` or `likelihood`, or x is not a tensor.
        ValueError: the latent codes are not of shape [B, d].
    """
    require_model(vae, "encode", "likelihood")
    require("x", x, Tensor, "a tensor of images")
    if not is_plain(x):
        raise TypeError(f"x: expected a dense tensor of images, got {x.layout} on {x.device}")
    x = x.to(device_of(vae))
    x = x.to(torch.float32) / 255 if x.dtype == torch.uint8 else x
    q = vae.encode(like_weights(vae, x))
    if q.mean.dim() != 2 or len(q.mean) != len(x):
        expected = f"encode to return a Normal of shape [{len(x)}, d]"
        got = f"{list(q.mean.shape)}; flatten the latent codes, or wrap the model in vae_lib.adapt"
        raise ValueError(f"vae: expected {expected}, got {got}")
    return q, x


def draw_noise(q: Normal, generator: torch.Generator | None) -> Float[Tensor, "batch latent"]:
    """Draw ε from N(0, I), of the shape and on the device of q."""
    require("generator", generator, (torch.Generator, type(None)), "a torch.Generator or None")
    # drawn on the generator's device, so that a seed gives the same noise wherever the model is
    device = generator.device if generator is not None else q.mean.device
    noise = torch.randn(q.mean.shape, generator=generator, device=device, dtype=q.mean.dtype)
    return noise.to(q.mean.device)


def elbo(
    vae: ModelWithLikelihood,
    x: Tensor,
    eps: Float[Tensor, "batch latent"] | None = None,
    generator: torch.Generator | None = None,
) -> ElboTerms:
    """Estimate ELBO = E_q[log p(x|z)] − KL(q(z|x) ‖ p(z)) of each image from one sample.

    The sample is z = μ + σ ⊙ ε, so that gradients reach both networks.

    Args:
        vae: a model with `encode` and `likelihood`.
        x: images [B, ...], uint8 or float.
        eps: the noise ε [B, d]; by default drawn from N(0, I).
        generator: the generator of random numbers that draws ε.

    Returns:
        The ELBO, reconstruction and KL of each image [B], and the KL of each dimension [B, d], in
        nats per image.

    Raises:
        TypeError: the model lacks a method, or an argument has the wrong type.
        ValueError: eps has another shape than μ, or the model's latent codes are not [B, d].

    Reference:
        Kingma and Welling, Auto-Encoding Variational Bayes (2014), equation 10.
    """
    q, x = encode_images(vae, x)
    if eps is None:
        eps = draw_noise(q, generator)
    require("eps", eps, Tensor, "a tensor")
    if eps.shape != q.mean.shape or not is_plain(eps):
        raise ValueError(f"eps: expected shape {list(q.mean.shape)}, got {list(eps.shape)}")
    z = q.mean + q.stddev * eps.to(q.mean)
    reconstruction = log_prob_of_image(vae.likelihood(like_weights(vae, z)), x)
    kl_per_dimension = kl_to_prior(q)
    kl = kl_per_dimension.sum(dim=1)
    return ElboTerms(reconstruction - kl, reconstruction, kl, kl_per_dimension)


@torch.no_grad()
def importance_weighted_bound(
    vae: ModelWithLikelihood,
    x: Tensor,
    samples: int = 64,
    generator: torch.Generator | None = None,
) -> Float[Tensor, " batch"]:
    """Estimate the bound log (1/K) Σₖ p(x|zₖ) p(zₖ) / q(zₖ|x), zₖ drawn from q(z|x).

    In expectation it lies between the ELBO (K = 1) and log p(x), and it grows with K. A single
    estimate may exceed log p(x).

    Args:
        vae: a model with `encode` and `likelihood`.
        x: images [B, ...], uint8 or float.
        samples: K, the number of latent codes drawn for each image.
        generator: the generator of random numbers that draws them.

    Returns:
        The bound of each image [B], in nats per image.

    Raises:
        TypeError: the model lacks a method, or an argument has the wrong type.
        ValueError: samples is below 1, or the model's latent codes are not [B, d].

    Reference:
        Burda, Grosse and Salakhutdinov, Importance Weighted Autoencoders (2016), theorem 1.
    """
    samples = require_int("samples", samples, least=1)
    q, x = encode_images(vae, x)
    prior = Normal(torch.zeros_like(q.mean), torch.ones_like(q.mean))
    log_weights = []
    for _ in range(samples):  # one at a time: K copies of the images need not fit into memory
        z = q.mean + q.stddev * draw_noise(q, generator)
        log_weight = log_prob_of_image(vae.likelihood(like_weights(vae, z)), x)
        log_weight += (prior.log_prob(z) - q.log_prob(z)).sum(dim=1)
        log_weights.append(log_weight)
    return torch.logsumexp(torch.stack(log_weights), dim=0) - math.log(samples)
