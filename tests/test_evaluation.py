"""Each measure, compared with a count by hand, brute force, or a ranking of known value."""

import math
import re
from dataclasses import replace

import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import given
from hypothesis import strategies as st

from vae_lib import VAE, Images, PosteriorIndex, Posteriors, encode_dataset, roundtrip
from vae_lib.evaluation import (
    MEASURES,
    RULES,
    Estimate,
    Wardrobe,
    all_sources,
    average,
    average_share,
    decoder_log_probs,
    evaluate,
    factor_distances,
    hits,
    hubs,
    pixel_distances,
    rate,
    reciprocal_ranks,
    reliability,
    squared_pixel_distances,
)
from vae_lib.evaluation.rules import into_box, shorten, there_and_back

seeds = st.integers(0, 2**32 - 1)


def orders(count: int, garments: int, k: int, seed: int = 0) -> torch.Tensor:
    """Return k garments for each query, in random order."""
    random = np.random.default_rng(seed)
    return torch.tensor(np.stack([random.permutation(garments)[:k] for _ in range(count)]))


# --- means and intervals --------------------------------------------------------------------------


def test_an_average_equals_one_by_hand():
    # 1, 2, 3, 6: mean 3, squared differences 4 + 1 + 0 + 9 = 14, std √(14/3), error √(14/12)
    estimate = average(torch.tensor([1.0, 2.0, math.nan, 3.0, 6.0]))
    assert estimate.value == 3
    assert estimate.high - estimate.value == pytest.approx(1.959964 * math.sqrt(14 / 12))
    assert estimate.value - estimate.low == pytest.approx(1.959964 * math.sqrt(14 / 12))


def test_an_estimate_is_printed_with_its_interval():
    assert f"{Estimate(0.754, 0.733, 0.7749):.2f}" == "0.75 (0.73 to 0.77)"
    assert f"{Estimate(0.5, 0.25, 0.75):.0%}" == "50% (25% to 75%)"
    assert f"{Estimate(12):.1f}" == "12.0"


@pytest.mark.parametrize(("found", "asked"), [(0, 10), (3, 10), (10, 10), (715, 1000)])
def test_a_rate_has_the_interval_of_scipy(found, asked):
    expected = scipy.stats.binomtest(found, asked).proportion_ci(0.95, method="wilson")
    estimate = rate(torch.arange(asked) < found)
    assert estimate.value == found / asked
    assert (estimate.low, estimate.high) == pytest.approx((expected.low, expected.high), abs=1e-6)


@pytest.mark.parametrize("count", [2, 5, 12, 40])
def test_the_interval_of_an_average_share_is_within_0_and_1(count):
    for right in (0, 1, count - 1, count):
        shares = (torch.arange(count) < right).double()
        estimate = average_share(shares)
        assert 0 <= estimate.low <= estimate.value <= estimate.high <= 1
        assert estimate.low < estimate.high
        assert estimate == average_share(shares)
    for bad in (torch.tensor([0.5, 1.5]), torch.tensor([0.5, math.nan]), torch.tensor([0.5])):
        with pytest.raises(ValueError, match=r"shares: expected at least 2 numbers in \[0, 1\]"):
            average_share(bad)


def test_intervals_contain_the_truth_as_often_as_they_claim(generator):
    draws = torch.rand(600, 80, generator=generator)
    inside = 0
    for row in draws:
        means, shares = average(row), rate(row < 0.3)
        inside += (means.low <= 0.5 <= means.high) + (shares.low <= 0.3 <= shares.high)
    assert 0.92 < inside / 1200 < 0.975
    inside = 0
    for row in draws[:200]:
        shares = average_share(row**3)
        inside += shares.low <= 0.25 <= shares.high
    assert 0.9 < inside / 200 <= 1


# --- self-retrieval -------------------------------------------------------------------------------


def test_recall_and_reciprocal_rank_by_hand():
    indices = torch.tensor([[7, 1, 2], [3, 7, 4], [5, 6, 7], [0, 1, 2]])
    garment = torch.tensor([7, 7, 7, 7])
    assert hits(indices, garment, 1).tolist() == [True, False, False, False]
    assert hits(indices, garment, 2).tolist() == [True, True, False, False]
    assert hits(indices, garment, 3).tolist() == [True, True, True, False]
    assert reciprocal_ranks(indices, garment).tolist() == [1, 1 / 2, 1 / 3, 0]


def test_a_perfect_ranking_is_always_right():
    garment = torch.arange(50)
    indices = torch.stack([(garment + j) % 50 for j in range(10)], dim=1)
    assert rate(hits(indices, garment, 1)).value == 1
    assert average(reciprocal_ranks(indices, garment)).value == 1
    spread = hubs(indices, 50)
    assert spread.distinct_winners == 50
    assert spread.share_of_ten == pytest.approx(10 / 50)
    assert spread.skewness == 0  # every garment is in ten answers


def test_a_random_ranking_is_right_by_chance():
    garments, k, count = 100, 10, 20_000
    indices, garment = orders(count, garments, k), torch.arange(count) % garments
    first, ten = rate(hits(indices, garment, 1)).value, rate(hits(indices, garment, k)).value
    assert first == pytest.approx(1 / garments, abs=4 * math.sqrt(0.01 * 0.99 / count))
    assert ten == pytest.approx(k / garments, abs=4 * math.sqrt(0.1 * 0.9 / count))
    harmonic = sum(1 / place for place in range(1, k + 1)) / garments
    found = average(reciprocal_ranks(indices, garment))
    assert found.value == pytest.approx(harmonic, abs=2.1 * (found.high - found.low))
    # N_k is then binomial, whose skewness is (1 − 2p) / √(n p (1 − p))
    expected = (1 - 0.2) / math.sqrt(count * 0.1 * 0.9)
    assert hubs(indices, garments).skewness == pytest.approx(expected, abs=4 * math.sqrt(6 / 100))


@given(seeds)
def test_hubs_against_scipy(seed):
    indices = orders(40, 30, 5, seed)
    wins = np.bincount(indices[:, 0].numpy(), minlength=30)
    occurrences = np.bincount(indices.numpy().ravel(), minlength=30)
    found = hubs(indices, 30)
    assert found.distinct_winners == np.count_nonzero(wins)
    assert found.share_of_ten == pytest.approx(np.sort(wins)[-10:].sum() / 40)
    assert found.skewness == pytest.approx(scipy.stats.skew(occurrences))


def test_a_garment_that_answers_everything_is_a_hub():
    indices = orders(200, 1000, 10)
    indices[:, 0] = 1000
    found = hubs(indices, 1001)
    assert found.distinct_winners == 1
    assert found.share_of_ten == 1
    assert found.skewness > 25  # one N_k is 200, the others about 2


# --- likeness -------------------------------------------------------------------------------------


def test_pixel_distances_by_hand():
    black, white = torch.zeros(1, 1, 28, 28), torch.full((1, 1, 28, 28), 255, dtype=torch.uint8)
    grey = torch.full((1, 1, 28, 28), 0.5)
    assert pixel_distances(black, white).tolist() == [784]
    assert pixel_distances(grey, white).tolist() == [196]
    assert pixel_distances(grey, grey).tolist() == [0]


def test_all_pixel_distances_equal_those_one_by_one(generator):
    pictures = torch.rand(5, 784, generator=generator)
    garments = torch.rand(7, 784, generator=generator)
    expected = ((pictures[:, None].double() - garments.double()) ** 2).sum(dim=2).float()
    torch.testing.assert_close(squared_pixel_distances(pictures, garments), expected)


def test_all_decoder_likelihoods_equal_those_of_torch(vae, drawn):
    z = torch.randn(4, 10, generator=torch.Generator().manual_seed(0))
    x = drawn.train_images[:6].float() / 255
    with torch.no_grad():
        p = vae.likelihood(z)
        expected = torch.stack([p.log_prob(image).sum(dim=(1, 2, 3)) for image in x], dim=1)
        found = decoder_log_probs(p.logits.flatten(1), x.flatten(1))
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-2)


def test_only_factors_that_both_have_are_compared():
    nan = math.nan
    first = torch.tensor([[0.0, 0.5, nan], [1.0, nan, nan]])
    second = torch.tensor([[1.0, 0.25, 0.3], [nan, 0.2, nan]])
    found = factor_distances(first, second)
    assert found[0] == pytest.approx(0.625)
    assert found[1].isnan()


# --- calibration ----------------------------------------------------------------------------------


def test_reliability_by_hand():
    probability = torch.tensor([0.1, 0.2, 0.6, 1.0])
    hit = torch.tensor([False, True, True, True])
    bins = reliability(probability, hit, [0.0, 0.5, 0.9, 1.0])
    assert [each.queries for each in bins] == [2, 1, 1]
    low, _, high = bins
    assert low.probability == pytest.approx(0.15)
    assert low.hits == rate(torch.tensor([False, True]))
    assert high.probability == high.hits.value == 1  # the last edge belongs to the last bin
    assert len(reliability(probability, hit, [0.3, 0.5])) == 0


def own(images: Images, posteriors: Posteriors, count: int, seed: int):
    source = all_sources(VAE(posteriors.latent_dim), posteriors, images)["posterior"]
    return source(count, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("k", [1, 3])
def test_summed_probabilities_are_recall(k, drawn, index):
    """The identity of notebook 05, E[Σ P(n|z)] = recall@k, within 4 standard errors."""
    small = PosteriorIndex(index.posteriors[:300])
    asked = own(drawn, small.posteriors, 4000, seed=1)
    found = small.search(asked.z, k=k)
    difference = found.probabilities.sum(dim=1) - hits(found.indices, asked.garment, k).double()
    estimate = average(difference)
    assert abs(estimate.value) < 2.05 * (estimate.high - estimate.low) / 2
    # and that says something: Euclidean answers are not as good as those probabilities
    other = small.search(asked.z, k=k, rule="euclidean").indices
    assert average(found.probabilities.sum(dim=1) - hits(other, asked.garment, k).double()).low > 0


def test_no_rule_beats_the_likelihood_at_self_retrieval(drawn, index):
    small = PosteriorIndex(index.posteriors[:300])
    asked = own(drawn, small.posteriors, 4000, seed=2)
    best = hits(small.search(asked.z, k=1).indices, asked.garment, 1).double()
    for rule in ("euclidean", "scaled-euclidean", "mahalanobis"):
        other = hits(small.search(asked.z, 1, rule).indices, asked.garment, 1).double()
        assert average(best - other).high > 0


# --- where z comes from ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sources(vae, index, drawn):
    return all_sources(vae, index.posteriors, drawn)


def asked(sources, name, count=20_000):
    return sources[name](count, torch.Generator().manual_seed(7))


def test_percentile_sliders_draw_from_the_prior(sources):
    for name in ("prior", "percentiles"):
        z = asked(sources, name).z
        assert z.shape == (20_000, 10)
        for column in z[:, :3].T:
            assert scipy.stats.kstest(column.numpy(), "norm").pvalue > 1e-4
    assert asked(sources, "percentiles").z.abs().max() == pytest.approx(3.0902, abs=1e-3)


@pytest.mark.parametrize("limit", [3, 5])
def test_plain_sliders_are_uniform(sources, limit):
    z = asked(sources, f"uniform {limit}").z
    column = (z[:, 4].numpy() + limit) / (2 * limit)
    assert scipy.stats.kstest(column, "uniform").pvalue > 1e-4


def test_posterior_z_come_from_their_garment(sources, index, drawn):
    found = asked(sources, "posterior")
    chosen = index.posteriors[found.garment]
    eps = (found.z - chosen.mean) / chosen.std
    assert scipy.stats.kstest(eps.flatten().numpy(), "norm").pvalue > 1e-4
    assert found.label.equal(drawn.train_labels[found.garment])
    assert torch.equal(
        found.factors.nan_to_num(-1), drawn.train_factors[found.garment].nan_to_num(-1)
    )


def test_held_out_z_have_a_class_and_no_garment_in_the_wardrobe(sources, drawn):
    found = asked(sources, "held-out", 500)
    assert found.garment is None
    assert set(found.label.tolist()) <= set(drawn.test_labels.tolist())
    assert found.factors.shape == (500, len(drawn.factor_names))
    everyone = asked(sources, "held-out", len(drawn.test_images) + 1)  # each of them once
    assert everyone.label.sort().values.equal(drawn.test_labels.sort().values)
    assert everyone.factors.unique(dim=0).shape == drawn.test_factors.unique(dim=0).shape
    for name in ("prior", "percentiles", "uniform 3", "uniform 5"):
        free = asked(sources, name, 5)
        assert free.garment is free.label is free.factors is None


# --- rules ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def wardrobe(vae, index, drawn):
    return Wardrobe(vae, index, drawn)


def test_moves_of_z(wardrobe):
    z = torch.tensor([[0.1] * 10, [5.0] * 10])
    short = shorten(wardrobe, z)
    assert short[0].equal(z[0])  # shorter than √10 already
    assert short[1].norm().item() == pytest.approx(math.sqrt(10))
    boxed = into_box(wardrobe, z)
    inside = (wardrobe.index.posteriors.mean <= boxed[1]).double().mean(dim=0)
    assert inside.tolist() == pytest.approx([0.995] * 10, abs=1e-3)
    once = roundtrip(wardrobe.vae, z)
    assert there_and_back(wardrobe, z).equal(once)
    assert there_and_back(wardrobe, z, times=2).equal(roundtrip(wardrobe.vae, once))


def test_the_references_are_the_best_of_all_garments(wardrobe):
    z = torch.randn(3, 10, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        pictures, p = wardrobe.vae.decode(z), wardrobe.vae.likelihood(z)
    everyone = wardrobe.images.train_images.float() / 255
    for row in range(3):
        pixels = (everyone - pictures[row]).square().sum(dim=(1, 2, 3))
        nearest = RULES["pixel-nearest"](wardrobe, z, 5)
        assert nearest.indices[row].tolist() == pixels.argsort()[:5].tolist()
        one = torch.distributions.Bernoulli(logits=p.logits[row], validate_args=False)
        likely = one.log_prob(everyone).sum(dim=(1, 2, 3))
        best = RULES["decoder"](wardrobe, z, 5)
        torch.testing.assert_close(
            likely[best.indices[row]].double(), likely.topk(5).values.double(), rtol=0, atol=0.01
        )


def test_nearest_decode_compares_pictures_that_the_model_draws(wardrobe):
    near = wardrobe.index.posteriors.mean[:2]
    z = torch.cat([near, torch.full((2, 10), 5.0)])
    means = wardrobe.index.posteriors.mean
    with torch.no_grad():
        pictures, drawn = wardrobe.vae.decode(z), wardrobe.vae.decode(means)
    found = RULES["nearest decode"](wardrobe, z, 5)
    for row in range(4):
        distances = (drawn - pictures[row]).square().sum(dim=(1, 2, 3))
        assert found.indices[row].tolist() == distances.argsort()[:5].tolist()
    gated = RULES["gate, nearest decode"](wardrobe, z, 5)
    assert gated.familiar.tolist() == [True, True, False, False]
    assert gated.indices[:2].equal(wardrobe.index.search(near, 5).indices)
    assert gated.indices[2:].equal(found.indices[2:])


def test_every_rule_is_the_search_that_its_name_says(wardrobe):
    z = 3 * torch.randn(4, 10, generator=torch.Generator().manual_seed(3))
    search, moved = wardrobe.index.search, roundtrip(wardrobe.vae, z)
    for ranking in ("likelihood", "euclidean", "mahalanobis", "scaled-euclidean"):
        assert RULES[ranking](wardrobe, z, 5).indices.equal(search(z, 5, ranking).indices)
        found = RULES[f"{ranking}, round trip"](wardrobe, z, 5)
        assert found.indices.equal(search(moved, 5, ranking).indices)
    for name, move in {"shortened": shorten, "boxed": into_box}.items():
        assert RULES[name](wardrobe, z, 5).indices.equal(search(move(wardrobe, z), 5).indices)
    five = there_and_back(wardrobe, z, times=5)
    assert RULES["five round trips"](wardrobe, z, 5).indices.equal(search(five, 5).indices)


def test_a_wardrobe_of_another_size_is_refused(vae, index, drawn):
    with pytest.raises(ValueError, match="index: expected one garment for each of the 10000"):
        Wardrobe(vae, PosteriorIndex(index.posteriors[:5]), drawn)


# --- the table ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def evaluation(wardrobe):
    return evaluate(wardrobe, queries=150, seed=3, rules=RULES, progress=False)


def test_the_table_contains_exactly_the_defined_measures(evaluation):
    assert evaluation.sources == [
        *("posterior", "held-out", "prior", "percentiles", "uniform 3", "uniform 5")
    ]
    assert evaluation.rules == list(RULES)
    expected = set()
    for source in evaluation.sources:
        for rule in RULES:
            names = ["pixel distance", "distinct winners", "share of ten", "skewness"]
            if source == "posterior":
                names += ["recall@1", "recall@10", "mrr@10"]
            if source in ("posterior", "held-out"):
                names += ["same class", "factor distance"]
            if rule.startswith("gate"):
                names.append("familiar")
            if rule == "likelihood":
                names += ["probability@1", "probability@10"]
            expected |= {(source, rule, name) for name in names}
    assert set(evaluation.estimates) == expected
    assert {measure for _, _, measure in expected} == set(MEASURES)


def test_a_table_shows_a_dash_for_an_undefined_measure(evaluation):
    lines = evaluation.table("same class", rules=["likelihood"]).splitlines()
    assert lines[1].split()[-4:] == ["–"] * 4  # free z


def test_counts_have_no_interval_and_shares_have_one(evaluation):
    for measure, shown in (("distinct winners", r"\d+"), ("recall@1", r"0\.\d\d ± 0\.\d\d")):
        table = evaluation.table(measure, digits=0 if shown == r"\d+" else 2, rules=["gate"])
        assert re.search(rf"^gate +{shown}( |$)", table, flags=re.MULTILINE), table


def test_the_table_agrees_with_its_pieces(evaluation, wardrobe, sources):
    asked = sources["posterior"](150, torch.Generator().manual_seed(3000))
    found = wardrobe.index.search(asked.z, 10)
    assert evaluation["posterior", "likelihood", "recall@1"] == rate(
        found.indices[:, 0] == asked.garment
    )
    with torch.no_grad():
        picture = wardrobe.vae.decode(asked.z)
    winners = wardrobe.images.train_images[found.indices[:, 0]] / 255
    distance = (picture - winners).square().sum(dim=(1, 2, 3)).mean().item()
    assert evaluation["posterior", "likelihood", "pixel distance"].value == pytest.approx(distance)


def test_a_table_of_a_small_wardrobe_says_how_many_garments_count(vae, drawn):
    few = replace(
        drawn,
        **{name: getattr(drawn, name)[:6] for name in ("train_images", "train_labels")},
        train_factors=drawn.train_factors[:6],
    )
    index = PosteriorIndex(encode_dataset(vae, few.train_images))
    result = evaluate(Wardrobe(vae, index, few), 20, rules=["likelihood"], progress=False)
    assert result.table("recall@10").endswith(
        "(The wardrobe has 6 garments, so all of them count.)"
    )
    assert "wardrobe" not in result.table("recall@1")


def test_a_lead_is_the_mean_of_paired_differences(evaluation):
    names = ("held-out", "gate", "euclidean")
    lead = evaluation.lead(*names, "pixel distance")
    gate, euclidean = (evaluation["held-out", rule, "pixel distance"] for rule in names[1:])
    assert lead.value == pytest.approx(gate.value - euclidean.value)
    both = evaluation.lead("posterior", "likelihood", "mahalanobis", "recall@1")
    apart = [evaluation["posterior", r, "recall@1"] for r in ("likelihood", "mahalanobis")]
    assert both.value == pytest.approx(apart[0].value - apart[1].value)
    # on the same z, two rules that often agree are told apart more sharply
    assert both.high - both.low < apart[0].high - apart[0].low
    with pytest.raises(KeyError):
        evaluation.lead("prior", "gate", "likelihood", "recall@1")


def test_no_garment_is_nearer_in_pixels_than_the_pixel_nearest(evaluation):
    for source in evaluation.sources:
        floor = evaluation[source, "pixel-nearest", "pixel distance"].value
        assert all(evaluation[source, r, "pixel distance"].value >= floor - 1e-4 for r in RULES)


def test_the_same_seed_gives_the_same_table(evaluation, wardrobe):
    again = evaluate(wardrobe, 150, seed=3, rules=["gate"], progress=False)
    assert again.rules == ["gate"]
    for key, estimate in again.estimates.items():
        assert evaluation[key] == estimate
    other = evaluate(wardrobe, 150, seed=4, rules=["gate"], progress=False)
    key = ("prior", "gate", "pixel distance")
    assert other[key] != evaluation[key]


def test_unknown_names_are_refused_with_the_known_ones(evaluation, wardrobe):
    with pytest.raises(ValueError, match=r"expected one of 'recall@1', .* got 'recall@2'"):
        evaluation.table("recall@2")
    with pytest.raises(ValueError, match=r"expected one of 'posterior', .* got 'moon'"):
        evaluation.table("recall@1", sources=["moon"])
    with pytest.raises(ValueError, match=r"rules: expected one of .* got 'cosine'"):
        evaluate(wardrobe, rules=["cosine"])
    with pytest.raises(ValueError, match="queries: expected at least 2, got 1"):
        evaluate(wardrobe, queries=1)
    with pytest.raises(ValueError, match="values: expected at least 2 numbers, got 1"):
        average(torch.tensor([1.0, math.nan]))
    with pytest.raises(ValueError, match="hits: expected at least one query"):
        rate(torch.zeros(0, dtype=torch.bool))
    with pytest.raises(ValueError, match="k: expected 1 to 3, got 4"):
        hits(torch.zeros(2, 3, dtype=torch.int64), torch.zeros(2, dtype=torch.int64), 4)
