"""Estimates of a model's true posterior, compared with posteriors that are known exactly."""

import math

import pytest
import scipy.integrate
import scipy.stats
import torch

from vae_lib import VAE, encode_dataset
from vae_lib.evaluation import importance_moments
from vae_lib.linear_gaussian import correlated_model
from vae_lib.objective import log_prob_of_image

X = torch.tensor([[0.9, -1.2, 0.4, 1.7, -0.3]])


@pytest.mark.parametrize("widen", [1.0, 1.25, 2.0])
def test_the_exact_posterior_of_a_linear_gaussian_model_is_recovered(generator, widen):
    """Many estimates of the same posterior: their average is right within 4 standard errors."""
    model, repeats = correlated_model(), 60
    found = importance_moments(model, X.expand(repeats, 5), 4000, generator, widen)
    exact = model.posterior(X)
    deviations = exact.covariance_matrix[0].diagonal().sqrt()
    for estimates, truth in [
        (found.mean, exact.mean[0]),
        (found.std, deviations),
        (found.covariance[:, 0, 1], exact.covariance_matrix[0, 0, 1]),
    ]:
        errors = estimates.std(dim=0) / math.sqrt(repeats)
        assert ((estimates.mean(dim=0) - truth).abs() < 4 * errors).all()
        assert (errors < 0.005 * deviations.max()).all()  # so that the check above is strict
    # the diagonal q ignores the correlation of the dimensions, and is too narrow
    assert (found.std.mean(dim=0) > 1.05 * model.encode(X).stddev).all()


def test_all_samples_are_effective_where_q_is_the_posterior(generator):
    model = correlated_model(correlation=0.0)  # then q is exact
    found = importance_moments(model, X, 500, generator, widen=1.0)
    assert found.effective_samples.tolist() == pytest.approx([500], rel=1e-4)


def test_widening_costs_the_computed_share_of_samples(generator):
    """For p = q the effective share E[w]² / E[w²] is (√(2c² − 1) / c²)^d."""
    model, widen = correlated_model(correlation=0.0), 1.5
    found = importance_moments(model, X, 200_000, generator, widen)
    expected = (math.sqrt(2 * widen**2 - 1) / widen**2) ** model.latent_dim
    assert found.effective_samples.item() / 200_000 == pytest.approx(expected, rel=0.01)


def test_a_posterior_that_is_not_gaussian_agrees_with_numerical_integration(generator):
    torch.manual_seed(3)
    vae = VAE(1)
    with torch.no_grad():
        vae.decoder[-1].weight *= 12  # a decoder that listens to z
    x = torch.randint(0, 256, (1, 1, 28, 28), dtype=torch.uint8, generator=generator)
    z = torch.linspace(-8, 8, 4001)
    with torch.no_grad():
        log_prob = log_prob_of_image(vae.likelihood(z[:, None]), x.expand(4001, 1, 28, 28) / 255)
    z, log_prob = z.double().numpy(), log_prob.double().numpy()
    density = scipy.stats.norm.pdf(z) * torch.tensor(log_prob - log_prob.max()).exp().numpy()
    density /= scipy.integrate.simpson(density, x=z)
    mean = scipy.integrate.simpson(density * z, x=z)
    std = math.sqrt(scipy.integrate.simpson(density * (z - mean) ** 2, x=z))
    assert std < 0.9  # the posterior differs from the prior
    found = importance_moments(vae, x, 20_000, generator)
    error = 4 * std / math.sqrt(found.effective_samples.item())
    assert found.mean.item() == pytest.approx(mean, abs=error)
    assert found.std.item() == pytest.approx(std, abs=error)


def test_bytes_and_floats_give_the_same_row_for_each_image():
    torch.manual_seed(0)
    vae, x = VAE(3), torch.randint(0, 256, (2, 1, 28, 28), dtype=torch.uint8)
    found = importance_moments(vae, x, 100, torch.Generator().manual_seed(5))
    again = importance_moments(vae, x.float() / 255, 100, torch.Generator().manual_seed(5))
    assert found.mean.shape == found.std.shape == encode_dataset(vae, x).mean.shape
    assert found.covariance.shape == (2, 3, 3)
    assert found.effective_samples.shape == (2,)
    assert ((found.effective_samples > 1) & (found.effective_samples <= 100)).all()
    torch.testing.assert_close(found.covariance, again.covariance)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"samples": 1}, "samples: expected at least 2, got 1"),
        ({"widen": 0.0}, "widen: expected a number above 0, got 0.0"),
        ({"widen": math.nan}, "widen: expected a number above 0, got nan"),
    ],
)
def test_bad_arguments_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        importance_moments(correlated_model(), X, **options)
