"""The linear-Gaussian model, compared with independent computations in SciPy and NumPy."""

import numpy as np
import pytest
import scipy.integrate
import scipy.stats
import torch

from vae_lib.linear_gaussian import LinearGaussian, correlated_model


def random_model(pixels: int, latent: int, noise: float, seed: int) -> LinearGaussian:
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(pixels, latent, generator=generator, dtype=torch.float64)
    bias = torch.randn(pixels, generator=generator, dtype=torch.float64)
    return LinearGaussian(weight, bias, noise)


def some_x(model: LinearGaussian, count: int = 6) -> torch.Tensor:
    generator = torch.Generator().manual_seed(7)
    return 2 * torch.randn(count, len(model.bias), generator=generator, dtype=model.weight.dtype)


MODELS = {
    "the course's": correlated_model(),
    "orthogonal": correlated_model(0.0),
    "5 pixels, 3 latents": random_model(5, 3, noise=0.3, seed=0),
    "2 pixels, 4 latents": random_model(2, 4, noise=1.7, seed=1),
    "1 latent": random_model(4, 1, noise=0.1, seed=2),
}


@pytest.fixture(params=MODELS, ids=list(MODELS))
def model(request) -> LinearGaussian:
    return MODELS[request.param]


def tolerance(model: LinearGaussian) -> float:
    return 1e-9 if model.weight.dtype == torch.float64 else 2e-5


def joint(model: LinearGaussian) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean and covariance of the joint Gaussian of (z, x), computed with NumPy."""
    weight, bias = model.weight.double().numpy(), model.bias.double().numpy()
    pixels, latent = weight.shape
    # (z, x) is linear in d + D independent standard normal numbers
    mixing = np.block(
        [
            [np.eye(latent), np.zeros((latent, pixels))],
            [weight, model.noise * np.eye(pixels)],
        ]
    )
    return np.concatenate([np.zeros(latent), bias]), mixing @ mixing.T


def conditioned(model: LinearGaussian, x: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Return mean [B, d] and covariance [d, d] of z given x, from the joint Gaussian."""
    mean, covariance = joint(model)
    d = model.latent_dim
    zz, zx, xx = covariance[:d, :d], covariance[:d, d:], covariance[d:, d:]
    gain = np.linalg.solve(xx, zx.T).T
    return (x.double().numpy() - mean[d:]) @ gain.T, zz - gain @ zx.T


def kl_of_gaussians(mean0, covariance0, mean1, covariance1) -> float:
    """Return KL(N0 ‖ N1) in nats, in terms of the covariances."""
    away = mean1 - mean0
    trace = np.trace(np.linalg.solve(covariance1, covariance0))
    distance = away @ np.linalg.solve(covariance1, away)
    log_dets = np.linalg.slogdet(covariance1)[1] - np.linalg.slogdet(covariance0)[1]
    return 0.5 * (trace + distance - len(mean0) + log_dets)


def test_log_prob_is_that_of_the_joint_gaussian(model):
    x = some_x(model)
    mean, covariance = joint(model)
    d = model.latent_dim
    oracle = scipy.stats.multivariate_normal(mean[d:], covariance[d:, d:])
    found = model.log_prob(x)
    assert found.shape == (len(x),)
    np.testing.assert_allclose(found.numpy(), oracle.logpdf(x.numpy()), rtol=tolerance(model))


def test_log_prob_is_the_integral_over_all_codes():
    model = random_model(3, 1, noise=0.6, seed=3)
    x = some_x(model, 1)
    weight, bias, noise = model.weight[:, 0].numpy(), model.bias.numpy(), model.noise

    def integrand(z: float) -> float:
        pixels = scipy.stats.norm.pdf(x[0].numpy(), weight * z + bias, noise)
        return pixels.prod() * scipy.stats.norm.pdf(z)

    centre = conditioned(model, x)[0][0, 0]
    total, _ = scipy.integrate.quad(integrand, centre - 8, centre + 8, points=[centre])
    assert model.log_prob(x).item() == pytest.approx(np.log(total), abs=1e-7)


def test_posterior_is_the_joint_gaussian_conditioned_on_x(model):
    x = some_x(model)
    mean, covariance = conditioned(model, x)
    posterior = model.posterior(x)
    scale = tolerance(model)
    np.testing.assert_allclose(posterior.mean.numpy(), mean, rtol=scale, atol=scale)
    for found in posterior.covariance_matrix.numpy():
        np.testing.assert_allclose(found, covariance, rtol=scale, atol=scale)


def test_likelihood_is_the_joint_gaussian_conditioned_on_z(model):
    z = torch.linspace(-1.5, 1.5, model.latent_dim, dtype=model.weight.dtype)[None]
    x = some_x(model, 1)
    mean = model.weight.double().numpy() @ z[0].double().numpy() + model.bias.double().numpy()
    expected = scipy.stats.norm.logpdf(x[0].double().numpy(), mean, model.noise).sum()
    assert model.likelihood(z).log_prob(x).item() == pytest.approx(expected, rel=tolerance(model))


def test_gap_is_the_divergence_of_q_from_the_posterior(model):
    x = some_x(model, 1)
    mean, covariance = conditioned(model, x)
    q = model.encode(x)
    std = q.stddev.double().numpy().reshape(-1)
    np.testing.assert_allclose(q.mean.numpy(), mean, rtol=tolerance(model), atol=tolerance(model))
    expected = kl_of_gaussians(q.mean[0].double().numpy(), np.diag(std**2), mean[0], covariance)
    assert model.gap().item() == pytest.approx(expected, rel=10 * tolerance(model), abs=1e-6)


def test_no_other_diagonal_gaussian_is_nearer_to_the_posterior(model):
    x = some_x(model, 1)
    mean, covariance = conditioned(model, x)
    std = model.encode(x).stddev.double().numpy().reshape(-1)
    best = kl_of_gaussians(mean[0], np.diag(std**2), mean[0], covariance)
    noise = np.random.default_rng(0)
    for _ in range(50):
        other = std * np.exp(0.2 * noise.standard_normal(len(std)))
        moved = mean[0] + 0.1 * noise.standard_normal(len(std))
        assert kl_of_gaussians(mean[0], np.diag(other**2), mean[0], covariance) > best
        assert kl_of_gaussians(moved, np.diag(std**2), mean[0], covariance) > best


def test_the_gap_is_positive_only_for_correlated_columns():
    assert correlated_model(0.0).gap().item() == pytest.approx(0, abs=1e-6)
    gaps = [correlated_model(correlation).gap().item() for correlation in (0.1, 0.4, 0.7, 0.9)]
    assert gaps == sorted(gaps)
    assert gaps[0] > 1e-3


@pytest.mark.parametrize("correlation", [-0.6, 0.0, 0.4, 0.9])
def test_columns_have_the_given_correlation(correlation):
    first, second = correlated_model(correlation).weight.double().numpy().T
    norms = np.linalg.norm(first), np.linalg.norm(second)
    assert first @ second / (norms[0] * norms[1]) == pytest.approx(correlation, abs=1e-6)
    assert norms[0] == pytest.approx(norms[1], rel=1e-6)
