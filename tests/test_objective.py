"""The ELBO and its parts, compared with independent computations."""

import math

import pytest
import scipy.integrate
import scipy.stats
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.distributions import Bernoulli, Normal, kl_divergence

from vae_lib import VAE, elbo, importance_weighted_bound, kl_to_prior
from vae_lib.linear_gaussian import correlated_model

means = st.floats(-8, 8)
stds = st.floats(math.exp(-7), math.exp(2))


@given(means, stds)
def test_kl_agrees_with_torch_and_is_never_negative(mean, std):
    q = Normal(torch.tensor(mean, dtype=torch.float64), torch.tensor(std, dtype=torch.float64))
    expected = kl_divergence(q, Normal(torch.zeros_like(q.mean), torch.ones_like(q.mean)))
    torch.testing.assert_close(kl_to_prior(q), expected, rtol=1e-12, atol=1e-12)
    assert kl_to_prior(q) >= 0


def test_kl_is_zero_at_the_prior():
    assert kl_to_prior(Normal(torch.zeros(3), torch.ones(3))).tolist() == [0, 0, 0]


@pytest.mark.parametrize(("mean", "std"), [(0.0, 1.0), (1.5, 0.3), (-2.0, 2.5)])
def test_kl_agrees_with_numerical_integration(mean, std):
    q, p = scipy.stats.norm(mean, std), scipy.stats.norm()
    expected, _ = scipy.integrate.quad(
        lambda z: q.pdf(z) * (q.logpdf(z) - p.logpdf(z)), mean - 12 * std, mean + 12 * std
    )
    found = kl_to_prior(Normal(torch.tensor(mean, dtype=torch.float64), std))
    assert found.item() == pytest.approx(expected, rel=1e-8, abs=1e-10)


def images(count: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (count, 1, 28, 28), dtype=torch.uint8, generator=generator)


def test_elbo_terms_equal_explicit_sums(generator):
    torch.manual_seed(0)
    vae, x = VAE(3), images(4)
    eps = torch.randn(4, 3, generator=generator)
    terms = elbo(vae, x, eps=eps)
    q = vae.encode(x)
    pixels = vae.decode(q.mean + q.stddev * eps).double()
    grey = x.double() / 255
    cross_entropy = grey * pixels.log() + (1 - grey) * (1 - pixels).log()
    expected = cross_entropy.sum(dim=(1, 2, 3))  # the sum over pixels, not their mean
    torch.testing.assert_close(terms.reconstruction.double(), expected, rtol=1e-5, atol=1e-3)
    kl = kl_divergence(q, Normal(0.0, 1.0))
    torch.testing.assert_close(terms.kl_per_dimension, kl, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(terms.kl, kl.sum(dim=1), rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(terms.elbo, terms.reconstruction - terms.kl)


def test_elbo_with_fixed_eps_does_not_depend_on_the_batch(generator):
    torch.manual_seed(0)
    vae, x = VAE(3), images(6)
    eps = torch.randn(6, 3, generator=generator)
    whole = elbo(vae, x, eps=eps).elbo
    one_by_one = [elbo(vae, x[i : i + 1], eps=eps[i : i + 1]).elbo[0] for i in range(6)]
    torch.testing.assert_close(whole, torch.stack(one_by_one), rtol=1e-6, atol=1e-3)


def test_elbo_is_the_same_for_bytes_and_floats(generator):
    torch.manual_seed(0)
    vae, x, eps = VAE(2), images(3), torch.randn(3, 2, generator=generator)
    torch.testing.assert_close(elbo(vae, x, eps).elbo, elbo(vae, x.float() / 255, eps).elbo)


def test_likelihood_of_binary_pixels_is_a_normalised_bernoulli():
    torch.manual_seed(0)
    vae = VAE(2)
    z = torch.zeros(1, 2)
    p = vae.likelihood(z)
    assert isinstance(p, Bernoulli)
    one = p.log_prob(torch.ones(1, 1, 28, 28)).exp()
    zero = p.log_prob(torch.zeros(1, 1, 28, 28)).exp()
    torch.testing.assert_close(one + zero, torch.ones(1, 1, 28, 28))
    torch.testing.assert_close(vae.decode(z), one)


def test_gradients_pass_through_the_sample():
    torch.manual_seed(0)
    vae = VAE(2).double()
    x, eps = images(2), torch.full((2, 2), 0.7)
    bias = vae.encoder[-1].bias
    elbo(vae.float(), x, eps=eps).reconstruction.sum().backward()
    assert (bias.grad.abs() > 0).all()  # of the means and of the log variances


def test_elbo_refuses_eps_of_another_shape():
    with pytest.raises(ValueError, match=r"eps: expected shape \[2, 3\], got \[2, 4\]"):
        elbo(VAE(3), images(2), eps=torch.zeros(2, 4))


def test_the_bound_needs_a_sample():
    with pytest.raises(ValueError, match="samples: expected at least 1, got 0"):
        importance_weighted_bound(VAE(3), images(2), samples=0)


def mean_and_error(values: torch.Tensor) -> tuple[float, float]:
    return values.mean().item(), values.std().item() / math.sqrt(len(values))


def test_bounds_of_a_linear_gaussian_model_are_ordered_and_reach_log_p(generator):
    """ELBO < bound(8) < bound(64) < log p(x), by more than the noise; the gap is exact."""
    model, count = correlated_model(), 20_000
    x = torch.tensor([[0.9, -1.2, 0.4, 1.7, -0.3]])
    exact = model.log_prob(x).item()
    copies = x.expand(count, 5)
    average, error = mean_and_error(elbo(model, copies, generator=generator).elbo)
    assert average == pytest.approx(exact - model.gap().item(), abs=4 * error)
    previous, previous_error = average, error
    for samples in (8, 64):
        bound = importance_weighted_bound(model, copies, samples, generator)
        average, error = mean_and_error(bound)
        assert average - previous > 4 * (error + previous_error)
        assert average < exact + 4 * error
        previous, previous_error = average, error
    assert exact - previous < 0.1 * model.gap().item()


def test_bound_with_one_sample_is_the_elbo_without_the_closed_form_kl():
    model = correlated_model()
    x = torch.randn(5, 5, generator=torch.Generator().manual_seed(3))
    found = importance_weighted_bound(model, x, 1, torch.Generator().manual_seed(4))
    eps = torch.randn(5, 2, generator=torch.Generator().manual_seed(4))
    q = model.encode(x)
    z = q.mean + q.stddev * eps
    prior = scipy.stats.multivariate_normal([0, 0])
    expected = model.likelihood(z).log_prob(x) - q.log_prob(z).sum(dim=1)
    expected = expected.double() + torch.tensor(prior.logpdf(z.numpy()))
    torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32)])
def test_an_empty_batch_has_an_empty_elbo(shape):
    vae, nothing = VAE(2, shape), torch.zeros(0, *shape)
    assert elbo(vae, nothing).elbo.shape == (0,)
    assert importance_weighted_bound(vae, nothing, samples=2).shape == (0,)
    assert vae(nothing).shape == (0, *shape)


def test_wrong_types_are_named():
    with pytest.raises(TypeError, match="eps: expected a tensor, got list"):
        elbo(VAE(2), images(1), eps=[[0.0, 0.0]])
    with pytest.raises(TypeError, match="samples: expected an int, got float"):
        importance_weighted_bound(VAE(2), images(1), samples=1.5)
    with pytest.raises(TypeError, match="z: expected a tensor of floats"):
        VAE(2).decode([[0.0, 0.0]])


def test_decode_refuses_bad_latent_codes():
    with pytest.raises(ValueError, match="finite float32"):
        VAE(2).decode(torch.tensor([[1e39, 0.0]], dtype=torch.float64))
    with pytest.raises(ValueError, match="z: expected finite"):
        VAE(2).decode(torch.tensor([[0.0, math.nan]]))
    with pytest.raises(ValueError, match=r"z: expected shape \[B, 2\], got \[1, 3\]"):
        VAE(2).decode(torch.zeros(1, 3))
    with pytest.raises(ValueError, match="latent_dim: expected at least 1"):
        VAE(0)
    with pytest.raises(TypeError, match="latent_dim"):
        VAE("10")
