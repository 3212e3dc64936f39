"""The scale of the sliders: z itself, or its percentile under the prior."""

from dataclasses import dataclass
from statistics import NormalDist

import torch
from torch import Tensor

PRIOR = NormalDist()


@dataclass(frozen=True)
class Scale:
    """The range and the steps of the sliders, and whether they read percentiles."""

    low: float
    high: float
    step: float
    percentiles: bool
    unit: str

    def place(self, z: float) -> float:
        """Return where z lies on this scale, perhaps beyond its ends."""
        return 100 * PRIOR.cdf(z) if self.percentiles else z

    def nearest(self, z: float) -> float:
        """Return the place on the slider that is nearest to z."""
        return min(max(self.place(z), self.low), self.high)

    def holds(self, z: float) -> bool:
        """Return whether z is within the slider's ends."""
        return self.low <= self.place(z) <= self.high

    def shares(self, z: Tensor) -> Tensor:
        """Return how far along the slider each z lies, from 0 at the low end to 1 at the high."""
        place = 100 * torch.special.ndtr(z) if self.percentiles else z
        return ((place - self.low) / (self.high - self.low)).clamp(0, 1)

    def z(self, place: float) -> float:
        """Return the z at a place.

        Raises:
            ValueError: a percentile outside 0 to 100.
        """
        if not self.percentiles:
            return float(place)
        if not 0 < place < 100:
            raise ValueError(f"Expected a percentile between 0 and 100, got {place:g}.")
        return PRIOR.inv_cdf(place / 100)


AS_Z = Scale(-5, 5, 0.05, percentiles=False, unit="as a number")
AS_PERCENTILES = Scale(0.5, 99.5, 0.5, percentiles=True, unit="as a percentile of the prior")
