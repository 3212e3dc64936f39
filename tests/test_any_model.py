"""Any model: what the library needs of one, `adapt`, colour, float types and evaluation mode."""

import dataclasses
import pickle

import numpy as np
import pytest
import torch
from torch import nn
from torch.distributions import Bernoulli, Independent, MultivariateNormal, Normal

from vae_lib import (
    VAE,
    Explorer,
    Images,
    LatentModel,
    PosteriorIndex,
    adapt,
    elbo,
    encode_dataset,
    fit,
    gated_search,
    importance_weighted_bound,
    mean_terms,
    permutation_loss,
    roundtrip,
)
from vae_lib.color import HUE_STD, LIGHTNESS_STD, ColorNormal
from vae_lib.evaluation import RULES, Wardrobe, evaluate
from vae_lib.garments import color_index, draw_garments
from vae_lib.latent_model import ModelWithLikelihood
from vae_lib.linear_gaussian import correlated_model
from vae_lib.pixels import as_unit_interval

COLOUR = (3, 32, 32)


class EightLines(nn.Module):
    latent_dim, image_shape = 2, COLOUR

    def __init__(self):
        super().__init__()
        self.down, self.up = nn.Linear(3072, 4), nn.Linear(2, 3072)

    def encode(self, x):
        mean, log_std = self.down(x.flatten(1)).chunk(2, dim=1)
        return Normal(mean, log_std.exp())

    def decode(self, z):
        return self.up(z).sigmoid().view(-1, *COLOUR)


class WithLikelihood(EightLines):
    def likelihood(self, z):
        return Bernoulli(self.decode(z), validate_args=False)


class PlainExample(nn.Module):
    """The VAE of PyTorch's examples: 784-400-20, with the log variance."""

    def __init__(self):
        super().__init__()
        self.fc1, self.fc21, self.fc22 = nn.Linear(784, 400), nn.Linear(400, 20), nn.Linear(400, 20)
        self.fc3, self.fc4 = nn.Linear(20, 400), nn.Linear(400, 784)

    def encode(self, x):
        h = self.fc1(x).relu()
        return self.fc21(h), self.fc22(h)

    def decode(self, z):
        return self.fc4(self.fc3(z).relu()).sigmoid()


class Spatial(nn.Module):
    """A convolutional VAE with latent codes [4, 8, 8], batch normalisation and dropout."""

    def __init__(self):
        super().__init__()
        self.down = nn.Sequential(
            nn.Conv2d(3, 8, 4, 2, 1), nn.BatchNorm2d(8), nn.Dropout(0.5), nn.Conv2d(8, 8, 4, 2, 1)
        )
        self.up = nn.Sequential(nn.ConvTranspose2d(4, 3, 4, 4), nn.Sigmoid())

    def encode(self, x):
        return tuple(self.down(2 * x - 1).chunk(2, dim=1))  # it was trained on pixels in [-1, 1]

    def decode(self, z):
        return self.up(z)


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def pictures(count: int, shape: tuple[int, int, int] = COLOUR) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (count, *shape), dtype=torch.uint8, generator=generator)


def adapted(model: nn.Module) -> LatentModel:
    if isinstance(model, PlainExample):
        return adapt(
            encode=lambda x: model.encode(x.flatten(1)),
            decode=model.decode,
            latent_dim=20,
            image_shape=(1, 28, 28),
        )
    return adapt(encode=model.encode, decode=model.decode, latent_dim=256, image_shape=COLOUR)


# --- pixels ---------------------------------------------------------------------------------------


def test_as_unit_interval():
    whole = torch.tensor([0, 51, 255], dtype=torch.uint8).repeat(28 * 28)[: 28 * 28]
    x = whole.view(1, 1, 28, 28)
    assert as_unit_interval(x).unique().tolist() == pytest.approx([0, 0.2, 1])
    assert as_unit_interval(x.double() / 255).dtype == torch.float32
    for bad, message in [
        (torch.zeros(2, 28, 28), r"expected images of shape \[B, 1, 28, 28\], got \[2, 28, 28\]"),
        (whole.view(1, 1, 28, 28).float(), r"pixels in \[0, 1\], got 0 to 255"),
        (torch.full((1, 1, 28, 28), float("nan")), "got nan to nan"),
    ]:
        with pytest.raises(ValueError, match=message):
            as_unit_interval(bad, (1, 28, 28))
    with pytest.raises(TypeError, match="int64"):
        as_unit_interval(torch.zeros(1, 1, 28, 28, dtype=torch.int64))
    assert as_unit_interval(torch.zeros(2, 3, 32, 64)).shape == (2, 3, 32, 64)


# --- the VAE for every picture --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "architecture"),
    [
        ((1, 28, 28), "mlp"),
        ((3, 28, 28), "conv"),
        (COLOUR, "conv"),
        ((1, 33, 47), "conv"),
        ((3, 64, 64), "conv"),
        ((1, 128, 128), "conv"),
    ],
)
def test_vae_encodes_and_decodes_pictures_of_any_shape(shape, architecture):
    vae = VAE(5, shape)
    x = pictures(2, shape)
    assert vae.architecture == architecture
    assert vae.encode(x).mean.shape == vae.encode(x).stddev.shape == (2, 5)
    assert vae.decode(torch.zeros(2, 5)).shape == vae(x).shape == x.shape
    assert isinstance(vae, LatentModel)
    assert isinstance(vae, ModelWithLikelihood)


def test_the_convolutional_vae_has_about_115_thousand_parameters_at_32_pixels():
    assert sum(p.numel() for p in VAE(10, COLOUR).parameters()) == pytest.approx(115_000, rel=0.01)


def test_vae_refuses_shapes_and_layers_that_make_no_model():
    for arguments, error, message in [
        ({"image_shape": (28, 28)}, ValueError, "image_shape: expected .channels, height, width."),
        (
            {"image_shape": 28},
            TypeError,
            "image_shape: expected .channels, height, width., got int",
        ),
        ({"image_shape": (1, 0, 28)}, ValueError, "image_shape: expected at least 1, got 0"),
        ({"architecture": "unet"}, ValueError, "architecture: expected one of 'auto', 'mlp'"),
        (
            {"pixels": "poisson"},
            ValueError,
            "pixels: expected one of 'auto', 'bernoulli', 'gaussian'",
        ),
        ({"hidden": (8, 0)}, ValueError, "hidden: expected at least 1, got 0"),
        ({"hidden": 8}, TypeError, "hidden: expected numbers, got int"),
        ({"image_shape": COLOUR, "hidden": [4] * 6}, ValueError, "expected 1 to 5 convolutions"),
    ]:
        with pytest.raises(error, match=message):
            VAE(2, **arguments)


def test_forward_reconstructs_with_gradients_to_both_networks():
    vae = VAE(2, COLOUR)
    vae(pictures(3)).square().sum().backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in vae.parameters())


def test_a_convolutional_vae_learns_colour_pictures():
    generator, shape = torch.Generator().manual_seed(0), (3, 8, 8)
    plain = torch.rand(240, 3, 1, 1, generator=generator).expand(240, *shape)  # one colour each
    vae = VAE(3, shape, hidden=(8,), pixels="bernoulli")
    history = fit(vae, plain, epochs=30, batch_size=16, learning_rate=0.03, progress=False)
    assert history.validation.elbo[-1] > history.validation.elbo[0] + 20
    error = (vae.decode(vae.encode(plain).mean) - plain).abs().mean()
    assert error < 0.1  # the mean colour for every picture would be 0.25 away


@pytest.mark.parametrize(
    ("shape", "pixels", "expected"),
    [
        ((1, 28, 28), "auto", Bernoulli),
        ((1, 32, 32), "auto", Bernoulli),
        (COLOUR, "auto", ColorNormal),
        (COLOUR, "bernoulli", Bernoulli),
        ((1, 28, 28), "gaussian", ColorNormal),
    ],
)
def test_the_distribution_of_pixels_follows_from_the_images_or_is_chosen(shape, pixels, expected):
    torch.manual_seed(0)
    vae, z, x = VAE(2, shape, pixels=pixels), torch.randn(3, 2), torch.rand(3, *shape)
    p = vae.likelihood(z)
    assert type(p) is expected
    assert vae.decode(z).equal(p.mean)
    assert 0 <= p.mean.min() < p.mean.max() <= 1
    assert elbo(vae, x).elbo.shape == (3,)


def test_colour_pixels_are_gaussian_wide_in_lightness_and_narrow_in_hue():
    x, mean = torch.rand(2, 4, 3, 16, 64).double()  # as many pixels as an image of 32×32 has
    grey = torch.full((3, 3), 1 / 3).double()  # projects on lightness
    covariance = LIGHTNESS_STD**2 * grey + HUE_STD**2 * (torch.eye(3) - grey)
    pixel = MultivariateNormal(mean.movedim(1, -1), covariance)
    expected = pixel.log_prob(x.movedim(1, -1)).sum(dim=(1, 2))
    torch.testing.assert_close(ColorNormal(mean).log_prob(x), expected)
    one = Normal(mean[:, :1], LIGHTNESS_STD).log_prob(x[:, :1]).sum(dim=(1, 2, 3))
    torch.testing.assert_close(ColorNormal(mean[:, :1]).log_prob(x[:, :1]), one)


def test_the_likelihood_of_colour_does_not_depend_on_the_image_size():
    x, mean = torch.rand(2, 4, 3, 16, 16)
    lead = ColorNormal(x).log_prob(x) - ColorNormal(mean).log_prob(x)
    large, blurred = (each.repeat_interleave(2, 2).repeat_interleave(2, 3) for each in (x, mean))
    lead_of_large = ColorNormal(large).log_prob(large) - ColorNormal(blurred).log_prob(large)
    torch.testing.assert_close(lead_of_large, lead)


def test_a_colour_vae_finds_garments_of_the_same_colour():
    garments = draw_garments(480, size=28, color=True)
    colors = color_index(garments.factors[:, -1])
    torch.manual_seed(0)
    vae = VAE(10, (3, 28, 28), hidden=(8, 16))
    fit(vae, garments.images[:400], epochs=15, batch_size=16, progress=False)
    index = PosteriorIndex(encode_dataset(vae, garments.images[:400]))
    found = index.search(encode_dataset(vae, garments.images[400:]).mean, k=5).indices
    right = (colors[found] == colors[400:, None]).double().mean()
    assert right > 0.4  # one answer in eight would be right by chance


# --- what a model must have -----------------------------------------------------------------------


def test_a_module_of_eight_lines_is_encoded():
    model, x = EightLines(), pictures(30)
    assert isinstance(model, LatentModel)
    assert not isinstance(model, ModelWithLikelihood)
    posteriors = encode_dataset(model, x)
    assert posteriors.mean.shape == (30, 2)
    floats = encode_dataset(model, [(x[:11] / 255).double(), x[11:].float() / 255])
    torch.testing.assert_close(floats.mean, posteriors.mean)
    index = PosteriorIndex(posteriors)
    assert index.search(posteriors.mean[7], k=1, rule="euclidean").indices.tolist() == [7]


def as_images(drawn: Images, x: torch.Tensor) -> Images:
    """Return the drawn garments' labels with other pictures."""
    labels = drawn.train_labels[: len(x)]
    more = {"test_images": x, "test_labels": labels, "train_factors": None, "test_factors": None}
    return dataclasses.replace(drawn, train_images=x, train_labels=labels, **more)


def test_a_module_of_eight_lines_is_gated_and_explored(drawn):
    model, x = EightLines(), pictures(30)
    index = PosteriorIndex(encode_dataset(model, x))
    near, far = index.posteriors.mean[7], torch.tensor([80.0, -80.0])
    found = gated_search(model, index, torch.stack([near, far]), k=3)
    assert found.familiar.tolist() == [True, False]
    assert found.indices[0].equal(index.search(near, k=3).indices)
    assert found.indices[1].equal(index.search(roundtrip(model, far)[0], k=3).indices)
    explorer = Explorer(model, index, as_images(drawn, x))
    explorer.z = near.tolist()
    assert explorer.neighbors["likelihood"].indices[:3].equal(found.indices[0])
    assert explorer.decoded.shape == COLOUR


@pytest.mark.parametrize("pixels", ["bernoulli", "gaussian"])
def test_the_decoder_rule_ranks_by_the_likelihood_of_the_picture(drawn, pixels):
    torch.manual_seed(0)
    vae, x = VAE(2, (3, 8, 8), hidden=(4,), pixels=pixels), torch.rand(20, 3, 8, 8)
    wardrobe = Wardrobe(vae, PosteriorIndex(encode_dataset(vae, x)), as_images(drawn, x))
    z = torch.randn(3, 2)
    found = RULES["decoder"](wardrobe, z, 5)
    with torch.no_grad():
        for row, p in enumerate(vae.likelihood(one) for one in z.split(1)):
            best = p.log_prob(x).reshape(20, -1).sum(dim=1).topk(5)
            assert found.indices[row].equal(best.indices)
            torch.testing.assert_close(found.scores[row].float(), best.values)


def test_a_module_with_likelihood_is_compared_by_every_rule(drawn):
    model, x = WithLikelihood(), pictures(40)
    index = PosteriorIndex(encode_dataset(model, x))
    wardrobe = Wardrobe(model, index, as_images(drawn, x))
    evaluation = evaluate(wardrobe, queries=200, rules=RULES, progress=False)
    assert evaluation.rules == list(RULES)
    assert evaluation["posterior", "likelihood", "recall@1"].value > 1 / len(index)


def test_a_module_with_likelihood_is_trained_and_evaluated():
    model, x = WithLikelihood(), pictures(60)
    before = mean_terms(model, x).elbo
    history = fit(model, x, epochs=3, batch_size=16, progress=False)
    assert mean_terms(model, x).elbo > before
    assert len(history.train.kl_per_dimension[0]) == 2
    assert len(permutation_loss(model, x)) == 2
    assert importance_weighted_bound(model, x[:3], samples=2).shape == (3,)


def test_a_model_without_modules_is_evaluated():
    x = torch.randn(20, 5)
    assert mean_terms(correlated_model(), x).kl_per_dimension.shape == (2,)
    assert len(permutation_loss(correlated_model(), x)) == 2


@pytest.mark.parametrize(
    ("call", "missing"),
    [
        (lambda: encode_dataset(nn.Linear(2, 2), pictures(2)), "encode and no latent_dim"),
        (lambda: elbo(EightLines(), pictures(2)), "likelihood"),
        (lambda: fit(EightLines(), pictures(20), progress=False), "likelihood"),
        (lambda: permutation_loss(object(), pictures(2)), "encode and no likelihood"),
        (lambda: mean_terms(EightLines(), pictures(2)), "likelihood"),
    ],
)
def test_a_model_that_lacks_a_method_is_refused_with_advice(call, missing):
    with pytest.raises(TypeError, match=rf"vae: expected .* has no .*{missing}.*vae_lib.adapt"):
        call()


def test_a_class_in_place_of_a_model_is_refused():
    with pytest.raises(TypeError, match="got the class VAE; create one first"):
        encode_dataset(VAE, pictures(2))


def test_fit_needs_a_module():
    with pytest.raises(TypeError, match=r"vae: expected a torch.nn.Module, got LinearGaussian"):
        fit(correlated_model(), pictures(20), progress=False)


# --- adapt ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", [PlainExample, Spatial], ids=["plain PyTorch", "latents 4×8×8"])
@pytest.mark.parametrize("rule", ["likelihood", "mahalanobis", "euclidean"])
def test_a_foreign_vae_gives_the_neighbours_of_its_own_mean_and_std(model, rule):
    net = model()
    vae = adapted(net)
    x = pictures(80, vae.image_shape)
    index = PosteriorIndex(encode_dataset(vae, x))
    net.eval()
    with torch.no_grad():
        pixels = x.float() / 255
        mean, log_variance = net.encode(pixels.flatten(1) if model is PlainExample else pixels)
    mean, variance = (
        mean.flatten(1).double().numpy(),
        log_variance.flatten(1).double().exp().numpy(),
    )
    for z in np.random.default_rng(0).normal(size=(5, vae.latent_dim)):
        squared = (z - mean) ** 2 / (1 if rule == "euclidean" else variance)
        score = squared.sum(axis=1)
        if rule == "likelihood":
            score = score + np.log(variance).sum(axis=1)
        assert index.search(z, k=5, rule=rule).indices.tolist() == np.argsort(score)[:5].tolist()


def test_a_convolutional_colour_vae_gives_the_neighbours_of_its_own_mean_and_std():
    vae, x = VAE(4, COLOUR), pictures(80)
    found = PosteriorIndex(encode_dataset(vae, x)).search([0.3, -0.2, 0.1, 0.0], k=5)
    with torch.no_grad():
        q = vae.encode(x)
    z = torch.tensor([0.3, -0.2, 0.1, 0.0], dtype=torch.float64)
    scores = Normal(q.mean.double(), q.stddev.double()).log_prob(z).sum(dim=1)
    assert found.indices.tolist() == scores.topk(5).indices.tolist()
    assert found.scores.tolist() == pytest.approx(scores.topk(5).values.tolist(), rel=1e-6)


def test_latent_codes_are_flattened_and_given_back_in_their_shape():
    net = Spatial().eval()
    vae, x = adapted(net), pictures(3).float() / 255
    mean, _ = net.encode(x)
    assert vae.encode(x).mean.equal(mean.flatten(1))
    assert vae.decode(vae.encode(x).mean).equal(net.decode(mean))


@pytest.mark.parametrize(
    ("spread", "of"),
    [("log_variance", lambda s: 2 * s.log()), ("variance", lambda s: s**2), ("std", lambda s: s)],
)
def test_every_spread_means_the_same_std(spread, of):
    def encode(x):
        std = 0.1 + x.flatten(1)[:, :2]
        return x.flatten(1)[:, 2:4], of(std)

    vae = adapt(
        encode=encode,
        decode=lambda z: torch.zeros(len(z), *COLOUR),
        latent_dim=2,
        image_shape=COLOUR,
        spread=spread,
    )
    x = pictures(4).float() / 255
    torch.testing.assert_close(vae.encode(x).stddev, 0.1 + x.flatten(1)[:, :2])


@pytest.mark.parametrize("wrap", [Normal, lambda m, s: Independent(Normal(m, s), 1)])
def test_encode_may_return_a_distribution(wrap):
    net = EightLines()

    def encode(x):
        q = net.encode(x)
        return wrap(q.mean, q.stddev)

    vae = adapt(encode=encode, decode=net.decode, latent_dim=2, image_shape=COLOUR)
    x = pictures(4)
    assert vae.encode(x).stddev.equal(net.encode(x.float() / 255).stddev)


def test_adapt_finds_modules_so_that_their_device_type_and_mode_are_known():
    net = Spatial()
    vae = adapt(
        encode=lambda x: net.encode(x),
        decode=lambda z: net.decode(z),
        latent_dim=256,
        image_shape=COLOUR,
    )
    assert {id(p) for p in vae.parameters()} == {id(p) for p in net.parameters()}
    vae.double()
    assert encode_dataset(vae, pictures(3)).mean.shape == (3, 256)
    assert vae.decode(torch.zeros(1, 256)).dtype == torch.float32


def _sample(net, x):
    q = net.encode(x)
    return q.sample(), 2 * q.stddev.log()


def broken(**changes):
    """Adapt a sound model with something changed."""
    net = EightLines().requires_grad_(False)

    def encode(x):
        mean, log_std = net.down(x.flatten(1)).chunk(2, dim=1)
        return mean, 2 * log_std

    sound = {"encode": encode, "decode": net.decode, "latent_dim": 2, "image_shape": COLOUR}
    return adapt(**sound | {name: change(net) for name, change in changes.items()})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"decode": lambda net: lambda z: 2 * net.decode(z) - 1},
            r"\[0, 1\], got .*\(x \+ 1\) / 2",
        ),
        ({"decode": lambda net: lambda z: net.up(z)}, "logits need a sigmoid"),
        ({"decode": lambda net: lambda z: net.decode(z)[:, :1]}, r"of shape \[2, 3, 32, 32\], got"),
        ({"latent_dim": lambda _: 3}, r"latent_dim=3 numbers per image, got shape \[2, 2\]"),
        ({"spread": lambda _: "variance"}, "expected a variance above 0, got .* log variances"),
        ({"spread": lambda _: "std"}, "expected a std above 0, got .* log variances"),
        ({"spread": lambda _: "sigma"}, "spread: expected one of 'log_variance'"),
        (
            {"encode": lambda _: lambda x: (x.flatten(1)[:, :2], 1e3 * x.flatten(1)[:, -2:])},
            "expected log variances of a finite σ, got 0.* spread='variance'",
        ),
        ({"encode": lambda net: lambda x: _sample(net, x)}, "differ by .* rather than a sample"),
        ({"encode": lambda _: lambda x: (x.flatten(1)[:, :2], x)}, "spread of the mean's shape"),
        ({"encode": lambda _: lambda x: (x.flatten()[:2], x)}, r"got shape \[2\] for 2 images"),
    ],
)
def test_adapt_names_common_mistakes(changes, message):
    with pytest.raises(ValueError, match=message):
        broken(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"encode": lambda _: lambda x: x}, r"return \(mean, spread\) or a Normal, got Tensor"),
        ({"encode": lambda _: "encode"}, "encode: expected a function, got str"),
        ({"decode": lambda _: lambda z: None}, "decode: expected it to return a tensor"),
        ({"latent_dim": lambda _: 2.0}, "latent_dim: expected an int, got float"),
    ],
)
def test_adapt_names_wrong_types(changes, message):
    with pytest.raises(TypeError, match=message):
        broken(**changes)


@pytest.mark.parametrize(
    ("encode", "message"),
    [
        (lambda x: (x.flatten(1)[:, :2], torch.zeros(len(x), 2)), "σ is 1 for every image"),
        (
            lambda x: (x.flatten(1)[:, :2], torch.tensor([-2.0, 0.0]).expand(len(x), 2)),
            "σ is 0.368 to 1 for every image: likelihood ranks as scaled-euclidean",
        ),
        (lambda x: (x.flatten(1)[:, :2], 0.1 + x.flatten(1)[:, :2]), "every log variance is above"),
    ],
)
def test_adapt_warns_of_a_spread_that_was_hardly_learned(encode, message):
    with pytest.warns(UserWarning, match=message):
        broken(encode=lambda _: encode)


@pytest.mark.parametrize(
    "layer", [nn.BatchNorm2d(3), nn.Dropout(0.5)], ids=["batch norm", "dropout"]
)
def test_adapt_reports_training_mode_that_it_cannot_end(layer):
    class Pipeline:  # no module, so that the module inside is not found
        vae = nn.Sequential(layer, nn.Flatten(), nn.Linear(3072, 4))

    pipeline, net = Pipeline(), EightLines()

    def adapted_pipeline():
        return adapt(
            encode=lambda x: pipeline.vae(x).chunk(2, dim=1),
            decode=net.decode,
            latent_dim=2,
            image_shape=COLOUR,
        )

    with pytest.raises(ValueError, match=r"in every batch, got means that differ by .* eval\(\)"):
        adapted_pipeline()
    pipeline.vae.eval()
    assert encode_dataset(adapted_pipeline(), pictures(3)).mean.isfinite().all()


def test_the_repr_of_an_adapted_model_describes_it():
    vae = adapted(PlainExample())
    with pytest.raises(ValueError, match=r"z: expected shape \[B, 20\], got \[1, 3\]"):
        vae.decode(torch.zeros(1, 3))
    with pytest.raises(ValueError, match=r"images of shape \[B, 1, 28, 28\]"):
        vae.encode(pictures(1))
    assert "latent_dim=20" in repr(vae)


# --- faults that used to be silent ----------------------------------------------------------------


def test_elbo_refuses_latent_codes_with_height_and_width():
    class Unflattened(Spatial):
        def encode(self, x):
            mean, log_variance = super().encode(x)
            return Normal(mean, (0.5 * log_variance).exp())

        def likelihood(self, z):
            return Bernoulli(self.decode(z), validate_args=False)

    model = Unflattened()
    for bound in (elbo, importance_weighted_bound):
        with pytest.raises(ValueError, match=r"\[4, d\], got \[4, 4, 8, 8\]; flatten"):
            bound(model, pictures(4))


def test_elbo_refuses_a_likelihood_that_would_broadcast():
    class WithoutChannels(WithLikelihood):
        def likelihood(self, z):
            return Bernoulli(self.decode(z).mean(dim=1), validate_args=False)  # [B, 32, 32]

    with pytest.raises(ValueError, match=r"images \[3, 3, 32, 32\], got \[3, 32, 32\]"):
        elbo(WithoutChannels(), pictures(3))


@pytest.mark.parametrize("training", [True, False])
def test_encode_dataset_gives_the_same_answer_twice_and_leaves_the_model_as_it_is(training):
    net = Spatial().train(training)
    net.down[1].eval()  # one part is in another mode than the rest
    vae, x = adapted(net), pictures(40)
    state = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    modes = [module.training for module in net.modules()]
    first, again = encode_dataset(vae, x), encode_dataset(vae, x)
    assert first.mean.equal(again.mean)
    assert first.std.equal(again.std)
    assert [module.training for module in net.modules()] == modes
    assert all(tensor.equal(state[name]) for name, tensor in net.state_dict().items())


def test_the_mode_comes_back_after_an_error():
    vae = VAE(2)
    with pytest.raises(ValueError, match="images of shape"):
        encode_dataset(vae, pictures(2))
    assert all(module.training for module in vae.modules())


# --- float types, results -------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(1, 28, 28), COLOUR])
@pytest.mark.parametrize("model_in", [torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("images_in", [torch.uint8, torch.bfloat16, torch.float64])
def test_models_and_images_of_every_float_type(shape, model_in, images_in):
    vae, x = VAE(2, shape), pictures(6, shape)
    exact = vae.encode(x)
    vae.to(model_in)
    x = x if images_in == torch.uint8 else (x / 255).to(images_in).requires_grad_()
    posteriors = encode_dataset(vae, x)
    torch.testing.assert_close(posteriors.mean, exact.mean, rtol=0.1, atol=0.05)
    assert not posteriors.mean.requires_grad
    assert vae.decode(torch.zeros(2, 2, dtype=torch.float64)).isfinite().all()
    terms = elbo(vae, x)
    assert terms.elbo.isfinite().all()
    assert importance_weighted_bound(vae, x, samples=2).isfinite().all()
    assert mean_terms(vae, x).elbo.isfinite()
    assert len(permutation_loss(vae, x)) == 2


def test_a_process_whose_default_type_is_float64(generator):
    torch.set_default_dtype(torch.float64)
    try:
        vae, x = VAE(2, COLOUR, hidden=(4,)), pictures(24)
        assert next(vae.parameters()).dtype == torch.float64
        fit(vae, x, epochs=1, progress=False)
        posteriors = encode_dataset(vae, x)
        assert posteriors.mean.dtype == torch.float32
        assert elbo(vae, x, generator=generator).elbo.dtype == torch.float64
        assert (
            encode_dataset(adapted(PlainExample()), pictures(2, (1, 28, 28))).mean.isfinite().all()
        )
    finally:
        torch.set_default_dtype(torch.float32)


def test_results_can_be_pickled():
    vae, x = VAE(2, COLOUR, hidden=(4,)), pictures(24)
    history = fit(vae, x, epochs=1, progress=False)
    assert pickle.loads(pickle.dumps(history)) == history
    z = torch.zeros(1, 2)
    assert pickle.loads(pickle.dumps(vae)).decode(z).equal(vae.decode(z))
    terms = mean_terms(vae, x)
    assert pickle.loads(pickle.dumps(terms)).elbo == terms.elbo
    assert pickle.loads(pickle.dumps(encode_dataset(vae, x))).mean.shape == (24, 2)
    model = adapt(
        encode=WithLikelihood().encode,
        decode=WithLikelihood().decode,
        latent_dim=2,
        image_shape=COLOUR,
    )
    assert pickle.loads(pickle.dumps(model)).encode(x).mean.equal(model.encode(x).mean)


def test_numpy_numbers_are_taken():
    vae = VAE(np.int64(2), (np.int32(3), 32, 32), hidden=np.array([4]).tolist())
    x = pictures(24)
    numbers = {"epochs": np.int64(1), "batch_size": np.uint8(12), "learning_rate": np.float32(1e-3)}
    fit(vae, x, seed=np.int16(3), beta=np.float64(1), progress=False, **numbers)
    assert len(permutation_loss(vae, x, seed=torch.tensor(3))) == 2
    assert mean_terms(vae, x, batch_size=np.int64(10)).elbo.isfinite()
    assert importance_weighted_bound(vae, x, samples=np.int32(2)).shape == (24,)
