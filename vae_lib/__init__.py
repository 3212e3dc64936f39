"""vae_lib: a small library behind a course on variational autoencoders trained on apparel.

Its one question: the encoder gives every garment x a Gaussian q(z|x); a person picks z; which
garments are nearest to that z?
"""

from vae_lib.data import Images, load_folder, load_images
from vae_lib.explorer import Explorer
from vae_lib.folder import write_drawn_folder
from vae_lib.model import VAE
from vae_lib.objective import ElboTerms, elbo, importance_weighted_bound, kl_to_prior
from vae_lib.posteriors import Posteriors, encode_dataset
from vae_lib.retrieval import Neighbors, PosteriorIndex, gated_search, roundtrip
from vae_lib.training import History, fit, mean_terms, permutation_loss
from vae_lib.weights import load_pretrained, load_vae, pretrained_facts, save_vae

__all__ = [
    "VAE",
    "ElboTerms",
    "Explorer",
    "History",
    "Images",
    "Neighbors",
    "PosteriorIndex",
    "Posteriors",
    "elbo",
    "encode_dataset",
    "fit",
    "gated_search",
    "importance_weighted_bound",
    "kl_to_prior",
    "load_folder",
    "load_images",
    "load_pretrained",
    "load_vae",
    "mean_terms",
    "permutation_loss",
    "pretrained_facts",
    "roundtrip",
    "save_vae",
    "write_drawn_folder",
]
