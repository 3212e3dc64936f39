"""A linear-Gaussian VAE, whose log p(x) and best q(z|x) are known exactly.

It has the two methods that `elbo` and `importance_weighted_bound` need, so that their results can
be compared with exact ones. Tipping and Bishop (1999) call this model probabilistic PCA.
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Independent, MultivariateNormal, Normal


class LinearGaussian:
    """The model x = W z + b + s ε, with z and ε drawn from N(0, I).

    The posterior p(z|x) is Gaussian with the precision Λ = I + WᵀW/s² and the mean
    Λ⁻¹ Wᵀ (x − b)/s².

    Args:
        weight: W, of shape [D, d] for D pixels.
        bias: b, of shape [D].
        noise: s, the standard deviation of each pixel given z.

    Reference:
        Bishop, Pattern Recognition and Machine Learning (2006), equation 2.116.
    """

    def __init__(
        self, weight: Float[Tensor, "pixel latent"], bias: Float[Tensor, " pixel"], noise: float
    ):
        self.weight, self.bias, self.noise = weight, bias, noise
        self.latent_dim = weight.shape[1]
        self.precision = torch.eye(self.latent_dim) + weight.T @ weight / noise**2

    def encode(self, x: Float[Tensor, "batch pixel"]) -> Normal:
        """Return the diagonal q(z|x) with the largest ELBO: the exact mean, and σⱼ² = 1/Λⱼⱼ."""
        return Normal(self.posterior(x).mean, self.precision.diagonal().rsqrt())

    def posterior(self, x: Float[Tensor, "batch pixel"]) -> MultivariateNormal:
        """Return the exact p(z|x), whose covariance Λ⁻¹ is not diagonal in general."""
        towards = self.weight.T @ (x - self.bias).T / self.noise**2
        mean = torch.linalg.solve(self.precision, towards).T
        return MultivariateNormal(mean, precision_matrix=self.precision)

    def likelihood(self, z: Float[Tensor, "batch latent"]) -> Independent:
        """Return p(x|z) = N(W z + b, s² I)."""
        return Independent(Normal(z @ self.weight.T + self.bias, self.noise), 1)

    def log_prob(self, x: Float[Tensor, "batch pixel"]) -> Float[Tensor, " batch"]:
        """Return the exact log p(x), the density of N(b, W Wᵀ + s² I), in nats."""
        identity = torch.eye(len(self.bias), dtype=self.weight.dtype)
        covariance = self.weight @ self.weight.T + self.noise**2 * identity
        return MultivariateNormal(self.bias, covariance).log_prob(x)

    def gap(self) -> Float[Tensor, ""]:
        """Return log p(x) − ELBO for the q of `encode`, the same for every x, in nats.

        The gap is KL(q ‖ p(z|x)) = ½ (Σⱼ log Λⱼⱼ − log det Λ), which is 0 only if Λ is diagonal.
        """
        return 0.5 * (self.precision.diagonal().log().sum() - self.precision.logdet())


def correlated_model(correlation: float = 0.4) -> LinearGaussian:
    """Return a model with 5 pixels and 2 latent dimensions whose columns of W are correlated.

    With orthogonal columns (correlation 0) Λ is diagonal and the gap is 0, so that no bound can
    improve on the ELBO.
    """
    first = torch.tensor([1.0, 0.5, -0.5, 0.8, 0.0])
    other = torch.tensor([0.3, -0.9, 0.4, 0.5, 1.0])
    other = other - first * (other @ first) / (first @ first)  # now orthogonal to the first
    other = other / other.norm() * first.norm()
    second = correlation * first + (1 - correlation**2) ** 0.5 * other
    return LinearGaussian(torch.stack([first, second], dim=1), torch.linspace(-1, 1, 5), noise=0.5)
