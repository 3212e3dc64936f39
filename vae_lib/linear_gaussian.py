"""A linear-Gaussian VAE: the one whose log p(x) and whose best q(z|x) are known exactly.

It has the two methods that `elbo` and `importance_weighted_bound` need, and so shows, where the
truth is known, what they do elsewhere. Tipping and Bishop (1999) call it probabilistic PCA.
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Independent, MultivariateNormal, Normal


class LinearGaussian:
    """x = W z + b + s · noise with z ~ N(0, I).

    weight: W [D, d]; bias: b [D]; noise: s. The posterior p(z|x) is Gaussian with the precision
    Λ = I + WᵀW/s² and the mean Λ⁻¹ Wᵀ (x − b)/s² (Bishop 2006, eq. 2.116).
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
        """Return the exact p(z|x), whose covariance Λ⁻¹ need not be diagonal."""
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

        It is KL(q ‖ p(z|x)) = ½ (Σⱼ log Λⱼⱼ − log det Λ), and 0 only where Λ is diagonal.
        """
        return 0.5 * (self.precision.diagonal().log().sum() - self.precision.logdet())


def correlated_model(correlation: float = 0.4) -> LinearGaussian:
    """Return a model with 5 pixels and 2 latent dimensions whose columns of W are correlated.

    With orthogonal columns (correlation 0) Λ is diagonal, the gap is 0, and no bound has anything
    to climb.
    """
    first = torch.tensor([1.0, 0.5, -0.5, 0.8, 0.0])
    other = torch.tensor([0.3, -0.9, 0.4, 0.5, 1.0])
    other = other - first * (other @ first) / (first @ first)  # now orthogonal to the first
    other = other / other.norm() * first.norm()
    second = correlation * first + (1 - correlation**2) ** 0.5 * other
    return LinearGaussian(torch.stack([first, second], dim=1), torch.linspace(-1, 1, 5), noise=0.5)
