"""Evaluation of retrieval: queries from several sources, measures, and a table of all rules."""

from vae_lib.evaluation.importance import ImportanceMoments, importance_moments
from vae_lib.evaluation.measures import (
    Estimate,
    Hubs,
    ReliabilityBin,
    average,
    average_share,
    decoder_log_probs,
    factor_distances,
    hits,
    hubs,
    pixel_distances,
    rate,
    reciprocal_ranks,
    reliability,
    squared_pixel_distances,
)
from vae_lib.evaluation.queries import Queries, all_sources
from vae_lib.evaluation.rules import RULES, Wardrobe, into_box
from vae_lib.evaluation.table import MEASURES, Evaluation, evaluate

__all__ = [
    "MEASURES",
    "RULES",
    "Estimate",
    "Evaluation",
    "Hubs",
    "ImportanceMoments",
    "Queries",
    "ReliabilityBin",
    "Wardrobe",
    "all_sources",
    "average",
    "average_share",
    "decoder_log_probs",
    "evaluate",
    "factor_distances",
    "hits",
    "hubs",
    "importance_moments",
    "into_box",
    "pixel_distances",
    "rate",
    "reciprocal_ranks",
    "reliability",
    "squared_pixel_distances",
]
