"""Importance sampling of the true posterior p(z|x), to check the encoder's σ."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Normal

from vae_lib._checks import require_int
from vae_lib.latent_model import ModelWithLikelihood, like_weights
from vae_lib.objective import draw_noise, encode_images, log_prob_of_image
from vae_lib.threads import one_thread


class ImportanceMoments(NamedTuple):
    """Estimated moments of p(z|x) in float64, and the effective sample size for each image."""

    mean: Float[Tensor, "batch latent"]
    covariance: Float[Tensor, "batch latent latent"]
    effective_samples: Float[Tensor, " batch"]

    @property
    def std(self) -> Float[Tensor, "batch latent"]:
        """The standard deviation of p(z|x) in each dimension."""
        return self.covariance.diagonal(dim1=-2, dim2=-1).sqrt()


@torch.no_grad()
def importance_moments(
    vae: ModelWithLikelihood,
    x: Tensor,
    samples: int = 4000,
    generator: torch.Generator | None = None,
    widen: float = 1.5,
) -> ImportanceMoments:
    """Estimate the mean and covariance of p(z|x) ∝ p(x|z) p(z) for each image.

    The method is self-normalised importance sampling. Each zₖ is drawn from the proposal
    r(z) = N(μ(x), diag (widen · σ(x))²) and weighted by wₖ = p(x|zₖ) p(zₖ) / r(zₖ). The estimate is
    roughly as precise as one from (Σ wₖ)² / Σ wₖ² independent draws from p(z|x). This number is the
    effective sample size; do not rely on an estimate for which it is small.

    On grey pixels p(x|z) is not a density over x, because its integral depends on z. The estimated
    distribution is then not the posterior of a proper model of pictures, but it is still the
    distribution that maximises the ELBO.

    Args:
        vae: a model with `encode` and `likelihood`.
        x: images [B, ...], uint8 or float in [0, 1].
        samples: K, the number of draws for each image.
        generator: the source of the draws.
        widen: c, the standard deviation of r divided by that of q. For Gaussians the weights have
            no finite variance in a direction in which the posterior is at least √2 times as wide as
            r, and the posterior of a VAE is often wider than q. Where q is exact, widening leaves
            a share of (√(2c² − 1) / c²)^d of the samples effective.

    Returns:
        The mean [B, d], the covariance [B, d, d] and the effective sample size [B].

    Raises:
        TypeError: the model lacks a method, or an argument has the wrong type.
        ValueError: there is no image, samples < 2, or widen is not a finite number above 0.

    Reference:
        Owen, Monte Carlo theory, methods and examples (2013), sections 9.2 and 9.3.
    """
    samples = require_int("samples", samples, least=2)
    if not 0 < widen < float("inf"):
        raise ValueError(f"widen: expected a number above 0, got {widen}")
    q, x = encode_images(vae, x)
    if len(x) == 0:
        raise ValueError("x: expected at least one image, got none")
    prior = Normal(torch.zeros_like(q.mean[0]), torch.ones_like(q.mean[0]))
    found = []
    with one_thread():
        for image, mean, std in zip(x, q.mean, widen * q.stddev, strict=True):
            r = Normal(mean, std).expand((samples, len(mean)))
            z = r.mean + r.stddev * draw_noise(r, generator)  # [K, d]
            p = vae.likelihood(like_weights(vae, z))
            log_weights = log_prob_of_image(p, image.expand(samples, *image.shape))
            log_weights += (prior.log_prob(z) - r.log_prob(z)).sum(dim=1)
            # on the CPU, since not every device has float64
            found.append(_weighted_moments(z.cpu().double(), log_weights.cpu().double()))
    return ImportanceMoments(*(torch.stack(part) for part in zip(*found, strict=True)))


def _weighted_moments(
    z: Float[Tensor, "sample latent"], log_weights: Float[Tensor, " sample"]
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the mean [d], the covariance [d, d] and the effective sample size."""
    weights = log_weights.softmax(dim=0)  # self-normalised: they sum to 1
    mean = weights @ z
    difference = z - mean
    covariance = difference.T @ (weights[:, None] * difference)
    return mean, covariance, 1 / weights.square().sum()
