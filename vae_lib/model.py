"""The VAE: an encoder x -> q(z|x) and a decoder z -> p(x|z), two small multilayer perceptrons."""

from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import Bernoulli, Normal

from vae_lib._checks import is_float, require_int
from vae_lib.pixels import as_unit_interval

PIXELS = 28 * 28
HIDDEN = (512, 256)


def _perceptron(*sizes: int) -> nn.Sequential:
    """Return linear layers with SiLU between them, and none after the last."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes):
        layers += [nn.Linear(inputs, outputs), nn.SiLU()]
    return nn.Sequential(*layers[:-1])


class VAE(nn.Module):
    """Variational autoencoder for 28×28 grey images (Kingma and Welling, 2014).

    The prior is N(0, I), the posterior q(z|x) a diagonal Gaussian, and p(x|z) a Bernoulli for each
    pixel, whose `log_prob` also takes grey values: it is then minus the binary cross-entropy.
    """

    def __init__(self, latent_dim: int = 10):
        super().__init__()
        require_int("latent_dim", latent_dim, least=1)
        self.latent_dim = latent_dim
        self.encoder = _perceptron(PIXELS, *HIDDEN, 2 * latent_dim)
        self.decoder = _perceptron(latent_dim, *reversed(HIDDEN), PIXELS)

    def encode(self, x: Tensor) -> Normal:
        """Return q(z|x), with `mean` and `stddev` of shape [B, d]; nothing is sampled.

        x: images [B, 1, 28, 28], uint8 or float in [0, 1]. Raises as `as_unit_interval` does.
        """
        pixels = as_unit_interval(x, (1, 28, 28)).flatten(start_dim=1)  # [B, 784]
        # the layers may run in bfloat16 (see `fit`); mean and variance never do
        mean, log_variance = self.encoder(pixels).float().chunk(2, dim=-1)  # [B, d] each
        return Normal(mean, torch.exp(0.5 * log_variance), validate_args=False)

    def likelihood(self, z: Float[Tensor, "batch latent"]) -> Bernoulli:
        """Return p(x|z), independent over pixels, of shape [B, 1, 28, 28].

        Raises a TypeError where z is no tensor of floats, a ValueError where it is not of shape
        [B, d]. NaN passes through: a training that
        diverges is for `fit` to tell.
        """
        if not isinstance(z, Tensor) or not is_float(z):
            got = f"{z.dtype}, {z.layout}" if isinstance(z, Tensor) else type(z).__name__
            raise TypeError(f"z: expected a tensor of floats [B, {self.latent_dim}], got {got}")
        if z.dim() != 2 or z.shape[1] != self.latent_dim:
            raise ValueError(f"z: expected shape [B, {self.latent_dim}], got {list(z.shape)}")
        logits = self.decoder(z.float()).float()
        # without validation, because grey pixels are no draws from a Bernoulli
        return Bernoulli(logits=logits.view(-1, 1, 28, 28), validate_args=False)

    def decode(self, z: Float[Tensor, "batch latent"]) -> Float[Tensor, "batch 1 28 28"]:
        """Return the pixel probabilities of p(x|z), in [0, 1].

        Raises a TypeError where z is no tensor of floats, a ValueError where it is not finite or
        not of shape [B, d].
        """
        p = self.likelihood(z)
        if not z.float().isfinite().all():
            raise ValueError("z: expected finite float32 numbers, got NaN or infinity among them")
        return p.mean

    def extra_repr(self) -> str:
        return f"latent_dim={self.latent_dim}"
