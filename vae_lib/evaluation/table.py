"""Evaluate every rule on z from every source, by every measure."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from vae_lib._checks import require_int, require_one_of
from vae_lib.evaluation.measures import (
    Estimate,
    average,
    factor_distances,
    hits,
    hubs,
    pixel_distances,
    rate,
    reciprocal_ranks,
)
from vae_lib.evaluation.queries import Queries, all_sources
from vae_lib.evaluation.rules import RULES, STANDARD, Wardrobe
from vae_lib.latent_model import pictures_of
from vae_lib.progress import progress_bar
from vae_lib.retrieval import Neighbors

K = 10
# A table shows "–" where a measure is undefined: a z from the prior or from sliders has no garment
# and no class of its own, and only drawn garments have factors.
MEASURES = {
    "recall@1": "share of z whose own garment comes first",
    "recall@10": "share of z whose own garment is among the first ten",
    "mrr@10": "mean of 1 / place of z's own garment, 0 beyond the tenth",
    "pixel distance": "squared distance between decode(z) and the first garment",
    "same class": "share of z whose first garment has the class that z came from",
    "factor distance": "mean difference in factors between z's own garment and the first",
    "distinct winners": "garments that come first for some z",
    "share of ten": "share of z that the ten most frequent winners answer",
    "skewness": "skewness of N_10, how often each garment is among the first ten",
    "probability@1": "mean probability of the first garment",
    "probability@10": "mean of the first ten garments' summed probability",
    "familiar": "share of z inside some garment's 99.9 % ellipsoid",
}
Cell = tuple[str, str, str]  # source, rule, measure
HUB_MEASURES = ("distinct winners", "share of ten", "skewness")  # computed from all z together


@dataclass(frozen=True)
class Evaluation:
    """Results of `evaluate`, by (source, rule, measure).

    Attributes:
        queries: the number of z requested from each source.
        sources: the names of the sources of z.
        rules: the names of the rules.
        estimates: the mean of each measure that is defined, with its interval if it has one.
        values: the values that were averaged, one for each z, [Q].
        k: the number of garments in each answer: 10, or all garments if there are fewer.
    """

    queries: int
    sources: list[str]
    rules: list[str]
    estimates: dict[Cell, Estimate]
    values: dict[Cell, Tensor]
    k: int = K

    def __getitem__(self, key: Cell) -> Estimate:
        """Return the estimate for (source, rule, measure). Raises a KeyError if undefined."""
        return self.estimates[key]

    def lead(self, source: str, rule: str, other: str, measure: str) -> Estimate:
        """Return the mean paired difference between two rules on the same z.

        Args:
            source: the name of a source of z.
            rule, other: the names of the two rules.
            measure: a measure with a value for each z; those in `HUB_MEASURES` have none.

        Returns:
            The mean of `rule` − `other`, with its 95 % interval.

        Raises:
            KeyError: the measure is undefined for the source or has no value for each z.
        """
        first, second = (self.values[source, each, measure].double() for each in (rule, other))
        return average(first - second)

    def table(
        self, measure: str, digits: int = 2, rules: Iterable[str] = (), sources: Iterable[str] = ()
    ) -> str:
        """Format one measure as text, with a line for each rule and a column for each source.

        Args:
            measure: one of `MEASURES`.
            digits: the number of decimals.
            rules, sources: names to include, in this order; all of them by default.

        Returns:
            The table. An estimate that has an interval is followed by ± half its width. A last
            line follows if the wardrobe has fewer garments than the measure counts.

        Raises:
            ValueError: a measure, rule or source is unknown.
        """
        rules, sources = list(rules) or self.rules, list(sources) or self.sources
        require_one_of("measure", MEASURES, measure)
        require_one_of("rules", self.rules, *rules)
        require_one_of("sources", self.sources, *sources)
        width = max(map(len, rules))
        lines = [" " * width + "".join(f"{source:>15}" for source in sources)]
        for rule in rules:
            cells = [self.estimates.get((source, rule, measure)) for source in sources]
            lines.append(f"{rule:<{width}}" + "".join(f"{_text(c, digits):>15}" for c in cells))
        if self.k < K and measure.endswith("@10"):
            lines.append(f"(The wardrobe has {self.k} garments, so all of them count.)")
        return "\n".join(lines)


def _text(estimate: Estimate | None, digits: int) -> str:
    if estimate is None:
        return "–"
    value, low, high = estimate
    half_width = "" if low is None or high is None else f" ± {(high - low) / 2:.{digits}f}"
    return f"{value:.{digits}f}{half_width}"


def evaluate(
    wardrobe: Wardrobe,
    queries: int = 2000,
    seed: int = 0,
    rules: Iterable[str] = STANDARD,
    progress: bool = True,
) -> Evaluation:
    """Apply every rule to z from every source, and measure the garments returned.

    All rules are evaluated on the same z.

    Args:
        wardrobe: the model, the index and the images.
        queries: the number of z from each source. The held-out source gives one z for each
            held-out garment at most.
        seed: the seed of the draws.
        rules: the names of the rules; see `RULES`.
        progress: whether to show a progress bar.

    Returns:
        An estimate for each source, rule and measure that is defined.

    Raises:
        ValueError: a rule is unknown, or queries < 2.
    """
    rules = list(rules)
    require_one_of("rules", RULES, *rules)
    queries = require_int("queries", queries, least=2)
    seed = require_int("seed", seed, least=0)
    sources = all_sources(wardrobe.vae, wardrobe.index.posteriors, wardrobe.images)
    estimates: dict[Cell, Estimate] = {}
    values: dict[Cell, Tensor] = {}
    k, rows = min(K, len(wardrobe.index)), len(sources) * len(rules)
    with progress_bar(
        description="evaluating", total=rows, unit="table row", shown=progress
    ) as bar:
        for number, (source, draw) in enumerate(sources.items()):
            codes = draw(queries, torch.Generator().manual_seed(seed * 1000 + number))
            with torch.no_grad():
                pictures = pictures_of(wardrobe.vae, codes.z)
            for rule in rules:
                found = RULES[rule](wardrobe, codes.z, k)
                measured = per_query(wardrobe, codes, pictures, found)
                if rule == "likelihood" and found.probabilities is not None:
                    measured["probability@1"] = found.probabilities[:, 0]
                    measured["probability@10"] = found.probabilities.sum(dim=1)
                for name, each in measured.items():
                    values[source, rule, name] = each
                    summarize = rate if each.dtype == torch.bool else average
                    estimates[source, rule, name] = summarize(each)
                concentration = hubs(found.indices, len(wardrobe.index))
                for name, value in zip(HUB_MEASURES, concentration, strict=True):
                    estimates[source, rule, name] = Estimate(value)
                bar.update()
    return Evaluation(queries, list(sources), rules, estimates, values, k)


def per_query(
    wardrobe: Wardrobe, codes: Queries, pictures: Tensor, found: Neighbors
) -> dict[str, Tensor]:
    """Return the value of each measure that is defined, for each z.

    Args:
        wardrobe: the model, the index and the images.
        codes: the codes z, with what is known of the garments they come from.
        pictures: decode(z), [Q, C, H, W].
        found: the garments that a rule returned.

    Returns:
        A tensor [Q] for each measure, of bool for those that are shares.
    """
    images, winners = wardrobe.images, found.indices[:, 0]
    values = {"pixel distance": pixel_distances(pictures, images.train_images[winners])}
    if codes.garment is not None:
        values["recall@1"] = hits(found.indices, codes.garment, 1)
        values["recall@10"] = hits(found.indices, codes.garment, found.indices.shape[1])
        values["mrr@10"] = reciprocal_ranks(found.indices, codes.garment)
    if codes.label is not None:
        values["same class"] = images.train_labels[winners] == codes.label
    if codes.factors is not None and images.train_factors is not None:
        values["factor distance"] = factor_distances(codes.factors, images.train_factors[winners])
    if found.familiar is not None:
        values["familiar"] = found.familiar
    return values
