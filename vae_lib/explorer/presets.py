"""Codes z that show what is special about the rules."""

import torch
from jaxtyping import Float
from torch import Tensor

from vae_lib.explorer.scale import AS_Z
from vae_lib.retrieval import PosteriorIndex

TRIED = 64  # candidates, of which the clearest one is returned


def rules_disagree(index: PosteriorIndex, generator: torch.Generator) -> Float[Tensor, " latent"]:
    """Return the draw for which the two rules have the fewest of ten garments in common.

    The draws are from posteriors; the rules are likelihood and Euclidean distance.
    """
    garments = torch.randint(len(index), (TRIED,), generator=generator, device="cpu")
    z = index.posteriors[garments].sample(generator).cpu()
    k = min(10, len(index))
    rows = [index.search(z, k, rule).indices for rule in ("likelihood", "euclidean")]
    shared = (rows[0][:, :, None] == rows[1][:, None, :]).any(dim=2).sum(dim=1)
    return z[shared.argmin()]


def far_but_certain(index: PosteriorIndex, generator: torch.Generator) -> Float[Tensor, " latent"]:
    """Return the z with the most probable first garment among draws within the sliders' range.

    Draws far from all garments, which are not familiar, take precedence.
    """
    z = AS_Z.high * (2 * torch.rand(TRIED, index.latent_dim, generator=generator, device="cpu") - 1)
    found = index.search(z, 1)
    assert found.probabilities is not None  # the rule is the likelihood
    p = found.probabilities[:, 0].cpu() - 2.0 * index.is_familiar(z).cpu()
    return z[p.argmax()]
