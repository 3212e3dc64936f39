"""The rules, against SciPy in float64, by hand, and by their properties."""

import copy
import itertools
import math
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import scipy.special
import scipy.stats
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tests.test_any_model import EightLines
from vae_lib import (
    Neighbors,
    PosteriorIndex,
    Posteriors,
    encode_dataset,
    gated_search,
    roundtrip,
)
from vae_lib.posteriors import LARGEST, squared_distances
from vae_lib.retrieval import roundtrip_search, search_by
from vae_lib.rules import RANKINGS, RULES
from vae_lib.search import Scan, formula_of

rules = st.sampled_from(list(RANKINGS))
seeds = st.integers(0, 2**32 - 1)
ROOT = Path(__file__).parents[1]


def wardrobe(seed: int, garments: int = 50, latent: int = 4) -> Posteriors:
    """Posteriors with σ from e⁻⁷ to e²."""
    random = np.random.default_rng(seed)
    mean = random.normal(size=(garments, latent))
    std = np.exp(random.uniform(-7, 2, size=(garments, latent)))
    return Posteriors(mean=torch.tensor(mean), std=torch.tensor(std))


def queries(seed: int, count: int = 5, latent: int = 4) -> torch.Tensor:
    return torch.tensor(np.random.default_rng([seed, 1]).uniform(-5, 5, (count, latent)))


def by_scipy(posteriors: Posteriors, z: np.ndarray, rule: str) -> np.ndarray:
    """Return the scores [N] of one z: SciPy, NumPy, float64, one garment at a time."""
    mean, std = posteriors.mean.double().numpy(), posteriors.std.double().numpy()
    if rule == "likelihood":
        return np.array(
            [scipy.stats.norm(m, s).logpdf(z).sum() for m, s in zip(mean, std, strict=True)]
        )
    if rule == "student-t":
        return np.array(
            [
                scipy.stats.multivariate_t(m, np.diag(s**2), df=1).logpdf(z)
                for m, s in zip(mean, std, strict=True)
            ]
        )
    scale = {"euclidean": np.ones_like(std), "mahalanobis": std}.get(
        rule, np.sqrt((std**2).mean(axis=0)) * np.ones_like(std)
    )
    return np.array([np.linalg.norm((z - m) / s) for m, s in zip(mean, scale, strict=True)])


@given(seeds, rules)
def test_search_equals_scipy(seed, rule):
    posteriors = wardrobe(seed)
    z = queries(seed)
    found = PosteriorIndex(posteriors).search(z, k=7, rule=rule)
    for row in range(len(z)):
        expected = by_scipy(posteriors, z[row].numpy(), rule)
        order = np.argsort(
            -expected if RANKINGS[rule].larger_is_better else expected, kind="stable"
        )[:7]
        assert found.indices[row].tolist() == order.tolist()
        np.testing.assert_allclose(found.scores[row].numpy(), expected[order], rtol=1e-9)


@given(seeds)
def test_log_prob_equals_torch(seed):
    posteriors, z = wardrobe(seed), queries(seed)
    normal = torch.distributions.Normal(posteriors.mean.double(), posteriors.std.double())
    expected = normal.log_prob(z[:, None, :]).sum(dim=-1)
    torch.testing.assert_close(posteriors.log_prob(z), expected, rtol=1e-10, atol=1e-10)


@given(seeds, st.sampled_from(["one number", "by dimension", "by query"]))
def test_mutual_log_prob_equals_torch(seed, kind):
    posteriors, z = wardrobe(seed), queries(seed)
    widths = wardrobe(seed + 1, garments=len(z)).std.double()  # [Q, d]
    tau = {"one number": widths[0, 0], "by dimension": widths[0], "by query": widths}[kind]
    both = (posteriors.std.double() ** 2 + tau.expand_as(z)[:, None, :] ** 2).sqrt()
    normal = torch.distributions.Normal(posteriors.mean.double(), both)
    expected = normal.log_prob(z[:, None, :]).sum(dim=-1)
    found = posteriors.mutual_log_prob(z, tau)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)
    one_by_one = [
        posteriors.mutual_log_prob(a, b)[0] for a, b in zip(z, tau.expand_as(z), strict=True)
    ]
    assert torch.stack(one_by_one).equal(found)


@given(seeds)
def test_mutual_log_prob_is_symmetric_and_at_tau_0_the_likelihood(seed):
    first, second = wardrobe(seed), wardrobe(seed + 1, garments=20)
    forth = first.mutual_log_prob(second.mean, second.std)  # [20, 50]
    back = second.mutual_log_prob(first.mean, first.std)  # [50, 20]
    torch.testing.assert_close(forth, back.T, rtol=1e-10, atol=1e-10)
    z = queries(seed)
    for zero in (0, [0] * 4, torch.zeros_like(z)):
        found = first.mutual_log_prob(z, zero)
        torch.testing.assert_close(found, first.log_prob(z), rtol=1e-10, atol=1e-10)


def test_mutual_log_prob_is_the_density_at_which_two_posteriors_agree():
    pair = Posteriors(mean=torch.tensor([[0.3], [1.1]]), std=torch.tensor([[0.5], [0.8]]))
    u = torch.linspace(-10, 10, 20_001, dtype=torch.float64)
    agreed = pair.log_prob(u[:, None]).sum(dim=1).exp()  # q(u|x) q(u|x'), [20001]
    found = pair.mutual_log_prob(pair.mean, pair.std).exp()
    assert torch.trapezoid(agreed, u).item() == pytest.approx(found[0, 1].item(), rel=1e-6)


def test_for_large_tau_the_squared_distance_averaged_over_draws_is_left():
    generator = torch.Generator().manual_seed(0)
    posteriors = Posteriors(
        torch.randn(50, 4, generator=generator), torch.rand(50, 4, generator=generator) + 0.01
    )
    z, tau = torch.randn(5, 4, generator=generator), 1e4
    averaged = squared_distances(z, posteriors.mean, torch.tensor(1.0))
    averaged += posteriors.std.double().square().sum(dim=1)
    at_zero = -4 * (math.log(tau) + 0.5 * math.log(2 * math.pi))
    found = -2 * tau**2 * (posteriors.mutual_log_prob(z, tau) - at_zero)
    torch.testing.assert_close(found, averaged, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("tau", "error", "message"),
    [
        (-0.1, ValueError, "tau: expected numbers from 0 to 1e"),
        ([0.1, 0.1, 0.1, math.nan], ValueError, "tau: expected numbers from 0"),
        (math.inf, ValueError, "tau: expected numbers from 0"),
        ([0.1] * 3, ValueError, r"tau: expected at least 0, .* got shape \[3\]"),
        (torch.ones(2, 4), ValueError, r"tau: .* got shape \[2, 4\]"),
        ("wide", TypeError, "tau: expected at least 0"),
    ],
)
def test_a_bad_tau_is_named(tau, error, message):
    with pytest.raises(error, match=message):
        wardrobe(0).mutual_log_prob(queries(0), tau)


def test_two_garments_by_hand():
    """A narrow garment at 0 and a wide one at 3: z = 1 is nearer to the narrow one's mean.

    log q = −½ (1/0.25)² − log 0.25 − ½ log 2π = −7.533 for the narrow one, and
    −½ (2/2)² − log 2 − ½ log 2π = −2.112 for the wide one.
    """
    index = PosteriorIndex(mean=torch.tensor([[0.0], [3.0]]), std=torch.tensor([[0.25], [2.0]]))
    likelihood = index.search([1.0], k=2)
    assert likelihood.indices.tolist() == [1, 0]
    assert likelihood.scores.tolist() == pytest.approx([-2.1121, -7.5326], abs=1e-4)
    euclidean = index.search([1.0], k=2, rule="euclidean")
    assert euclidean.indices.tolist() == [0, 1]
    assert euclidean.scores.tolist() == [1, 2]


@given(seeds)
def test_one_sigma_for_all_ranks_as_euclidean(seed):
    means = wardrobe(seed).mean
    index = PosteriorIndex(mean=means, std=torch.full_like(means, 0.37))
    z = queries(seed)
    assert index.search(z).indices.equal(index.search(z, rule="euclidean").indices)


@given(seeds)
def test_the_same_sigma_vector_for_all_ranks_as_scaled_euclidean(seed):
    posteriors = wardrobe(seed)
    index = PosteriorIndex(mean=posteriors.mean, std=posteriors.std[:1].expand(50, 4))
    z = queries(seed)
    assert index.search(z).indices.equal(index.search(z, rule="scaled-euclidean").indices)


@given(seeds)
def test_equal_sums_of_log_sigma_rank_as_mahalanobis(seed):
    posteriors = wardrobe(seed)
    log_std = posteriors.std.double().log()
    std = (log_std - log_std.mean(dim=1, keepdim=True)).exp()  # every product of σ is now 1
    index = PosteriorIndex(mean=posteriors.mean, std=std)
    z = queries(seed)
    likelihood, mahalanobis = index.search(z), index.search(z, rule="mahalanobis")
    assert likelihood.indices.equal(mahalanobis.indices)


@given(seeds, rules, st.floats(-100, 100))
def test_a_shift_of_the_latent_space_changes_no_ranking(seed, rule, shift):
    random = np.random.default_rng(seed)
    # on a grid of 1/1024, float32 holds the shifted means exactly
    mean = torch.tensor(random.integers(-4096, 4096, (50, 4)) / 1024)
    z = torch.tensor(random.integers(-4096, 4096, (5, 4)) / 1024)
    shift = round(shift * 1024) / 1024
    std = wardrobe(seed).std
    before = PosteriorIndex(mean=mean, std=std).search(z, rule=rule)
    after = PosteriorIndex(mean=mean + shift, std=std).search(z + shift, rule=rule)
    assert after.indices.equal(before.indices)


@given(seeds, rules)
def test_permuting_garments_permutes_answers(seed, rule):
    posteriors, z = wardrobe(seed), queries(seed)
    order = torch.tensor(np.random.default_rng(seed).permutation(50))
    found = PosteriorIndex(posteriors[order]).search(z, rule=rule)
    assert order[found.indices].equal(PosteriorIndex(posteriors).search(z, rule=rule).indices)


@given(seeds, rules)
def test_a_batch_equals_one_by_one(seed, rule):
    index, z = PosteriorIndex(wardrobe(seed)), queries(seed, count=3)
    batch = index.search(z, rule=rule)
    for row in range(3):
        single = index.search(z[row], rule=rule)
        assert single.indices.shape == (10,)
        assert single.indices.equal(batch.indices[row])
        assert single.scores.equal(batch.scores[row])


@pytest.mark.parametrize("rule", RANKINGS)
def test_ties_go_to_the_lower_index(rule):
    mean = torch.zeros(300, 2)
    mean[[5, 100]] = 7.0
    index = PosteriorIndex(mean=mean, std=torch.ones(300, 2))
    first = [i for i in range(6) if i != 5]
    assert index.search([0.0, 0.0], k=5, rule=rule).indices.tolist() == first
    assert index.search([7.0, 7.0], k=3, rule=rule).indices.tolist() == [5, 100, 0]


@pytest.mark.parametrize("rule", RANKINGS)
def test_one_garment_and_all_garments(rule):
    one = PosteriorIndex(mean=torch.zeros(1, 2), std=torch.ones(1, 2))
    assert one.search([1.0, 1.0], k=1, rule=rule).indices.tolist() == [0]
    everything = PosteriorIndex(wardrobe(0)).search(queries(0), k=50, rule=rule)
    assert everything.indices.sort(dim=1).values.equal(torch.arange(50).expand(5, 50))


def test_more_queries_than_one_block_and_none():
    index = PosteriorIndex(wardrobe(0))
    z = queries(0, count=200)
    assert index.search(z).indices[150].equal(index.search(z[150]).indices)
    assert index.search(torch.zeros(0, 4)).indices.shape == (0, 10)


def exactly(index: PosteriorIndex, z: torch.Tensor, k: int, rule: str) -> tuple:
    """Return indices and scores by brute force: every score in float64, then a stable sort."""
    scores, order = index.scores(z, rule).sort(
        dim=1, descending=RANKINGS[rule].larger_is_better, stable=True
    )
    return order[:, :k], scores[:, :k]


def searchers(posteriors: Posteriors) -> dict[str, PosteriorIndex]:
    """Return indexes that search by leaves, by many small leaves, and by a scan in small blocks."""
    indexes = {name: PosteriorIndex(posteriors) for name in ("leaves", "small leaves", "scan")}
    with mock.patch("vae_lib.search.tree.LEAF", 9):
        assert len(indexes["small leaves"].searcher) >= len(posteriors) / 9
    indexes["scan"].searcher = Scan(posteriors)
    return indexes


def assert_exact(posteriors: Posteriors, z: torch.Tensor, k: int, rule: str) -> None:
    """Compare every way to search with brute force: the same order, and the same scores."""
    indices, scores = exactly(PosteriorIndex(posteriors), z, k, rule)
    found = {}
    with (
        mock.patch("vae_lib.search.scan.GARMENTS", 500),
        mock.patch("vae_lib.search.scan.QUERIES", 3),
    ):
        for name, index in searchers(posteriors).items():
            some = len(z) if name == "leaves" else 20
            found[name] = index.search(z[:some], k=k, rule=rule)
            # each library rounds the logarithm of "student-t" in a way of its own
            torch.testing.assert_close(found[name].scores, scores[:some], rtol=1e-12, atol=1e-12)
            if rule != "student-t":
                assert found[name].scores.equal(scores[:some])
                assert found[name].indices.equal(indices[:some])
    own = PosteriorIndex(posteriors).scores(z, rule).gather(1, found["leaves"].indices)
    torch.testing.assert_close(own, scores, rtol=1e-12, atol=1e-12)
    assert (found["leaves"].indices.sort(dim=1).values.diff(dim=1) > 0).all()


@st.composite
def wardrobes(draw) -> Posteriors:
    """Posteriors narrow and wide, shifted, with duplicates; from one garment to some thousands."""
    random = np.random.default_rng(draw(seeds))
    garments = draw(st.sampled_from([1, 2, 50, 255, 256, 257, 700, 3000]))
    latent = draw(st.sampled_from([1, 2, 5, 10]))
    low = draw(st.floats(-7, 2))
    high = low + abs(draw(st.floats(0, 2 - low)))  # NumPy takes −0 for less than 0
    mean = random.normal(size=(garments, latent)) * draw(st.sampled_from([0.001, 1.0, 5.0]))
    mean += draw(st.sampled_from([0.0, 1.0, -100.0, 100.0]))
    std = np.exp(random.uniform(low, high, size=(garments, latent)))
    if draw(st.booleans()):  # hundreds of twins, and some that differ in the last digits
        twins = random.integers(garments, size=garments // 2)
        mean[: len(twins)], std[: len(twins)] = mean[twins[:1]], std[twins[:1]]
        mean[: len(twins) // 3] *= 1 + 1e-7
    return Posteriors(mean=torch.tensor(mean), std=torch.tensor(std))


@given(wardrobes(), seeds, rules, st.data())
def test_search_is_exact(posteriors, seed, rule, data):
    garments, latent = posteriors.mean.shape
    k = data.draw(st.sampled_from([1, 10, 300, garments]).filter(lambda k: k <= garments))
    count = data.draw(st.sampled_from([1, 2, 7]))
    random = np.random.default_rng(seed)
    near = posteriors[torch.tensor(random.integers(garments, size=count))]
    z = near.mean + near.std * torch.tensor(random.normal(size=(count, latent)))
    z += torch.tensor(random.normal(size=(count, latent)) * data.draw(st.sampled_from([0, 1, 30])))
    assert_exact(posteriors, z, k, rule)


@pytest.mark.parametrize("rule", RANKINGS)
def test_thousands_of_queries_are_exact(index, rule):
    posteriors = Posteriors(index.posteriors.mean + 100, index.posteriors.std)
    z = torch.cat([posteriors.sample(torch.Generator().manual_seed(0))[:800], queries(0, 300, 10)])
    assert_exact(posteriors, z, 10, rule)


@pytest.mark.parametrize("rule", RANKINGS)
@pytest.mark.parametrize(
    ("mean", "std"),
    [(1.0, 1e-20), (1.0, 1e-38), (1.0, 1e20), (1e30, 1.0), (1e37, 1e-38), (1e-30, 1e-15)],
)
def test_numbers_beyond_float32_are_scored_in_float64(rule, mean, std):
    """The squares of such numbers overflow in float32, or vanish."""
    random = np.random.default_rng(0)
    means, stds = random.normal(size=(400, 3)), np.exp(random.normal(size=(400, 3)))
    means[::7] *= mean
    stds[::5] *= std
    index = PosteriorIndex(mean=torch.tensor(means), std=torch.tensor(stds))
    z = torch.cat([queries(0, 3, 3), torch.zeros(1, 3), torch.full((1, 3), 1e6)])
    for k in (1, 20):
        assert_exact(index.posteriors, z, k, rule)


@pytest.mark.parametrize("rule", RANKINGS)
@pytest.mark.parametrize("latent", [32, 64])
def test_search_is_exact_in_many_dimensions(rule, latent):
    posteriors = wardrobe(0, 600, latent)
    assert_exact(posteriors, torch.cat([posteriors.mean[:5], queries(0, 5, latent)]), 10, rule)


@pytest.mark.slow
@pytest.mark.parametrize("rule", RANKINGS)
def test_a_large_wardrobe_is_searched_exactly(rule):
    random = torch.Generator().manual_seed(0)
    mean = torch.randn(250_000, 4, generator=random)
    std = torch.exp(torch.randn(250_000, 4, generator=random) / 4 - 3)
    index = PosteriorIndex(mean=mean, std=std)
    z = torch.cat([index.posteriors[:6].sample(random), queries(0, 6)])
    indices, scores = exactly(index, z, 10, rule)
    found = index.search(z, k=10, rule=rule)
    assert found.indices.equal(indices)
    torch.testing.assert_close(found.scores, scores, rtol=1e-12, atol=1e-12)


def test_garments_of_leaves_that_cannot_win_are_never_read(index):
    """Where such garments turn into NaN, the answer stays the same, and most of them can."""
    expected = index.search(index.posteriors.mean[:1])
    other = PosteriorIndex(index.posteriors)
    with mock.patch("vae_lib.search.tree.LEAF", 32):
        tree = other.searcher
    formula = formula_of("likelihood", index.posteriors, index.rms_std, 1.0)
    low, high, leaf_scale, best_bias, mean, _, _, member, _ = tree.leaves(formula)
    z = index.posteriors.mean[0].double().numpy()[:, None]
    outside = np.maximum(np.maximum(low - z, z - high), 0) * leaf_scale
    bounds = best_bias - 0.5 * np.square(outside).sum(axis=0)
    every_score = index.scores(index.posteriors.mean[:1])[0].numpy()[member]
    assert (every_score.max(axis=1) <= bounds).all()  # no garment exceeds its leaf's bound
    hopeless = bounds < expected.scores[0, -1].item()
    assert hopeless.mean() > 0.5
    mean[hopeless] = np.nan
    found = other.search(index.posteriors.mean[:1])
    assert found.indices.equal(expected.indices)
    assert found.scores.equal(expected.scores)


@given(seeds, st.sampled_from([0.3, 1.0, 5.0, 1e6]))
def test_student_t_equals_scipy_for_other_degrees_of_freedom(seed, nu):
    posteriors, z = wardrobe(seed, 10), queries(seed, 2)
    mean, std = posteriors.mean.double().numpy(), posteriors.std.double().numpy()
    found = PosteriorIndex(posteriors).search(z, 10, "student-t", nu=nu)
    for row in range(2):
        expected = [
            scipy.stats.multivariate_t(mean[i], np.diag(std[i] ** 2), df=nu).logpdf(z[row].numpy())
            for i in found.indices[row].tolist()
        ]
        np.testing.assert_allclose(found.scores[row].numpy(), expected, rtol=1e-7, atol=1e-7)
        assert (np.diff(expected) < 1e-7).all()


def test_threads_share_a_batch_and_change_nothing():
    index, z = PosteriorIndex(wardrobe(0)), queries(0, count=7)
    for count in (0, 1, 2, 7):
        alone, shared = index.search(z[:count]), index.search(z[:count], threads=3)
        assert shared.indices.equal(alone.indices)
        assert shared.scores.equal(alone.scores)
    with pytest.raises(ValueError, match="threads: expected at least 1, got 0"):
        index.search(z, threads=0)


def test_searches_that_run_at_once_disturb_neither_each_other_nor_torch():
    posteriors, z = wardrobe(0, 3000), queries(0, count=400)
    settings = [torch.get_num_threads(), torch.backends.mkldnn.matmul.fp32_precision]
    expected = PosteriorIndex(posteriors).search(z)
    index = PosteriorIndex(posteriors)  # which the threads also build at once
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: index.search(z), range(8)))
    assert all(each.scores.equal(expected.scores) for each in found)
    assert settings == [torch.get_num_threads(), torch.backends.mkldnn.matmul.fp32_precision]


@pytest.mark.parametrize("name", ["leaves", "scan"])
def test_an_empty_batch_goes_through_everything(name, vae, index):
    index = PosteriorIndex(index.posteriors)
    index.searcher = searchers(index.posteriors)[name].searcher
    none = torch.zeros(0, 10)
    for rule in RULES:
        found = search_by(vae, index, none, 4, rule)
        assert found.indices.shape == found.scores.shape == (0, 4)
    assert index.search(none).probabilities.shape == (0, 10)
    assert index.mahalanobis2(none).shape == index.is_familiar(none).shape == (0,)
    assert gated_search(vae, index, none).familiar.shape == (0,)
    assert index.scores(none).shape == (0, len(index))
    assert len(pickle.loads(pickle.dumps(index.search(none)))) == 0
    assert roundtrip(vae, none).shape == (0, 10)


FRESH = """
import sys, torch, vae_lib
assert "numba" not in sys.modules, "vae_lib imports numba"
{change}
index = vae_lib.PosteriorIndex(mean=torch.tensor([[0.0], [3.0]]), std=torch.tensor([[0.2], [2.0]]))
found = index.search([1.0], k=2)
print(type(index.searcher).__name__, *found.indices.tolist(), end=" ")
print(round(found.probabilities.sum().item(), 9))
"""
NO_FOLDER = """
from numba.core import caching
caching.CacheImpl._locator_classes = []  # numba finds no folder that it can write to
"""


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("", "Tree 1 0 1.0"),
        ("sys.modules['numba'] = None", "Scan 1 0 1.0"),
        pytest.param(NO_FOLDER, "Tree 1 0 1.0", marks=pytest.mark.slow),
    ],
    ids=["numba", "no numba", "nothing can be written"],
)
def test_the_first_search_imports_numba_where_it_can(change, expected):
    code = FRESH.format(change=change)
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (run.returncode, run.stdout.strip()) == (0, expected), run.stderr


@given(seeds)
def test_probabilities_are_a_softmax_over_all_garments(seed):
    posteriors, z = wardrobe(seed), queries(seed)
    found = PosteriorIndex(posteriors).search(z, k=50)
    scores = np.stack([by_scipy(posteriors, row.numpy(), "likelihood") for row in z])
    expected = scipy.special.softmax(scores, axis=1)
    np.testing.assert_allclose(
        found.probabilities.numpy(),
        np.take_along_axis(expected, found.indices.numpy(), 1),
        atol=1e-9,
    )
    assert found.probabilities.sum(dim=1).tolist() == pytest.approx([1] * 5)
    few = PosteriorIndex(posteriors).search(z, k=3)
    assert few.probabilities.equal(found.probabilities[:, :3])


@pytest.mark.parametrize("spread", [0.5, 3.0, 30.0])
def test_the_part_left_out_of_the_sum_is_negligible(spread, index):
    z = spread * torch.randn(40, 10, generator=torch.Generator().manual_seed(1))
    everyone = index.posteriors.log_prob(z).softmax(dim=1)
    found = index.search(z, k=10)
    torch.testing.assert_close(
        found.probabilities, everyone.gather(1, found.indices), rtol=0, atol=1e-9
    )


def test_garments_that_are_all_alike_share_the_probability():
    alike = PosteriorIndex(mean=torch.zeros(5000, 3), std=torch.full((5000, 3), 0.1))
    found = alike.search([[0.0] * 3, [9.0] * 3], k=2)
    assert found.probabilities.flatten().tolist() == pytest.approx([1 / 5000] * 4, rel=1e-9)


def test_probabilities_survive_where_likelihoods_underflow():
    index = PosteriorIndex(mean=torch.tensor([[0.0], [1.0]]), std=torch.full((2, 1), 0.01))
    found = index.search([100.0], k=2)
    assert found.scores[0].exp() == 0  # e to the minus fifty million
    assert found.probabilities.tolist() == [1.0, 0.0]
    assert index.search([100.0], k=2, rule="euclidean").probabilities is None


def test_familiar_means_inside_the_chi2_quantile(generator):
    index = PosteriorIndex(wardrobe(0))
    z = queries(3, count=200) / 3
    smallest = index.mahalanobis2(z)
    quantile = scipy.stats.chi2.ppf(0.999, df=4)
    assert index.is_familiar(z).tolist() == (smallest < quantile).tolist()
    assert 0 < index.is_familiar(z).sum() < 200  # both kinds occur


@pytest.mark.parametrize("latent", [1, 2, 10, 32])
def test_the_gate_turns_at_the_quantile(latent):
    index = PosteriorIndex(mean=torch.zeros(1, latent), std=torch.ones(1, latent))
    radius = math.sqrt(scipy.stats.chi2.ppf(0.999, df=latent))
    direction = torch.zeros(latent, dtype=torch.float64)
    direction[0] = radius
    assert index.is_familiar(direction * 0.9999).tolist() == [True]
    assert index.is_familiar(direction * 1.0001).tolist() == [False]


def test_roundtrip_is_the_mean_of_the_encoded_picture(vae):
    z = torch.randn(3, 10, generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        expected = vae.encode(vae.decode(z)).mean
    assert roundtrip(vae, z).equal(expected)
    assert roundtrip(vae, z[0].tolist()).shape == (1, 10)


def test_gated_search_takes_the_round_trip_only_for_unfamiliar_z(vae, index):
    near = index.posteriors.mean[:2].double()
    far = torch.full((1, 10), 5.0, dtype=torch.float64)
    z = torch.cat([near, far])
    found = gated_search(vae, index, z, k=3)
    assert found.familiar.tolist() == [True, True, False]
    assert found.indices[:2].equal(index.search(near, k=3).indices)
    assert found.indices[2].equal(index.search(roundtrip(vae, far)[0], k=3).indices)
    assert found.probabilities[:2].equal(index.search(near, k=3).probabilities)
    single = gated_search(vae, index, far[0], k=3)
    assert single.familiar.item() is False
    assert single.indices.equal(found.indices[2])


def test_any_model_goes_through_the_gate():
    torch.manual_seed(0)
    model = EightLines()
    index = PosteriorIndex(encode_dataset(model, torch.rand(20, *model.image_shape)))
    far = torch.full((2, 2), 50.0)
    assert gated_search(model, index, far, k=3).familiar.tolist() == [False, False]
    assert roundtrip_search(model, index, far, 3).indices.shape == (2, 3)
    for function in (roundtrip, lambda vae, z: gated_search(vae, index, z)):
        with pytest.raises(TypeError, match="vae: expected a model with encode, decode"):
            function(torch.nn.Linear(2, 2), far)


def test_every_rule_of_the_registry_is_searched_by_its_name(vae, index):
    z = torch.full((2, 10), 4.0)
    for rule in RANKINGS:
        assert search_by(vae, index, z, 5, rule).indices.equal(index.search(z, 5, rule).indices)
        returned = index.search(roundtrip(vae, z), 5, rule).indices
        assert roundtrip_search(vae, index, z, 5, rule).indices.equal(returned)
        assert roundtrip_search(vae, index, z[0], 5, rule).indices.equal(returned[0])
    returned = roundtrip_search(vae, index, z, 5).indices
    assert search_by(vae, index, z, 5, "round trip").indices.equal(returned)
    gated = gated_search(vae, index, z, 5).indices
    assert search_by(vae, index, z, 5, "gate").indices.equal(gated)
    with pytest.raises(ValueError, match="rule: expected one of 'likelihood'"):
        search_by(vae, index, z, 5, "cosine")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"z": [0.0] * 3}, r"z: expected shape \[4\] or \[Q, 4\], got \[3\]"),
        ({"z": [[[0.0] * 4]]}, r"z: expected shape .* got \[1, 1, 4\]"),
        ({"z": [0.0, 0.0, 0.0, math.nan]}, "z: expected finite numbers, got NaN"),
        ({"z": [0.0, 0.0, 0.0, math.inf]}, "z: expected finite numbers"),
        ({"k": 0}, r"k: expected 1 to 50, got 0"),
        ({"k": 51}, "k: expected 1 to 50"),
        ({"rule": "cosine"}, "rule: expected one of 'likelihood', 'euclidean', .* got 'cosine'"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    index = PosteriorIndex(wardrobe(0))
    with pytest.raises(ValueError, match=message):
        index.search(**({"z": [0.0] * 4} | arguments))


@pytest.mark.parametrize("arguments", [{"z": "abc"}, {"z": None}, {"k": 2.0}, {"k": True}])
def test_bad_types_are_named(arguments):
    index = PosteriorIndex(wardrobe(0))
    with pytest.raises(TypeError, match=next(iter(arguments))):
        index.search(**({"z": [0.0] * 4} | arguments))


@given(arrays(np.float32, (2, 4), elements=st.floats(width=32)))
def test_any_array_of_floats_is_searched_or_refused(z):
    index = PosteriorIndex(wardrobe(0))
    if (np.abs(z) <= LARGEST).all():
        assert index.search(z, k=1).indices.shape == (2, 1)
    else:
        with pytest.raises(ValueError, match=r"finite|within"):
            index.search(z, k=1)


@pytest.mark.parametrize("z", [[1e39] * 4, [1e200] * 4, torch.full((4,), 2e6)])
def test_an_absurdly_large_z_is_refused(z):
    with pytest.raises(ValueError, match="z: expected numbers within"):
        PosteriorIndex(wardrobe(0)).search(z)


@pytest.mark.parametrize("z", [[1j] * 4, torch.zeros(4, dtype=torch.complex64), [10**400] * 4])
def test_a_z_that_is_not_real_is_refused(z):
    with pytest.raises(TypeError, match="z: expected numbers of shape"):
        PosteriorIndex(wardrobe(0)).search(z)


def test_z_comes_in_many_forms():
    index = PosteriorIndex(wardrobe(0))
    expected = index.search([1.0, 0.0, -1.0, 2.0]).indices
    forms = [
        [1, 0, -1, 2],
        np.array([1, 0, -1, 2], dtype=">f4"),
        np.array([2, -1, 0, 1])[::-1],
        torch.tensor([1, 0, -1, 2]),
        torch.tensor([1.0, 0, -1, 2], requires_grad=True),
        torch.tensor([1.0, 0, -1, 2], dtype=torch.float16),
        list(torch.tensor([1.0, 0, -1, 2])),
    ]
    for z in forms:
        assert index.search(z).indices.equal(expected)
    rows = [torch.tensor([1.0, 0, -1, 2])] * 2
    assert index.search(rows).indices.equal(expected.expand(2, 10))


def test_later_changes_to_the_arguments_change_nothing():
    mean, std, z = torch.zeros(3, 2), torch.ones(3, 2), torch.zeros(2, dtype=torch.float64)
    index = PosteriorIndex(mean=mean, std=std)
    found = index.search(z, k=3)
    for tensor in (mean, std, z):
        tensor.fill_(50)
    assert found.probabilities.tolist() == pytest.approx([1 / 3] * 3)
    assert index.posteriors.mean.tolist() == [[0, 0]] * 3
    assert index.posteriors.std.tolist() == [[1, 1]] * 3


@pytest.mark.parametrize("rule", RANKINGS)
def test_answers_are_ordinary_tensors_also_for_autograd(rule):
    index = PosteriorIndex(wardrobe(0))
    with torch.inference_mode():  # nor does it matter where the index was first used
        index.search(queries(0), rule=rule)
    weight = torch.ones(5, 10, dtype=torch.float64, requires_grad=True)
    found = index.search(queries(0), rule=rule)
    (found.scores * weight).sum().backward()
    assert weight.grad.equal(found.scores)
    found.indices[0, 0] = 0  # they are the caller's, to write to as well


def test_bad_posteriors_are_named():
    good = torch.ones(3, 2)
    for std, message in [
        (torch.zeros(3, 2), "std: expected finite numbers above 0"),
        (torch.full((3, 2), math.nan), "std: expected finite numbers above 0"),
        (torch.full((3, 2), math.inf), "std: expected finite numbers above 0"),
        (torch.ones(3, 3), r"std: expected the shape of mean, \[3, 2\], got \[3, 3\]"),
    ]:
        with pytest.raises(ValueError, match=message):
            PosteriorIndex(mean=good, std=std)
    with pytest.raises(ValueError, match="mean: expected finite"):
        PosteriorIndex(mean=good * math.nan, std=good)
    with pytest.raises(ValueError, match=r"mean: expected shape \[N, d\]"):
        PosteriorIndex(mean=torch.ones(0, 2), std=torch.ones(0, 2))
    with pytest.raises(TypeError, match="mean and std: expected both"):
        PosteriorIndex(mean=good)
    with pytest.raises(TypeError, match="posteriors: give either posteriors, or mean and std"):
        PosteriorIndex()
    with pytest.raises(TypeError, match="posteriors: expected Posteriors, got Tensor"):
        PosteriorIndex(good)


def test_an_answer_unpacks_and_has_a_length():
    index = PosteriorIndex(wardrobe(0))
    indices, scores = found = index.search(queries(0), 3)
    assert indices is found.indices
    assert scores is found.scores
    assert len(found) == 5
    assert len(index.search(queries(0)[0], 3)) == 3


def test_answers_are_printed_in_a_few_lines():
    index = PosteriorIndex(mean=torch.arange(30.0)[:, None], std=torch.ones(30, 1))
    assert repr(index) == "PosteriorIndex(30 garments, 1 latent dimensions)"
    assert repr(index.posteriors) == "Posteriors(30 garments, 1 latent dimensions)"
    assert repr(index.search([2.1], 3)) == "Neighbors('likelihood', indices=[2, 3, 1])"
    many = repr(index.search(torch.zeros(1000, 1), 12, "euclidean"))
    assert many.splitlines() == [
        "Neighbors('euclidean', 1000 queries, k=12",
        *["  [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, ...]"] * 3,
        "  ...)",
    ]


@pytest.mark.parametrize("rule", ["likelihood", "mahalanobis"])
def test_an_answer_is_pickled_with_its_probabilities(rule):
    index = PosteriorIndex(wardrobe(0))
    for z in (queries(0), queries(0)[0]):
        found = index.search(z, 4, rule)
        again = pickle.loads(pickle.dumps(found))
        assert again.indices.equal(found.indices)
        assert again.scores.equal(found.scores)
        assert again.rule == rule
        if rule == "likelihood":
            assert again.probabilities.equal(found.probabilities)
            assert copy.deepcopy(found).log_normalizer.equal(found.log_normalizer)
        else:
            assert again.probabilities is found.probabilities is None


@given(wardrobes(), seeds, st.sampled_from(["likelihood", "euclidean", "mahalanobis"]))
def test_answers_of_parts_are_merged_exactly(posteriors, seed, rule):
    """With twins in different parts, and parts with fewer than k garments."""
    garments = len(posteriors)
    random = np.random.default_rng(seed)
    cuts = sorted({0, garments, *random.integers(garments, size=3).tolist()})
    z = posteriors.mean[torch.tensor(random.integers(garments, size=4))] + 0.1
    for queries in (z, z[0]):
        k = min(7, garments)
        whole = PosteriorIndex(posteriors).search(queries, k, rule)
        parts = [
            PosteriorIndex(posteriors[a:b]).search(queries, min(k, b - a), rule)
            for a, b in itertools.pairwise(cuts)
        ]
        merged = Neighbors.merge(parts, k, starts=cuts[:-1])
        assert merged.indices.equal(whole.indices)
        assert merged.scores.equal(whole.scores)
        if rule == "likelihood":
            torch.testing.assert_close(merged.probabilities, whole.probabilities, rtol=0, atol=1e-9)


def test_answers_that_do_not_belong_together_are_not_merged():
    index, z = PosteriorIndex(wardrobe(0)), queries(0)
    two = [index.search(z, 3), index.search(z, 3, "euclidean")]
    for parts in (two, []):
        with pytest.raises(ValueError, match="parts: expected answers by one rule"):
            Neighbors.merge(parts, 3)
    with pytest.raises(ValueError, match="k: expected 1 to 3, got 4"):
        Neighbors.merge(two[:1], 4)


def test_some_posteriors_are_picked_by_numbers_masks_and_slices():
    posteriors = wardrobe(0)
    for number in (3, np.int64(3), torch.tensor(3), -47):
        assert posteriors[number].mean.equal(posteriors.mean[3:4])
        assert posteriors[number].std.equal(posteriors.std[3:4])
    assert torch.cat([each.mean for each in posteriors]).equal(posteriors.mean)
    assert posteriors[[4, 2]].mean.equal(posteriors[np.array([4, 2])].mean)
    assert posteriors[posteriors.mean[:, 0] > 0].mean[:, 0].min() > 0
    for wrong in (50, -51, "a", 1.5, None, (slice(None), 0)):
        with pytest.raises(IndexError, match="garments: expected a number, a slice, a mask"):
            posteriors[wrong]


def test_k_can_be_any_whole_number():
    index = PosteriorIndex(wardrobe(0))
    for k in (np.int64(3), np.uint8(3), torch.tensor(3)):
        assert index.search([0.0] * 4, k).indices.shape == (3,)


@pytest.mark.parametrize("nu", [0, -1.0, math.inf, math.nan])
def test_bad_degrees_of_freedom_are_named(nu):
    with pytest.raises(ValueError, match="nu: expected a number from 1e-06 to 1e"):
        PosteriorIndex(wardrobe(0)).search([0.0] * 4, rule="student-t", nu=nu)


def test_an_index_is_saved_and_loaded(tmp_path):
    index = PosteriorIndex(wardrobe(0))
    index.save(tmp_path / "index.safetensors")
    again = PosteriorIndex.load(tmp_path / "index.safetensors")
    z = queries(0)
    assert again.search(z).indices.equal(index.search(z).indices)
    assert again.search(z).scores.equal(index.search(z).scores)
