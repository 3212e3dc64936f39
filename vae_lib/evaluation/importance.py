"""Importance sampling of the true posterior p(z|x): can σ be trusted?"""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Normal

from vae_lib.objective import LatentVariableModel, _as_float, log_prob_of_image
from vae_lib.threads import one_thread


class ImportanceMoments(NamedTuple):
    """What is known of p(z|x) ∝ p(x|z) p(z), in float64; see `importance_moments`."""

    mean: Float[Tensor, "batch latent"]
    covariance: Float[Tensor, "batch latent latent"]
    effective_samples: Float[Tensor, " batch"]

    @property
    def std(self) -> Float[Tensor, "batch latent"]:
        """The posterior's standard deviation in each dimension: the roots of the diagonal."""
        return self.covariance.diagonal(dim1=-2, dim2=-1).sqrt()


@torch.no_grad()
def importance_moments(
    vae: LatentVariableModel,
    x: Tensor,
    samples: int = 4000,
    generator: torch.Generator | None = None,
    widen: float = 1.5,
) -> ImportanceMoments:
    """Estimate mean and covariance of p(z|x), which is proportional to p(x|z) p(z), for each image.

    On grey pixels p(x|z) is no density over x: its integral depends on z. Then this is not the
    posterior of a proper model of pictures, but still the distribution with the largest ELBO.

    Self-normalised importance sampling (Owen, Monte Carlo theory, methods and examples, 2013,
    sections 9.2 and 9.3): zₖ is drawn from r(z) = N(μ(x), diag (widen · σ(x))²), weighted by
    wₖ = p(x|zₖ) p(zₖ) / r(zₖ). An estimate is as good as one from (Σ wₖ)² / Σ wₖ² draws from
    p(z|x) itself, its effective samples, roughly; where they are few, do not rely on it.

    x: images [B, ...], uint8 or float. samples: K, the draws for each image.
    widen: c, how much wider r is than q. With 1 it is q itself; but in a direction in which the
    posterior is √2 times as wide as r or more, the weights have no finite variance (for Gaussians),
    and the posterior of a VAE is often wider than q. Widening costs effective samples: where q is
    exact, the share left is (√(2c² − 1) / c²)^d.
    Raises a ValueError where samples < 2 or widen is not above 0.
    """
    if samples < 2:
        raise ValueError(f"samples: expected at least 2, got {samples}")
    if not 0 < widen < float("inf"):
        raise ValueError(f"widen: expected a number above 0, got {widen}")
    q = vae.encode(x)
    prior = Normal(torch.zeros_like(q.mean[0]), torch.ones_like(q.mean[0]))
    device = generator.device if generator is not None else q.mean.device
    found = []
    with one_thread():
        for image, mean, std in zip(_as_float(x), q.mean, widen * q.stddev, strict=True):
            eps = torch.randn(samples, len(mean), generator=generator, device=device)
            z = mean + std * eps.to(mean)  # [K, d]
            log_weights = log_prob_of_image(vae.likelihood(z), image.expand(samples, *image.shape))
            log_weights += (prior.log_prob(z) - Normal(mean, std).log_prob(z)).sum(dim=1)
            found.append(_weighted_moments(z.double(), log_weights.double()))
    return ImportanceMoments(*(torch.stack(part) for part in zip(*found, strict=True)))


def _weighted_moments(
    z: Float[Tensor, "sample latent"], log_weights: Float[Tensor, " sample"]
) -> tuple[Tensor, Tensor, Tensor]:
    """Return mean [d], covariance [d, d] and effective number of weighted samples."""
    weights = log_weights.softmax(dim=0)  # normalised: they sum to 1
    mean = weights @ z
    difference = z - mean
    covariance = difference.T @ (weights[:, None] * difference)
    return mean, covariance, 1 / weights.square().sum()
