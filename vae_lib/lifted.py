"""`LiftedForm`: scores of all garments as inner products in float32, with a bound on their error.

−½‖(z − μ)/σ‖² + b is linear in [z², z]. So the score of a garment is the inner product of 2d + 1
numbers of its own with the vector [1, z², z], and the scores of all garments are one product with a
matrix. In float32 that is fast and slightly wrong; the bound says by how much at the most, so that
only a handful of garments have to be looked at again in float64.
"""

import contextlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor

GROUP = 256  # garments that are represented by the best of them in the first look
CHUNK = 65_536  # garments lifted at a time, in float64
AT_ONCE = 2**21  # float32 scores held at a time: 8 MB, which stay in the cache
UNIT_ROUNDOFF = 2.0**-24  # of float32
LARGEST = 1e22  # a number above it could overflow when it meets the square of the largest z
LARGEST_Z = 1e6
TINY = 1e-12  # covers what underflows: products below 1e-38, whatever they are multiplied with


class Candidates(NamedTuple):
    """For each query, the garments with the best computed scores, in no particular order.

    `left_out`: no other garment has a larger computed score; −∞ where there is no other.
    """

    indices: Int64[Tensor, "query candidate"]
    left_out: Float[Tensor, " query"]


class LiftedForm:
    """The matrix [2d + 1, N] whose product with [1, z², z] gives −½‖(z − μ)/scale‖² + b.

    Each score errs on the high side, by rounding alone: with s the exact score of a garment,
    computed ≥ s − allowance wherever the garment is at least as good as a known score
    (`allowance` computes it). Where one `scale` [d] serves all garments, z² adds the same to every
    score, so it is left out: then the matrix is [d + 1, N] and every score is larger by
    ½‖z'/scale‖², with z' = z − centre.

    The bound: a sum of n products of numbers that were rounded to float32 themselves errs by at
    most γ Σ|terms|, γ = m u / (1 − m u), m = n + 4, u = 2⁻²⁴, in whatever order it is summed
    (Higham, Accuracy and stability of numerical algorithms, 2nd edition 2002, section 3.1). With
    p = ‖μ'/σ‖ and U ≥ ‖(z − μ)/σ‖,

        Σ|terms| ≤ ½ Σ ((|z'| + |μ'|)/σ)² + |b| ≤ ½ (U + 2p)² + |b| ≤ U² + 4p² + |b|.

    The part that depends on the garment, γ (4p² + |b|), is added to its score beforehand; the rest
    is γ U². Centring keeps p small: without it a latent space shifted by 100 makes p, and with it
    the error, larger than the differences between the scores.
    """

    def __init__(
        self,
        mean: Float[Tensor, "garment latent"],
        scale: Tensor,
        bias: Float[Tensor, " garment"] | None = None,
    ):
        """Lift garments. scale: [N, d], or [d] for all alike; bias: b [N] float64, 0 without it."""
        garments, latent = mean.shape
        shared = scale.dim() == 1
        rows = latent + 1 if shared else 2 * latent + 1
        groups = -(-garments // GROUP)
        terms = rows + 4
        self.garments = garments
        self.scale = scale.double() if shared else None
        self.gamma = terms * UNIT_ROUNDOFF / (1 - terms * UNIT_ROUNDOFF)
        self.largest_bias = 0.0 if bias is None else float(bias.max())
        self.centre = mean.mean(dim=0, dtype=torch.float64).clamp(-LARGEST_Z, LARGEST_Z)
        self.matrix = mean.new_zeros((rows, groups * GROUP), dtype=torch.float32)
        self.matrix[0, garments:] = -torch.inf  # padding never wins
        for start in range(0, garments, CHUNK):
            part = slice(start, min(start + CHUNK, garments))
            lifted = self._lift(
                mean[part], scale if shared else scale[part], None if bias is None else bias[part]
            )
            self.matrix[:, part] = lifted.T

    def _lift(self, mean: Tensor, scale: Tensor, bias: Tensor | None) -> Tensor:
        """Return the rows [N, 2d + 1] of some garments, their allowance included, in float64."""
        scale = scale.double()
        whitened = (mean.double() - self.centre) / scale
        p2 = whitened.square().sum(dim=1)
        constant = (4 * self.gamma - 0.5) * p2
        if bias is not None:
            constant += bias + self.gamma * bias.abs()
        parts = [constant[:, None], whitened / scale]
        if self.scale is None:
            parts.insert(1, -0.5 / scale.square())
        lifted = torch.cat(parts, dim=1)
        # what float32 cannot hold, a σ of 1e-20 say, is looked at in float64 every time
        beyond = (lifted.abs().amax(dim=1) < LARGEST).logical_not()
        lifted[beyond] = 0.0
        lifted[beyond, 0] = torch.inf
        return lifted

    def vectors(self, z: Float[Tensor, "query latent"]) -> Float[Tensor, "query lifted"]:
        """Return the vector [1, z'², z'] of each query, float32; z: float64."""
        centred = z - self.centre
        parts = [torch.ones_like(centred[:, :1]), centred]
        if self.scale is None:
            parts.insert(1, centred.square())
        return torch.cat(parts, dim=1).float()

    def offset(self, z: Float[Tensor, "query latent"]) -> Float[Tensor, " query"]:
        """Return what every score is too large by, since z² was left out; float64."""
        if self.scale is None:
            return z.new_zeros(len(z))
        return 0.5 * ((z - self.centre) / self.scale).square().sum(dim=1)

    def allowance(self, best: Float[Tensor, " query"]) -> Float[Tensor, " query"]:
        """Return how far below its exact score a computed one can lie, γU² and a little.

        Holds for every garment whose exact score −½‖(z − μ)/scale‖² + b is `best` or better: its
        ‖(z − μ)/scale‖² is at most U² = 2 (max b − best).
        """
        return 2 * self.gamma * (self.largest_bias - best).clamp(min=0) + TINY

    def candidates(self, vectors: Float[Tensor, "query lifted"], count: int) -> Candidates:
        """Return `count` garments for each query, found by their computed scores.

        In two steps, since a full `topk` would take longer than the product itself: the best score
        of each group of garments first, then every score in the `count` best groups, which hold
        the `count` best garments.
        """
        groups = self.matrix.shape[1] // GROUP
        columns = max(1, AT_ONCE // max(1, len(vectors)) // GROUP) * GROUP
        with full_float32(self.matrix.device):
            best_of_group = torch.cat(
                [
                    (vectors @ block).unflatten(1, (-1, GROUP)).amax(dim=2)
                    for block in self.matrix.split(columns, dim=1)
                ],
                dim=1,
            )
            top = best_of_group.topk(min(count, groups), dim=1, sorted=False)
            rows = max(1, AT_ONCE // (top.indices.shape[1] * GROUP * len(self.matrix)))
            parts = [
                self._best_in_groups(*part, count)
                for part in zip(vectors.split(rows), top.indices.split(rows), strict=True)
            ]
        indices, left_out = (torch.cat(part) for part in zip(*parts, strict=True))
        if count < groups:
            left_out = torch.maximum(left_out, top.values.amin(dim=1))
        return Candidates(indices, left_out)

    def _best_in_groups(
        self, vectors: Tensor, groups: Int64[Tensor, "query group"], count: int
    ) -> Candidates:
        """Return the `count` best garments among some groups of each query's own."""
        queries, chosen = groups.shape
        panels = self.matrix.unflatten(1, (-1, GROUP)).index_select(1, groups.flatten())
        panels = panels.view(len(self.matrix), queries, chosen * GROUP).transpose(
            0, 1
        )  # [Q, 2d + 1, ...]
        scores = torch.bmm(vectors[:, None, :], panels).squeeze(1)
        count = min(count, self.garments)
        top = scores.topk(count, dim=1, sorted=False)
        group = groups.gather(1, top.indices // GROUP)
        left_out = top.values.amin(dim=1)
        if count == self.garments:
            left_out = torch.full_like(left_out, -torch.inf)
        return Candidates(group * GROUP + top.indices % GROUP, left_out)

    def at_least(self, vector: Float[Tensor, " lifted"], threshold: Tensor) -> Int64[Tensor, " n"]:
        """Return all garments whose computed score for one query reaches a threshold, in order."""
        with full_float32(self.matrix.device):
            scores = vector @ self.matrix[:, : self.garments]
        return (scores >= threshold).nonzero().squeeze(1)


@contextlib.contextmanager
def full_float32(device: torch.device) -> Iterator[None]:
    """Multiply float32 matrices in float32, whatever the user allows elsewhere.

    TF32 on a GPU, bfloat16 on a CPU, and autocast keep 10 bits or fewer of each factor: far
    outside the bound.
    """
    backends: list[Any] = [torch.backends.cuda.matmul, torch.backends.mkldnn.matmul]  # type: ignore[attr-defined]
    before = [backend.fp32_precision for backend in backends]
    for backend in backends:
        backend.fp32_precision = "ieee"
    try:
        with torch.autocast(device.type, enabled=False):
            yield
    finally:
        for backend, precision in zip(backends, before, strict=True):
            backend.fp32_precision = precision
