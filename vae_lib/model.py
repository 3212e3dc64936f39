"""The VAE: an encoder x -> q(z|x) and a decoder z -> p(x|z)."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import Bernoulli, Normal

from vae_lib._checks import require_int, require_one_of
from vae_lib.color import ColorNormal
from vae_lib.latent_model import (
    Shape,
    as_image_shape,
    at_least_float32,
    like_weights,
    require_codes,
)
from vae_lib.pixels import as_unit_interval

ARCHITECTURES = ("auto", "mlp", "conv")
PIXELS = ("auto", "bernoulli", "gaussian")
HIDDEN = (512, 256)  # widths of the multilayer perceptron
CHANNELS = 16  # of the first convolution; each further convolution doubles them
Networks = tuple[nn.Sequential, nn.Sequential]  # encoder and decoder


class VAE(nn.Module):
    """Variational autoencoder for images (Kingma and Welling, 2014).

    The prior is N(0, I) and the posterior q(z|x) a diagonal Gaussian. Given z, the pixels are
    independent. Grey pixels are Bernoulli: the `log_prob` of a value between 0 and 1 is then minus
    the binary cross-entropy, which is not a normalised density. Pixels in colour are Gaussian, see
    `ColorNormal`, because the cross-entropy hardly notices a change of hue.
    """

    def __init__(
        self,
        latent_dim: int = 10,
        image_shape: Sequence[int] = (1, 28, 28),
        architecture: Literal["auto", "mlp", "conv"] = "auto",
        hidden: Sequence[int] | None = None,
        pixels: Literal["auto", "bernoulli", "gaussian"] = "auto",
    ):
        """Create a model with random weights.

        Args:
            latent_dim: d, the number of latent dimensions.
            image_shape: (C, H, W): 1 channel for grey images, 3 for colour.
            architecture: "mlp", two multilayer perceptrons; "conv", 4×4 convolutions with stride 2;
                "auto", "mlp" for grey images of 28×28 pixels, "conv" for all others.
            hidden: the encoder's layer widths ("mlp") or numbers of channels ("conv"), which the
                decoder mirrors. The defaults are (512, 256), and (16, 32, …) with as many
                convolutions as leave 4 to 7 pixels on the shorter side.
            pixels: the distribution of each pixel in p(x|z): "bernoulli", for each channel;
                "gaussian", a `ColorNormal`; "auto", "bernoulli" for images of one channel,
                "gaussian" for all others.

        Raises:
            TypeError: an argument has the wrong type.
            ValueError: an argument is out of range, or the images are too small for so many
                convolutions.
        """
        super().__init__()
        self.latent_dim = require_int("latent_dim", latent_dim, least=1)
        self.image_shape = as_image_shape("image_shape", image_shape)
        require_one_of("architecture", ARCHITECTURES, architecture)
        if architecture == "auto":
            architecture = "mlp" if self.image_shape == (1, 28, 28) else "conv"
        self.architecture = architecture
        require_one_of("pixels", PIXELS, pixels)
        if pixels == "auto":
            pixels = "bernoulli" if self.image_shape[0] == 1 else "gaussian"
        self.pixels = pixels
        if hidden is None:
            hidden = HIDDEN if architecture == "mlp" else _channels(self.image_shape)
        if isinstance(hidden, str) or not isinstance(hidden, Sequence):
            raise TypeError(f"hidden: expected numbers, got {type(hidden).__name__}")
        self.hidden = tuple(require_int("hidden", size, least=1) for size in hidden)
        build = _perceptrons if architecture == "mlp" else _convolutions
        self.encoder, self.decoder = build(self.image_shape, self.hidden, self.latent_dim)

    def encode(self, x: Tensor) -> Normal:
        """Encode images as Gaussians; nothing is sampled.

        Args:
            x: images [B, C, H, W], uint8 or float in [0, 1].

        Returns:
            q(z|x), with `mean` and `stddev` of shape [B, d], at least in float32.

        Raises:
            TypeError: x is not a tensor of uint8 or floats.
            ValueError: x has another shape than `image_shape`, or pixels outside [0, 1] or NaN.
        """
        pixels = like_weights(self, as_unit_interval(x, self.image_shape))
        if self.architecture == "mlp":
            pixels = pixels.flatten(start_dim=1)
        # `fit` may run the layers in bfloat16, which is too coarse for mean and variance
        parameters = at_least_float32(self.encoder(pixels))
        mean, log_variance = parameters.chunk(2, dim=-1)  # [B, d] each
        return Normal(mean, torch.exp(0.5 * log_variance), validate_args=False)

    def likelihood(self, z: Float[Tensor, "batch latent"]) -> Bernoulli | ColorNormal:
        """Return p(x|z), a distribution over images [B, C, H, W].

        NaN in z is not an error here, so that `fit` can report that training diverges.

        Args:
            z: latent codes [B, d].

        Raises:
            TypeError: z is not a tensor of floats.
            ValueError: z has another shape.
        """
        require_codes(z, self.latent_dim)
        logits = at_least_float32(self.decoder(like_weights(self, z)))
        logits = logits.view(-1, *self.image_shape)
        if self.pixels == "gaussian":
            return ColorNormal(torch.sigmoid(logits))
        # without validation, which would refuse pixels between 0 and 1
        return Bernoulli(logits=logits, validate_args=False)

    def decode(self, z: Float[Tensor, "batch latent"]) -> Float[Tensor, "batch c h w"]:
        """Decode latent codes to pictures: the mean of p(x|z).

        Args:
            z: latent codes [B, d].

        Returns:
            Pixels [B, C, H, W] in [0, 1].

        Raises:
            TypeError: z is not a tensor of floats.
            ValueError: z has another shape, or numbers that are not finite in the model's type.
        """
        p = self.likelihood(z)
        dtype = next(self.parameters()).dtype
        if not z.to(dtype).isfinite().all():
            name = str(dtype).removeprefix("torch.")
            raise ValueError(f"z: expected finite {name} numbers, got NaN or infinity among them")
        return p.mean

    def forward(self, x: Tensor) -> Float[Tensor, "batch c h w"]:
        """Reconstruct images from one sample of their posteriors.

        Args:
            x: images [B, C, H, W], uint8 or float in [0, 1].

        Returns:
            Pixels [B, C, H, W] in [0, 1], with gradients to both networks.
        """
        return self.decode(self.encode(x).rsample())

    def extra_repr(self) -> str:
        return f"latent_dim={self.latent_dim}, image_shape={self.image_shape}"


def _perceptron(*sizes: int) -> nn.Sequential:
    """Return linear layers, with a SiLU after each but the last."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes):
        layers += [nn.Linear(inputs, outputs), nn.SiLU()]
    return nn.Sequential(*layers[:-1])


def _perceptrons(image_shape: Shape, hidden: tuple[int, ...], latent_dim: int) -> Networks:
    pixels = math.prod(image_shape)
    encoder = _perceptron(pixels, *hidden, 2 * latent_dim)
    return encoder, _perceptron(latent_dim, *reversed(hidden), pixels)


def _channels(image_shape: Shape) -> tuple[int, ...]:
    """Return the numbers of channels that halve an image down to 4 to 7 pixels a side."""
    halvings = max(1, min(image_shape[1:]).bit_length() - 3)
    return tuple(CHANNELS * 2**i for i in range(halvings))


def _convolutions(image_shape: Shape, hidden: tuple[int, ...], latent_dim: int) -> Networks:
    """Return an encoder whose convolutions each halve the image, and the decoder mirroring it."""
    sides = [image_shape[1:]]
    for _ in hidden:
        sides.append((sides[-1][0] // 2, sides[-1][1] // 2))
    if not hidden or 0 in sides[-1]:
        raise ValueError(
            f"hidden: expected 1 to {min(image_shape[1:]).bit_length() - 1} convolutions for "
            f"images of {image_shape[1]}×{image_shape[2]} pixels, got {len(hidden)}"
        )
    down: list[nn.Module] = []
    up: list[nn.Module] = []
    for (inputs, outputs), larger in zip(pairwise((image_shape[0], *hidden)), sides, strict=False):
        down += [nn.Conv2d(inputs, outputs, kernel_size=4, stride=2, padding=1), nn.SiLU()]
        # an odd side loses its last pixel on the way down, and gets it back on the way up
        odd = (larger[0] % 2, larger[1] % 2)
        larger_again = nn.ConvTranspose2d(
            outputs, inputs, 4, stride=2, padding=1, output_padding=odd
        )
        up = [nn.SiLU(), larger_again, *up]
    smallest = (hidden[-1], *sides[-1])
    encoder = nn.Sequential(*down, nn.Flatten(), nn.Linear(math.prod(smallest), 2 * latent_dim))
    first = nn.Linear(latent_dim, math.prod(smallest))
    return encoder, nn.Sequential(first, nn.Unflatten(1, smallest), *up)
