"""`Formula`: how a rule turns the squared distance of a garment into its score."""

import math
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from vae_lib.posteriors import Posteriors
from vae_lib.rules import DISTANCE, LOG_DENSITY, RULES, STUDENT


class Formula(NamedTuple):
    """A score of a garment, computed from M² = ‖(z − μ)/scale‖²; larger is better.

    The score is bias − M²/2 for the form `LOG_DENSITY`, −M for `DISTANCE`, and
    bias + constant − (ν + d)/2 · log(1 + M²/ν) for `STUDENT`. `scale` has the shape [N, d], or [d]
    if all garments share it. The bias is minus the `log_normalizer` of the posteriors.
    """

    form: int
    scale: Tensor
    nu: float = 1.0
    constant: float = 0.0

    def scores(
        self, m2: Float[Tensor, "query garment"], bias: Float[Tensor, " garment"]
    ) -> Float[Tensor, "query garment"]:
        """Return the score at each M², by the same operations as `kernel.score_of`."""
        if self.form == LOG_DENSITY:
            return bias - 0.5 * m2
        if self.form == DISTANCE:
            return square_root(m2).neg_()
        half = 0.5 * (self.nu + self.scale.shape[-1])
        return bias - half * torch.log1p(m2 / self.nu) + self.constant


def square_root(numbers: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Return the square roots, correctly rounded as in the kernel; torch's on the CPU are not."""
    if numbers.device.type != "cpu":
        return numbers.sqrt()
    return torch.from_numpy(np.sqrt(numbers.numpy()))


def formula_of(
    rule: str, posteriors: Posteriors, rms_std: Float[Tensor, " latent"], nu: float
) -> Formula:
    """Return the formula of one of `RULES`; nu is the degrees of freedom of "student-t"."""
    scales = {"rms": rms_std, "own": posteriors.std}
    form, scale = RULES[rule].form, scales.get(RULES[rule].scale)
    if scale is None:
        scale = torch.ones_like(rms_std)
    if form != STUDENT:
        return Formula(form, scale)
    d = posteriors.latent_dim
    # the log normalizer of a Student t relative to that of a Gaussian, which is in the bias
    constant = math.lgamma((nu + d) / 2) - math.lgamma(nu / 2) - 0.5 * d * math.log(nu / 2)
    return Formula(STUDENT, scale, nu, constant)
