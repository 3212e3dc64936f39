"""`fit` learns, reports on every image, stops, resumes, and refuses bad arguments."""

import json
import math

import pytest
import torch

from vae_lib import VAE, elbo, fit, mean_terms, permutation_loss
from vae_lib._files import load_tensors, save_tensors
from vae_lib.checkpoint import CHECKPOINT
from vae_lib.threads import one_thread
from vae_lib.training import split_validation


@pytest.fixture(scope="module")
def few(drawn):
    return drawn.train_images[:600]


def new_vae() -> VAE:
    torch.manual_seed(0)
    return VAE(3)


def weights(vae: VAE) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in vae.parameters()])


def test_fit_learns_and_reports(few):
    vae = new_vae()
    threads = torch.get_num_threads()
    history = fit(vae, few, epochs=10, batch_size=32, progress=False)
    assert torch.get_num_threads() == threads
    assert history.validation.elbo[-1] > history.validation.elbo[0] + 20
    for curves in (history.train, history.validation):
        assert len(curves.elbo) == len(curves.reconstruction) == len(curves.kl) == 10
        for total, reconstruction, kl, per_dimension in zip(
            curves.elbo, curves.reconstruction, curves.kl, curves.kl_per_dimension, strict=True
        ):
            assert total == pytest.approx(reconstruction - kl, rel=1e-6)
            assert kl == pytest.approx(sum(per_dimension), rel=1e-5)


def test_one_thread_restores_the_number_of_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with one_thread():
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_bfloat16_learns_as_float32_does(few):
    reached = [
        fit(new_vae(), few, epochs=6, batch_size=32, progress=False, bfloat16=lower)
        for lower in (False, True)
    ]
    full, lower = (history.validation.elbo[-1] for history in reached)
    assert lower == pytest.approx(full, rel=0.02)


def test_the_last_validation_elbo_is_the_mean_over_all_held_out_images(few):
    vae = new_vae()
    history = fit(vae, few, epochs=1, progress=False, seed=7)
    _, held_out = split_validation(few)
    with torch.no_grad():
        terms = elbo(vae, held_out, generator=torch.Generator().manual_seed(7))
    assert history.validation.elbo[-1] == pytest.approx(terms.elbo.double().mean().item(), rel=1e-6)


def test_every_image_is_trained_on_or_held_out(few):
    train, held_out = split_validation(few)
    assert (len(train), len(held_out)) == (550, 50)
    everything = torch.cat([train, held_out]).flatten(1).unique(dim=0)
    assert len(everything) == len(few.flatten(1).unique(dim=0))


def test_every_epoch_takes_every_image_once_in_another_order(few):
    vae, seen = new_vae(), []
    vae.encoder.register_forward_pre_hook(
        lambda _, inputs: seen.extend(inputs[0].round(decimals=3))
    )
    fit(vae, few, epochs=2, batch_size=256, progress=False)
    epochs = [
        [image.numpy().tobytes() for image in seen[start : start + 600]] for start in (0, 600)
    ]
    train, held_out = (
        [(image / 255).round(decimals=3).numpy().tobytes() for image in part.float().flatten(1)]
        for part in split_validation(few)
    )
    for epoch in epochs:
        assert sorted(epoch[:550]) == sorted(train)  # the last batch is a small one
        assert epoch[550:] == held_out
    assert epochs[0] != epochs[1]


def test_the_learning_rate_rises_linearly_and_falls_to_a_hundredth(few, monkeypatch):
    rates, step = [], torch.optim.Adam.step

    def noted(optimizer, *arguments):
        rates.append(optimizer.param_groups[0]["lr"])
        return step(optimizer, *arguments)

    monkeypatch.setattr(torch.optim.Adam, "step", noted)
    small = VAE(3, hidden=(8, 8))  # for quick steps
    fit(small, few, epochs=2, batch_size=2, learning_rate=1e-3, progress=False)
    assert len(rates) == 550
    assert rates[0] == pytest.approx(1e-3 / 200, rel=1e-3)
    assert rates[:200] == sorted(rates[:200])
    assert rates[99] / rates[199] == pytest.approx(0.5, abs=0.15)
    assert rates[200:] == sorted(rates[200:], reverse=True)
    assert rates[275] == pytest.approx(0.505e-3, rel=1e-3)  # half-way from 1 to 0.01
    assert rates[-1] == pytest.approx(1e-5, rel=0.01)


def test_the_loss_is_the_one_in_the_docstring(few, monkeypatch):
    """−reconstruction + β Σⱼ max(KLⱼ, free_bits), computed from the terms in the history."""
    losses, backward = [], torch.Tensor.backward

    def noted(loss):
        losses.append(loss.item())
        backward(loss)

    monkeypatch.setattr(torch.Tensor, "backward", noted)
    free_bits = 0.0
    for beta in (1.0, 4.0):
        for _ in range(2):  # without free bits, then with as many as the middle dimension has nats
            options = {"beta": beta, "free_bits": free_bits, "batch_size": len(few)}
            curves = fit(new_vae(), few, epochs=1, progress=False, **options).train
            kl = curves.kl_per_dimension[0]
            expected = beta * sum(max(each, free_bits) for each in kl) - curves.reconstruction[0]
            assert losses.pop() == pytest.approx(expected, rel=1e-6)
            assert curves.elbo[0] == pytest.approx(curves.reconstruction[0] - sum(kl), rel=1e-6)
            free_bits = sorted(kl)[1]


def test_mean_terms_is_independent_of_the_batch_size_and_uses_every_image(few):
    vae = new_vae()
    one = mean_terms(vae, few[:130], batch_size=130)
    several = mean_terms(vae, few[:130], batch_size=50)
    assert several.kl.item() == pytest.approx(one.kl.item(), rel=1e-6)
    last_counts = mean_terms(vae, few[:100], batch_size=50)
    assert last_counts.kl.item() != pytest.approx(one.kl.item(), rel=1e-6)


def test_the_same_seed_gives_the_same_weights(few):
    runs = []
    for seed in (0, 0, 1):
        vae = new_vae()
        fit(vae, few, epochs=1, seed=seed, progress=False)
        runs.append(weights(vae))
    assert runs[0].equal(runs[1])
    assert not runs[0].equal(runs[2])


def test_free_bits_keep_dimensions_alive(few):
    kls = {}
    for free_bits in (0.0, 2.0):
        vae = new_vae()
        history = fit(vae, few, epochs=10, free_bits=free_bits, batch_size=32, progress=False)
        kls[free_bits] = min(history.train.kl_per_dimension[-1])
    assert kls[2.0] > kls[0.0] + 0.5


def test_permutation_loss_finds_the_dead_dimension(few):
    vae = new_vae()
    fit(vae, few, epochs=10, batch_size=32, progress=False)
    with torch.no_grad():
        vae.decoder[0].weight[:, 1] = 0  # the decoder now ignores z_2
    losses = permutation_loss(vae, few[:200])
    assert abs(losses[1]) < 1e-3
    assert max(losses) > 1


class StopsAfter:
    """A hook of a layer that raises a KeyboardInterrupt in the middle of an epoch."""

    def __init__(self, layer: torch.nn.Module, calls: int):
        self.calls = calls
        layer.register_forward_pre_hook(self)

    def __call__(self, *_):
        self.calls -= 1
        if self.calls == 0:
            raise KeyboardInterrupt


def test_ctrl_c_stops_everything_and_the_model_keeps_what_it_learned(few):
    vae = new_vae()
    StopsAfter(vae.encoder, calls=6)
    with pytest.raises(KeyboardInterrupt):
        fit(vae, few, epochs=5, progress=False)
    assert not weights(vae).equal(weights(new_vae()))


def test_ctrl_c_ends_only_one_training_on_request(few):
    vae = new_vae()
    StopsAfter(vae.encoder, calls=6)  # 3 steps and 1 validation batch to an epoch
    history = fit(vae, few, epochs=5, progress=False, on_interrupt="return")
    assert history.interrupted
    assert len(history.train.elbo) == len(history.validation.elbo) == 1
    assert not weights(vae).equal(weights(new_vae()))


def test_a_resumed_run_equals_an_uninterrupted_one(few, tmp_path):
    whole, parts = new_vae(), new_vae()
    expected = fit(whole, few, epochs=4, progress=False)
    StopsAfter(parts.encoder, calls=10)
    checkpoint = tmp_path / "run.checkpoint"
    with pytest.raises(KeyboardInterrupt):
        fit(parts, few, epochs=4, progress=False, checkpoint=checkpoint)
    resumed = VAE(3)
    history = fit(resumed, few, epochs=4, progress=False, checkpoint=checkpoint)
    assert not history.interrupted
    assert history.train.elbo == expected.train.elbo
    assert weights(resumed).equal(weights(whole))


def test_a_checkpoint_made_with_other_settings_is_refused(few, tmp_path):
    checkpoint = tmp_path / "run.checkpoint"
    fit(new_vae(), few, epochs=1, progress=False, checkpoint=checkpoint)
    with pytest.raises(ValueError, match="made with seed=0, now it is 1"):
        fit(new_vae(), few, epochs=1, seed=1, progress=False, checkpoint=checkpoint)
    others = few.flip(0)  # as many images, and not the same
    with pytest.raises(ValueError, match="made with data_sha256"):
        fit(new_vae(), others, epochs=1, progress=False, checkpoint=checkpoint)


def test_a_damaged_checkpoint_is_refused_and_changes_nothing(few, tmp_path):
    checkpoint = tmp_path / "run.checkpoint"
    fit(new_vae(), few, epochs=1, progress=False, checkpoint=checkpoint)
    tensors, facts = load_tensors(checkpoint, CHECKPOINT)
    facts.pop("kind")
    name, bias = "vae.decoder.0.bias", tensors["vae.decoder.0.bias"]
    damages = [
        ({n: t for n, t in tensors.items() if n != name}, facts),
        ({n: t for n, t in tensors.items() if n != "adam.3.exp_avg"}, facts),
        (tensors | {name: bias * math.nan}, facts),
        (tensors, facts | {"history": "{"}),
        (tensors, {"settings": facts["settings"]}),
    ]
    for damaged, text in damages:
        save_tensors(checkpoint, CHECKPOINT, damaged, text)
        vae = new_vae()
        with pytest.raises(ValueError, match=r"checkpoint: .* does not fit"):
            fit(vae, few, epochs=1, progress=False, checkpoint=checkpoint)
        assert weights(vae).equal(weights(new_vae()))


@pytest.mark.parametrize("spelling", ["~/run.checkpoint", "run.checkpoint", "./run.checkpoint/"])
def test_a_checkpoint_resumes_under_every_spelling_of_its_path(
    few, tmp_path, monkeypatch, spelling
):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    first = fit(new_vae(), few, epochs=1, progress=False, checkpoint=spelling)
    assert [path.name for path in tmp_path.iterdir()] == ["run.checkpoint"]
    resumed = VAE(3)
    again = fit(resumed, few, epochs=1, progress=False, checkpoint=tmp_path / "run.checkpoint")
    assert again == first
    trained = new_vae()
    assert fit(trained, few, epochs=1, progress=False, checkpoint=spelling) == first
    assert weights(resumed).equal(weights(trained))


@pytest.mark.parametrize(
    ("checkpoint", "error", "message"),
    [
        (".", ValueError, "checkpoint: .* is a folder"),
        (3, TypeError, "checkpoint: expected a string or a path, got int"),
    ],
)
def test_a_checkpoint_that_cannot_be_written_is_refused_before_training(
    few, checkpoint, error, message
):
    vae = new_vae()
    with pytest.raises(error, match=message):
        fit(vae, few, epochs=1, progress=False, checkpoint=checkpoint)
    assert weights(vae).equal(weights(new_vae()))


@pytest.mark.parametrize(
    "mode", [torch.no_grad, torch.inference_mode, lambda: torch.set_grad_enabled(False)]
)
def test_fit_trains_whatever_the_gradient_mode(few, mode, tmp_path):
    expected, vae = new_vae(), new_vae()
    fit(expected, few, epochs=1, progress=False)
    with mode():
        fit(vae, few, epochs=1, progress=False, checkpoint=tmp_path / "run")
        assert not torch.is_grad_enabled()
    assert weights(vae).equal(weights(expected))


def test_fit_takes_images_that_require_gradients_or_come_from_inference_mode(few):
    expected = new_vae()
    fit(expected, few.float() / 255, epochs=1, progress=False)
    with torch.inference_mode():
        inferred = few.float() / 255
    for images in (inferred, (few.float() / 255).requires_grad_(), (few / 255).double()):
        vae = new_vae()
        fit(vae, images, epochs=1, progress=False)
        torch.testing.assert_close(weights(vae), weights(expected))


def test_weights_that_cannot_be_trained_are_named(few):
    with torch.inference_mode():
        vae = new_vae()
    with pytest.raises(ValueError, match=r"vae: made under torch.inference_mode"):
        fit(vae, few, progress=False)
    for dtype in (torch.float16, torch.bfloat16):
        with pytest.raises(TypeError, match=r"float32 or float64, got b?float16; call vae.float"):
            fit(new_vae().to(dtype), few, progress=False)
    with pytest.raises(ValueError, match=r"got 12 frozen ones; vae.requires_grad_"):
        fit(new_vae().requires_grad_(False), few, progress=False)


def test_frozen_parameters_are_named_and_stay_as_they_are(few, tmp_path):
    vae = new_vae()
    vae.encoder.requires_grad_(False)
    for _ in range(2):  # the second time from the checkpoint
        with pytest.warns(UserWarning, match="6 of 12 parameter tensors are frozen"):
            fit(vae, few, epochs=1, progress=False, checkpoint=tmp_path / "run")
    before = new_vae()
    assert vae.encoder[0].weight.equal(before.encoder[0].weight)
    assert not vae.decoder[0].weight.equal(before.decoder[0].weight)


def test_a_model_in_float64_is_trained_in_float64(few, tmp_path):
    vae = new_vae().double()
    history = fit(vae, few, epochs=1, progress=False, checkpoint=tmp_path / "run")
    assert weights(vae).dtype == torch.float64
    single = fit(new_vae(), few, epochs=1, progress=False)
    # the noise has another type, and is another one
    assert history.validation.elbo == pytest.approx(single.validation.elbo, rel=0.05)


class WithDropout(VAE):
    """Adds layers that behave differently in training mode, and a parameter that nothing uses."""

    def __init__(self):
        super().__init__(3, hidden=(16,))
        self.encoder.insert(1, torch.nn.BatchNorm1d(16))
        self.encoder.insert(2, torch.nn.Dropout(0.2))
        self.unused = torch.nn.Parameter(torch.ones(2))


def test_dropout_and_batch_normalisation_train_and_resume(few, tmp_path):
    torch.manual_seed(0)
    whole = WithDropout().eval()
    start = whole.state_dict()
    parts = WithDropout()
    parts.load_state_dict({name: tensor.clone() for name, tensor in start.items()})
    torch.manual_seed(5)
    expected = fit(whole, few, epochs=3, progress=False)
    assert not any(module.training for module in whole.modules())  # as it was before
    assert whole.encoder[1].num_batches_tracked == 9  # the validation images do not count
    checkpoint = tmp_path / "run"
    StopsAfter(parts.encoder[0], calls=6)
    with pytest.raises(KeyboardInterrupt):
        fit(parts, few, epochs=3, progress=False, checkpoint=checkpoint)
    resumed = WithDropout()
    torch.manual_seed(6)
    state = torch.get_rng_state()
    history = fit(resumed, few, epochs=3, progress=False, checkpoint=checkpoint)
    assert torch.get_rng_state().equal(state)
    assert history.train.elbo == expected.train.elbo
    assert weights(resumed).equal(weights(whole))


def test_a_last_step_that_diverges_is_an_error_and_leaves_no_nan_behind(few, tmp_path, monkeypatch):
    """Only the last of six steps spoils the weights, when its loss is already computed."""
    step, steps = torch.optim.Adam.step, []

    def spoiled(optimizer, *arguments):
        steps.append(step(optimizer, *arguments))
        if len(steps) == 6:
            optimizer.param_groups[0]["params"][0].data[0, 0] = math.nan

    monkeypatch.setattr(torch.optim.Adam, "step", spoiled)
    checkpoint = tmp_path / "run"
    with pytest.raises(FloatingPointError, match=r"of epoch 2; try a learning_rate below 0\.002"):
        fit(new_vae(), few, epochs=2, progress=False, checkpoint=checkpoint)
    tensors, facts = load_tensors(checkpoint, CHECKPOINT)
    assert all(tensor.isfinite().all() for tensor in tensors.values())
    assert len(json.loads(facts["history"])["train"]["elbo"]) == 1
    assert "NaN" not in facts["history"]


@pytest.mark.parametrize("state", ["exp_avg", "exp_avg_sq"])
def test_a_checkpoint_that_could_not_be_read_is_never_written(few, tmp_path, monkeypatch, state):
    step = torch.optim.Adam.step

    def overflown(optimizer, *arguments):
        step(optimizer, *arguments)
        next(iter(optimizer.state.values()))[state][0] = math.inf

    monkeypatch.setattr(torch.optim.Adam, "step", overflown)
    with pytest.raises(FloatingPointError, match="epoch 1"):
        fit(new_vae(), few, epochs=1, batch_size=600, progress=False, checkpoint=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_loss_that_is_not_finite_is_an_error_that_says_what_to_do(few):
    with pytest.raises(FloatingPointError, match="try a learning_rate below 10000"):
        fit(new_vae(), few, epochs=9, learning_rate=1e4, progress=False)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"epochs": 0}, "epochs: expected at least 1"),
        ({"batch_size": 0}, "batch_size"),
        ({"free_bits": -1.0}, "free_bits"),
        ({"beta": math.nan}, "beta"),
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"seed": -1}, "seed: expected at least 0"),
        ({"on_interrupt": "stop"}, "on_interrupt: expected one of 'raise', 'return', got 'stop'"),
    ],
)
def test_bad_settings_are_named(few, arguments, message):
    with pytest.raises(ValueError, match=message):
        fit(new_vae(), few, progress=False, **arguments)


@pytest.mark.parametrize(
    "arguments", [{"epochs": 2.0}, {"epochs": True}, {"seed": "a"}, {"free_bits": "a"}]
)
def test_settings_of_the_wrong_type_are_named(few, arguments):
    with pytest.raises(TypeError, match=next(iter(arguments))):
        fit(new_vae(), few, progress=False, **arguments)


def test_an_interruption_while_validating_leaves_whole_epochs(few):
    vae = new_vae()
    StopsAfter(
        vae.encoder, calls=4
    )  # the third step is the last of the epoch, the fourth validates
    history = fit(vae, few, epochs=5, progress=False, on_interrupt="return")
    assert history.interrupted
    assert history.train.elbo == history.validation.elbo == []


def test_bad_images_are_named(few):
    with pytest.raises(ValueError, match=r"expected images of shape \[B, 1, 28, 28\]"):
        fit(new_vae(), few[:, 0], progress=False)
    with pytest.raises(ValueError, match="images: expected at least 12, got 3"):
        fit(new_vae(), few[:3], progress=False)
    with pytest.raises(TypeError, match="images: expected Images or a tensor"):
        fit(new_vae(), few.numpy(), progress=False)
    with pytest.raises(ValueError, match=r"expected pixels in \[0, 1\]"):
        fit(new_vae(), few.float(), progress=False)
