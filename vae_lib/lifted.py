"""`LiftedForm`: scores of all garments as inner products in float32, with a bound on their error.

−½‖(z − μ)/σ‖² + b is linear in [z², z]. So the score of a garment is the inner product of 2d + 1
numbers of its own with the vector [1, z², z], and the scores of all garments are one product with a
matrix. In float32 that is fast and slightly wrong; the bound says by how much at the most, so that
only a handful of garments have to be looked at again in float64.
"""

import contextlib
import threading
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn.functional import embedding_bag

PLAIN_GROUP = 128  # garments in a group where they stand in no order
GROUP = 256  # garments that stand side by side and are represented by the best of them, at the most
CHUNK = 256  # groups lifted at a time, in float64
AT_ONCE = 2**21  # float32 scores held at a time: 8 MB, which stay in the cache
FIRST = 8  # groups that are looked at first
UNIT_ROUNDOFF = 2.0**-24  # of float32
LARGEST = 1e22  # a number above it could overflow when it meets the square of the largest z
LARGEST_Z = 1e6
TINY = 1e-12  # covers what underflows: products below 1e-38, whatever they are multiplied with


class Candidates(NamedTuple):
    """For each query, the garments with the best computed scores, in no particular order.

    `left_out`: no other garment has a larger score, computed or exact; −∞ where there is no other.
    """

    indices: Int64[Tensor, "query candidate"]
    left_out: Float[Tensor, " query"]


class Boxes(NamedTuple):
    """What is known of each group of garments without looking at them, float64.

    Its means lie between `low` and `high`, no scale is larger than `scale` and no b than `bias`.
    """

    low: Float[Tensor, "latent group"]
    high: Float[Tensor, "latent group"]
    scale: Float[Tensor, "latent group"]
    bias: Float[Tensor, " group"]

    def upper_bounds(self, z: Float[Tensor, " latent"]) -> Float[Tensor, " group"]:
        """Return for each group a score that none of its garments exceeds."""
        z = z[:, None]
        outside = torch.maximum(self.low - z, z - self.high).clamp_(min=0)
        return self.bias - 0.5 * outside.div_(self.scale).square_().sum(dim=0)


def group_size(garments: int) -> int:
    """Return how many garments a group holds, so that there are 2ⁿ groups with little to spare."""
    groups = 1
    while groups * GROUP < garments:
        groups *= 2
    return -(-garments // (8 * groups)) * 8  # a multiple of 8 numbers is read faster


def neighbors_together(
    mean: Float[Tensor, "garment latent"], scale: Float[Tensor, " latent"]
) -> Int64[Tensor, " column"]:
    """Return an order in which each group of `group_size` garments is a box of a k-d tree.

    All garments are halved at the median of the dimension in which they spread most, in units of
    `scale`, and the halves again (Friedman, Bentley and Finkel 1977). Full groups need some
    padding: a number n ≥ N, which stands where garment n − N does.
    """
    size = group_size(len(mean))
    count = -(-len(mean) // size)
    count = 1 << (count - 1).bit_length()
    features = (mean / scale).T.contiguous()  # [d, N]
    order = torch.arange(size * count, device=mean.device)[None]
    while len(order) < count:
        real = order % len(mean)
        step = -(-real.shape[1] // GROUP)
        spread = features[:, real[:, ::step]].std(dim=2)  # [d, parts]
        keys = features[spread.argmax(dim=0)[:, None], real]
        order = order.gather(1, keys.argsort(dim=1)).view(2 * len(order), -1)
    return order.flatten()


class Lifting:
    """How garments and queries become vectors with ⟨garment, query⟩ = −½‖(z − μ)/scale‖² + b.

    A garment has 2d + 1 numbers, [b − ½‖μ'/σ‖², −1/(2σ²), μ'/σ²], and a query has [1, z'², z'],
    where μ' and z' are measured from the mean μ of all garments, the centre. Where one `scale` [d]
    serves all garments, z'² adds the same to every score, so it is left out: then there are d + 1
    numbers, and every score is larger by ½‖z'/scale‖², the `offset`.

    Each score errs on the high side, by rounding alone: `least_computed` says how small a computed
    score can be where the exact one is at least as good as a known score.

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
        """Take garments. scale: [N, d], or [d] for all alike; bias: b [N] float64, 0 without it."""
        latent = mean.shape[1]
        self.shared_scale = scale.double() if scale.dim() == 1 else None
        self.dimensions = latent + 1 if scale.dim() == 1 else 2 * latent + 1
        terms = self.dimensions + 4
        self.gamma = terms * UNIT_ROUNDOFF / (1 - terms * UNIT_ROUNDOFF)
        self.centre = mean.mean(dim=0, dtype=torch.float64).clamp(-LARGEST_Z, LARGEST_Z)
        self.largest_bias = 0.0 if bias is None else float(bias.max())

    def garments(
        self,
        mean: Float[Tensor, "garment latent"],
        scale: Tensor,
        bias: Float[Tensor, " garment"],
    ) -> Float[Tensor, "garment lifted"]:
        """Return the vectors of some garments, in float64, their own part of the bound in them.

        What float32 cannot hold, a σ of 1e-20 say, has the score +∞: it is looked at every time.
        """
        scale = scale.double()
        whitened = (mean.double() - self.centre) / scale
        constant = (4 * self.gamma - 0.5) * whitened.square().sum(dim=1)
        constant += bias + self.gamma * bias.abs()
        parts = [constant[:, None], whitened / scale]
        if self.shared_scale is None:
            parts.insert(1, -0.5 / scale.square())
        lifted = torch.cat(parts, dim=1)
        beyond = (lifted.abs().amax(dim=1) < LARGEST).logical_not()
        lifted[beyond] = 0.0
        lifted[beyond, 0] = torch.inf
        return lifted

    def vectors(self, z: Float[Tensor, "query latent"]) -> Float[Tensor, "query lifted"]:
        """Return the vector of each query, float32; z: float64."""
        centred = z - self.centre
        parts = [centred.new_ones(len(z), 1), centred]
        if self.shared_scale is None:
            parts.insert(1, centred.square())
        return torch.cat(parts, dim=1).float()

    def offset(self, z: Float[Tensor, "query latent"]) -> Float[Tensor, " query"]:
        """Return what every score is too large by, since z² was left out; float64."""
        if self.shared_scale is None:
            return z.new_zeros(len(z))
        return 0.5 * ((z - self.centre) / self.shared_scale).square().sum(dim=1)

    def least_computed(
        self, z: Float[Tensor, "query latent"], score: Float[Tensor, " query"]
    ) -> Float[Tensor, " query"]:
        """Return what a garment is computed to have, at least, if its exact score is `score`.

        The garment may be better, too: its ‖(z − μ)/scale‖² is then at most U² = 2 (max b − score),
        and the computed score lies no further below the exact one than γU² and a little.
        """
        slope = 2 * self.gamma
        # score − slope · (max b − score) − TINY, in few steps: a search for one z counts them
        least = (score * (1 + slope)).sub_(slope * self.largest_bias + TINY)
        return least if self.shared_scale is None else least.add_(self.offset(z))


class LiftedForm(Lifting):
    """The vectors of all garments as a matrix [2d + 1, N] (or [d + 1, N]), and a search in it.

    `order` (`neighbors_together`) puts similar garments into one group. Then a search for one z
    looks only into the groups whose box may hold a good enough garment: no garment is missed.
    """

    def __init__(
        self,
        mean: Float[Tensor, "garment latent"],
        scale: Tensor,
        bias: Float[Tensor, " garment"] | None = None,
        order: Int64[Tensor, " column"] | None = None,
    ):
        """Lift garments; arguments as in `Lifting`."""
        super().__init__(mean, scale, bias)
        self.count = len(mean)
        self.order = order
        self.group = PLAIN_GROUP if order is None else group_size(self.count)
        if order is None:
            columns = -(-self.count // self.group) * self.group
            order = torch.arange(columns, device=mean.device)
        self.matrix = mean.new_empty((self.dimensions, len(order)), dtype=torch.float32)
        boxes = []
        start = 0
        for part in order.split(CHUNK * self.group):
            real = part % self.count
            own = mean[real].double()
            own_scale = scale.double() if scale.dim() == 1 else scale[real].double()
            own_bias = own.new_zeros(len(own)) if bias is None else bias[real]
            lifted = self.garments(own, own_scale, own_bias)
            lifted[part >= self.count, 0] = -torch.inf  # padding never wins
            self.matrix[:, start : start + len(part)] = lifted.T
            start += len(part)
            boxes.append(self._box(own, own_scale, own_bias))
        self.boxes = Boxes(*(torch.cat(parts, dim=-1) for parts in zip(*boxes, strict=True)))

    def _box(self, mean: Tensor, scale: Tensor, bias: Tensor) -> Boxes:
        """Return the boxes of some whole groups."""
        grouped = mean.T.unflatten(1, (-1, self.group))  # [d, groups, size]
        low, high = grouped.aminmax(dim=2)
        scales = scale.expand_as(mean).T.unflatten(1, (-1, self.group)).amax(dim=2)
        return Boxes(low, high, scales, bias.unflatten(0, (-1, self.group)).amax(dim=1))

    def candidates(self, z: Float[Tensor, "query latent"], count: int) -> Candidates:
        """Return `count` garments for each z (all, where there are fewer), by computed scores."""
        count = min(count, self.count)
        if self.order is not None and len(z):
            return _cat([self._by_boxes(one, count) for one in z.split(1)])
        return self._by_all_scores(self.vectors(z), count)

    def _by_boxes(self, z: Float[Tensor, "1 latent"], count: int) -> Candidates:
        """Look into the most promising groups, then into each that may hold a better garment."""
        vector = self.vectors(z)
        bounds = self.boxes.upper_bounds(z[0]) + self.offset(z)
        first = bounds.topk(min(FIRST + count // self.group, len(bounds)), sorted=False).indices
        reached = self.in_groups(vector, first[None]).flatten().topk(count).values[-1]
        promising = bounds >= reached
        promising[first] = True
        groups = promising.nonzero().T  # [1, n]
        if groups.shape[1] > len(bounds) // 4:
            return self._by_all_scores(vector, count)
        return self._best_in(groups, self.in_groups(vector, groups), count)

    def _by_all_scores(self, vectors: Float[Tensor, "query lifted"], count: int) -> Candidates:
        """Compute every score; then look for the best in the groups with the best maxima.

        The `count` groups with the best maxima hold the `count` best garments. Where there are too
        many scores to keep them all, those of the chosen groups are computed a second time.
        """
        groups = self.matrix.shape[1] // self.group
        with full_float32(vectors.device):
            if 0 < len(vectors) * self.matrix.shape[1] <= AT_ONCE:
                scores = scratch(len(vectors) * self.matrix.shape[1], vectors.device)
                torch.mm(vectors, self.matrix, out=scores.view(len(vectors), -1))
                scores = scores.view(-1, self.group)  # [Q · groups, size]
                maxima = scores.amax(dim=1).view(len(vectors), groups)
            else:
                scores, maxima = None, self._maxima(vectors)
        top = maxima.topk(min(count, groups), dim=1, sorted=False)
        chosen = top.indices
        if scores is not None:
            rows = chosen
            if len(vectors) > 1:
                rows = chosen + torch.arange(0, len(scores), groups, device=chosen.device)[:, None]
            # no garment of another group is better: each group chosen has one that is not worse
            return self._best_in(chosen, scores[rows.flatten()], count)
        at_once = max(1, AT_ONCE // (chosen.shape[1] * self.group))
        parts = zip(vectors.split(at_once), chosen.split(at_once), strict=True)
        found = _cat([self._best_in(own, self.in_groups(v, own), count) for v, own in parts])
        if count >= groups:
            return found
        # the second time, the scores may have been rounded in another way
        return found._replace(left_out=found.left_out.maximum(top.values.amin(dim=1)))

    def _maxima(self, vectors: Float[Tensor, "query lifted"]) -> Float[Tensor, "query group"]:
        """Return the best score of each group, in blocks whose scores stay in the cache."""
        groups = self.matrix.shape[1] // self.group
        at_once = min(groups, max(1, AT_ONCE // max(1, len(vectors)) // self.group))
        buffer = scratch(len(vectors) * at_once * self.group, vectors.device)
        maxima = vectors.new_empty((len(vectors), groups))
        for start in range(0, groups, at_once):
            block = self.matrix[:, start * self.group : (start + at_once) * self.group]
            shape = (len(vectors), block.shape[1] // self.group, self.group)
            scores = buffer[: len(vectors) * block.shape[1]].view(shape)
            torch.mm(vectors, block, out=scores.flatten(1))
            torch.amax(scores, dim=2, out=maxima[:, start : start + at_once])
        return maxima

    def in_groups(
        self, vectors: Float[Tensor, "query lifted"], groups: Int64[Tensor, "query chosen"]
    ) -> Float[Tensor, "query_chosen size"]:
        """Return the scores of all garments in some groups, each query's own; a row for each group.

        A weighted sum of rows, picked from a table: `embedding_bag` does it without a copy of them.
        """
        table = self.matrix.view(-1, self.group)  # row r · groups + g: number r of group g
        step = len(table) // len(self.matrix)
        rows = groups.reshape(-1, 1) + torch.arange(0, len(table), step, device=groups.device)
        weights = vectors[:, None, :].expand(-1, groups.shape[1], -1).reshape(rows.shape)
        return embedding_bag(rows, table, per_sample_weights=weights, mode="sum")

    def _best_in(
        self,
        groups: Int64[Tensor, "query chosen"],
        scores: Float[Tensor, "query_chosen size"],
        count: int,
    ) -> Candidates:
        """Return the `count` garments with the best of the scores that `in_groups` returned."""
        scores = scores.view(len(groups), groups.shape[1] * self.group)
        top = scores.topk(count, dim=1, sorted=False)
        place = top.indices % self.group
        columns = place.add_(groups.gather(1, top.indices // self.group), alpha=self.group)
        indices = columns if self.order is None else self.order[columns]
        left_out = top.values.amin(dim=1)
        if count == self.count:
            left_out = torch.full_like(left_out, -torch.inf)
        return Candidates(indices, left_out)

    def at_least(
        self, z: Float[Tensor, "1 latent"], threshold: Float[Tensor, ""]
    ) -> Int64[Tensor, " n"]:
        """Return all garments whose exact score for one z reaches a threshold, and some more.

        Those whose computed score does; without the groups that no such garment can be in.
        """
        vector = self.vectors(z)
        if self.order is None:
            with full_float32(z.device):
                scores = vector @ self.matrix
            columns = torch.arange(scores.shape[1], device=z.device)
        else:
            bounds = self.boxes.upper_bounds(z[0]) + self.offset(z)
            groups = (bounds >= threshold).nonzero().T  # [1, n]
            scores = self.in_groups(vector, groups)
            columns = groups.T * self.group + torch.arange(self.group, device=z.device)
        # in float64, since in float32 the threshold itself might be rounded up
        reached = columns.flatten()[scores.flatten().double() >= threshold]
        garments = reached if self.order is None else self.order[reached]
        return garments[garments < self.count]


_of_this_thread = threading.local()


def scratch(size: int, device: torch.device) -> Float[Tensor, " size"]:
    """Return a float32 tensor to be overwritten, the same memory at every call in a thread.

    Memory fresh from the system can take longer to get than the scores that go there to compute.
    """
    kept = getattr(_of_this_thread, "scratch", None)
    if kept is None or kept.device != device or len(kept) < size:
        with torch.inference_mode(False):  # or it could not be written to outside of that mode
            kept = torch.empty(size, dtype=torch.float32, device=device)
        _of_this_thread.scratch = kept
    return kept[:size]


def _cat(parts: list[Candidates]) -> Candidates:
    return Candidates(*(torch.cat(part) for part in zip(*parts, strict=True)))


@contextlib.contextmanager
def full_float32(device: torch.device) -> Iterator[None]:
    """Multiply float32 matrices in float32, whatever the user allows elsewhere.

    TF32 on a GPU, bfloat16 on a CPU, and autocast keep 10 bits or fewer of each factor: far
    outside the bound.
    """
    backend: Any = torch.backends.cuda if device.type == "cuda" else torch.backends.mkldnn
    before = backend.matmul.fp32_precision
    backend.matmul.fp32_precision = "ieee"
    try:
        if torch.is_autocast_enabled(device.type):
            with torch.autocast(device.type, enabled=False):
                yield
        else:
            yield
    finally:
        backend.matmul.fp32_precision = before
