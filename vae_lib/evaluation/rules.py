"""The rules that `evaluate` compares: rankings at z or at a moved z, the gate, and pixel rules."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Bernoulli

from vae_lib._checks import require_one_picture_each
from vae_lib.data import Images
from vae_lib.evaluation.measures import decoder_log_probs, squared_pixel_distances
from vae_lib.latent_model import LatentModel, like_weights, pictures_of, require_model
from vae_lib.pixels import as_unit_interval
from vae_lib.retrieval import Neighbors, PosteriorIndex, roundtrip, search_by
from vae_lib.rules import RANKINGS

AT_ONCE = 250  # pictures per block; with 60,000 garments a block of distances takes 60 MB


@dataclass(frozen=True)
class Wardrobe:
    """A model, its images, and the index of the training images.

    Raises:
        ValueError: the index does not hold one garment for each training image.
    """

    vae: LatentModel
    index: PosteriorIndex
    images: Images

    def __post_init__(self) -> None:
        require_one_picture_each(self.index, self.images)

    @cached_property
    def pixels(self) -> Float[Tensor, "garment pixel"]:
        """The pixels of every garment in [0, 1], [N, C·H·W]."""
        return as_unit_interval(self.images.train_images).flatten(start_dim=1)

    @cached_property
    @torch.no_grad()
    def decoded(self) -> Float[Tensor, "garment pixel"]:
        """decode(μ) of every garment: how the model draws it, in [0, 1]."""
        means = self.index.posteriors.mean.split(AT_ONCE)
        return torch.cat([pictures_of(self.vae, mean).flatten(start_dim=1) for mean in means])


Move = Callable[[Wardrobe, Tensor], Tensor]  # z [Q, d] -> z [Q, d]
Rule = Callable[[Wardrobe, Tensor, int], Neighbors]  # z [Q, d], k -> the k best garments


def shorten(wardrobe: Wardrobe, z: Float[Tensor, "query latent"]) -> Float[Tensor, "query latent"]:
    """Shorten z to length √d, the typical length of a draw from the prior, where it is longer."""
    length = z.norm(dim=1, keepdim=True)
    return z * (math.sqrt(z.shape[1]) / length).clamp(max=1)


def into_box(wardrobe: Wardrobe, z: Float[Tensor, "query latent"]) -> Float[Tensor, "query latent"]:
    """Clamp each zⱼ to the range between the 0.5 % and 99.5 % quantiles of μⱼ."""
    ends = torch.tensor([0.005, 0.995], dtype=torch.float32, device="cpu")
    low, high = wardrobe.index.posteriors.mean.quantile(ends, dim=0)
    return z.clamp(low, high)


def there_and_back(
    wardrobe: Wardrobe, z: Float[Tensor, "query latent"], times: int = 1
) -> Float[Tensor, "query latent"]:
    """Apply `roundtrip` to z the given number of times."""
    for _ in range(times):
        z = roundtrip(wardrobe.vae, z)
    return z


def _by(wardrobe: Wardrobe, z: Tensor, k: int, rule: str) -> Neighbors:
    return search_by(wardrobe.vae, wardrobe.index, z, k, rule)


def _moved(
    wardrobe: Wardrobe, z: Tensor, k: int, move: Move, rule: str = "likelihood"
) -> Neighbors:
    return wardrobe.index.search(move(wardrobe, z), k, rule)


@torch.no_grad()
def _decoder(wardrobe: Wardrobe, z: Tensor, k: int) -> Neighbors:
    vae: Any = wardrobe.vae  # this rule needs more than a `LatentModel`
    require_model(vae, "likelihood")
    p, everyone = vae.likelihood(like_weights(vae, z)), wardrobe.pixels
    if isinstance(p, Bernoulli):
        logits = p.logits.float().flatten(start_dim=1)
        parts = [decoder_log_probs(b, everyone).topk(k, dim=1) for b in logits.split(AT_ONCE)]
    else:
        images = everyone.view(-1, *wardrobe.images.image_shape)
        each = (vae.likelihood(like_weights(vae, one)).log_prob(images) for one in z.split(1))
        parts = [log_prob.reshape(1, len(images), -1).sum(2).topk(k, dim=1) for log_prob in each]
    scores, indices = map(torch.cat, zip(*parts, strict=True))
    return Neighbors(indices, scores.double(), "decoder")


@torch.no_grad()
def _nearest_picture(wardrobe: Wardrobe, z: Tensor, k: int, rule: str) -> Neighbors:
    """Compare decode(z) with every garment's own pixels, or with decode(μ) of every garment."""
    everyone = wardrobe.pixels if rule == "pixel-nearest" else wardrobe.decoded
    pictures = pictures_of(wardrobe.vae, z).flatten(start_dim=1)
    sizes = everyone.square().sum(dim=1)
    parts = [
        squared_pixel_distances(block, everyone, sizes).topk(k, dim=1, largest=False)
        for block in pictures.split(AT_ONCE)
    ]
    scores, indices = map(torch.cat, zip(*parts, strict=True))
    return Neighbors(indices, scores.double(), rule)


def _gate_then_decode(wardrobe: Wardrobe, z: Tensor, k: int) -> Neighbors:
    """Rank by likelihood where z is familiar, else by the distance of decode(μ) to decode(z)."""
    near, familiar = wardrobe.index.search(z, k), wardrobe.index.is_familiar(z)
    indices, scores = near.indices.clone(), near.scores.clone()
    if not familiar.all():
        far = _nearest_picture(wardrobe, z[~familiar], k, "nearest decode")
        indices[~familiar] = far.indices
        scores[~familiar] = far.scores  # pixel distances, while the other rows hold nats
    return Neighbors(indices, scores, "gate, nearest decode", familiar=familiar)


RULES: dict[str, Rule] = {
    **{ranking: partial(_by, rule=ranking) for ranking in RANKINGS},
    **{
        f"{ranking}, round trip": partial(_moved, move=there_and_back, rule=ranking)
        for ranking in RANKINGS
    },
    "gate": partial(_by, rule="gate"),
    "shortened": partial(_moved, move=shorten),
    "boxed": partial(_moved, move=into_box),
    "five round trips": partial(_moved, move=partial(there_and_back, times=5)),
    "decoder": _decoder,
    "nearest decode": partial(_nearest_picture, rule="nearest decode"),
    "gate, nearest decode": _gate_then_decode,
    "pixel-nearest": partial(_nearest_picture, rule="pixel-nearest"),
}
# the rules that `evaluate` compares by default
STANDARD = tuple(name for name in RULES if not name.startswith("student-t"))
