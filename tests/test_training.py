"""`fit`: it learns, reports every image, stops, resumes, and refuses nonsense."""

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


def test_small_work_takes_one_thread_and_gives_the_others_back():
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


def test_the_last_validation_figure_is_the_mean_over_every_held_out_image(few):
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


def test_the_loss_is_the_one_that_fit_promises(few, monkeypatch):
    """−reconstruction + β Σⱼ max(KLⱼ, free_bits), against the terms that the history tells."""
    losses, backward = [], torch.Tensor.backward

    def noted(loss):
        losses.append(loss.item())
        backward(loss)

    monkeypatch.setattr(torch.Tensor, "backward", noted)
    free_bits = 0.0
    for beta in (1.0, 4.0):
        for _ in range(2):  # without free bits, then with as many as the middle dimension has nats
            options = {"beta": beta, "free_bits": free_bits, "batch_size": len(few)}
            told = fit(new_vae(), few, epochs=1, progress=False, **options).train
            kl = told.kl_per_dimension[0]
            expected = beta * sum(max(each, free_bits) for each in kl) - told.reconstruction[0]
            assert losses.pop() == pytest.approx(expected, rel=1e-6)
            assert told.elbo[0] == pytest.approx(told.reconstruction[0] - sum(kl), rel=1e-6)
            free_bits = sorted(kl)[1]


def test_mean_terms_does_not_depend_on_the_batch_size_and_drops_no_image(few):
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
        vae.decoder[0].weight[:, 1] = 0  # the decoder no longer listens to z_2
    losses = permutation_loss(vae, few[:200])
    assert abs(losses[1]) < 1e-3
    assert max(losses) > 1


class StopsAfter:
    """Raises Ctrl-C in the middle of an epoch, by way of the encoder."""

    def __init__(self, vae: VAE, calls: int):
        self.calls = calls
        vae.encoder.register_forward_pre_hook(self)

    def __call__(self, *_):
        self.calls -= 1
        if self.calls == 0:
            raise KeyboardInterrupt


def test_ctrl_c_ends_with_what_there_is(few):
    vae = new_vae()
    StopsAfter(vae, calls=6)  # 3 steps and 1 validation batch to an epoch
    history = fit(vae, few, epochs=5, progress=False, on_interrupt="return")
    assert history.interrupted
    assert len(history.train.elbo) == len(history.validation.elbo) == 1
    assert not weights(vae).equal(weights(new_vae()))


def test_a_resumed_run_equals_an_uninterrupted_one(few, tmp_path):
    whole, parts = new_vae(), new_vae()
    expected = fit(whole, few, epochs=4, progress=False)
    StopsAfter(parts, calls=10)
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
    StopsAfter(vae, calls=4)  # the third step is the last of the epoch, the fourth validates
    history = fit(vae, few, epochs=5, progress=False, on_interrupt="return")
    assert history.interrupted
    assert history.train.elbo == history.validation.elbo == []


def test_bad_images_are_named(few):
    with pytest.raises(ValueError, match=r"expected images of shape \[B, 1, 28, 28\]"):
        fit(new_vae(), few[:, 0], progress=False)
    with pytest.raises(ValueError, match="images: expected at least 12, got 3"):
        fit(new_vae(), few[:3], progress=False)
