"""`ColorNormal`, a distribution of images in colour that notices a change of hue."""

import math

from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution

SIDE = 32  # pixels; the two standard deviations hold for images of this size
LIGHTNESS_STD = 0.8  # of a pixel's lightness, where black to white is √C
HUE_STD = 0.2  # of what remains of a pixel, in each of the C − 1 directions without lightness


class ColorNormal(Distribution):
    """A Gaussian for each pixel, wide in lightness and narrow in hue.

    The lightness of a pixel is the sum of its C channels, divided by √C. Folds, shadows and edges
    change it in many pixels; with equal standard deviations they would outweigh a change of hue.
    Neighbouring pixels err together, so an image of four times the pixels does not tell four times
    as much: both standard deviations are larger than the error of one pixel, and are proportional
    to the side of the image. A pixel with one channel has only lightness.
    """

    def __init__(self, mean: Float[Tensor, "batch c h w"]):
        """Create the distribution from its mean [B, C, H, W]; the pixels are independent."""
        self._mean = mean
        super().__init__(mean.shape[:1], mean.shape[1:], validate_args=False)

    @property
    def mean(self) -> Float[Tensor, "batch c h w"]:
        """The mean [B, C, H, W]."""
        return self._mean

    def log_prob(self, value: Float[Tensor, "batch c h w"]) -> Float[Tensor, " batch"]:
        """Compute the log density of images [B, C, H, W], summed over pixels, in nats."""
        channels, height, width = self._mean.shape[1:]
        scale = math.sqrt(height * width) / SIDE
        lightness_std, hue_std = scale * LIGHTNESS_STD, scale * HUE_STD
        difference = value - self._mean
        lightness = difference.sum(dim=1).square() / channels  # [B, H, W], squared, like hue
        hue = difference.square().sum(dim=1) - lightness
        exponent = (lightness / lightness_std**2 + hue / hue_std**2) / 2
        log_std = math.log(lightness_std) + (channels - 1) * math.log(hue_std)
        return -(exponent + log_std + channels / 2 * math.log(2 * math.pi)).sum(dim=(1, 2))
