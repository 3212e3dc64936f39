"""vae_lib: retrieval by likelihood with variational autoencoders.

An encoder gives every garment x a Gaussian q(z|x). Given a latent code z, which garments are
nearest to it? The library trains a model, or adapts yours, encodes a data set and answers that
question exactly.
"""

from typing import TYPE_CHECKING, Any

from vae_lib.checkpoint import History
from vae_lib.data import Images, load_folder, load_images
from vae_lib.encoding import encode_dataset
from vae_lib.folder import write_drawn_folder
from vae_lib.inspection import inspect_images
from vae_lib.latent_model import LatentModel, adapt
from vae_lib.model import VAE
from vae_lib.objective import ElboTerms, elbo, importance_weighted_bound, kl_to_prior
from vae_lib.own_pictures import add_garments, remove_garments, search_picture
from vae_lib.posteriors import Posteriors
from vae_lib.retrieval import Neighbors, PosteriorIndex, gated_search, roundtrip
from vae_lib.training import fit, mean_terms, permutation_loss
from vae_lib.weights import load_pretrained, load_vae, pretrained_facts, save_vae

if TYPE_CHECKING:
    from vae_lib.explorer import Explorer

__all__ = [
    "VAE",
    "ElboTerms",
    "Explorer",
    "History",
    "Images",
    "LatentModel",
    "Neighbors",
    "PosteriorIndex",
    "Posteriors",
    "adapt",
    "add_garments",
    "elbo",
    "encode_dataset",
    "fit",
    "gated_search",
    "importance_weighted_bound",
    "inspect_images",
    "kl_to_prior",
    "load_folder",
    "load_images",
    "load_pretrained",
    "load_vae",
    "mean_terms",
    "permutation_loss",
    "pretrained_facts",
    "remove_garments",
    "roundtrip",
    "save_vae",
    "search_picture",
    "write_drawn_folder",
]


def __getattr__(name: str) -> Any:
    """Import the explorer only when it is used, because it imports ipywidgets and matplotlib."""
    if name == "Explorer":
        from vae_lib.explorer import Explorer

        return Explorer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
