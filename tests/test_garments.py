"""The drawn garments: reproducible, all different, and telling the truth about their factors."""

import pytest
import torch

from vae_lib.garments import (
    CLASS_NAMES,
    FACTOR_NAMES,
    class_factors,
    draw_garments,
    render,
)

LABELS = range(10)
PAIRS = [(label, name) for label in LABELS for name in class_factors(label)]


@pytest.fixture(scope="module")
def garments():
    return draw_garments(12_000)


def columns(label: int) -> list[int]:
    return [FACTOR_NAMES.index(name) for name in class_factors(label)]


def test_shapes(garments):
    assert garments.images.shape == (12_000, 1, 28, 28)
    assert garments.images.dtype == torch.uint8
    assert garments.labels.shape == (12_000,)
    assert garments.labels.dtype == torch.int64
    assert garments.factors.shape == (12_000, len(FACTOR_NAMES))
    assert garments.factors.dtype == torch.float32
    assert len(CLASS_NAMES) == 10
    assert sorted({name for _, name in PAIRS}) == sorted(FACTOR_NAMES)


def test_classes_are_balanced_and_shuffled(garments):
    assert garments.labels.bincount(minlength=10).tolist() == [1_200] * 10
    uneven = draw_garments(37).labels.bincount(minlength=10)
    assert uneven.max() - uneven.min() == 1
    assert garments.labels[:10].tolist() != garments.labels[10:20].tolist()


def test_no_two_are_alike(garments):
    assert len({image.numpy().tobytes() for image in garments.images}) == 12_000


def test_a_seed_says_it_all(garments):
    again = draw_garments(12_000)
    assert torch.equal(again.images, garments.images)
    assert torch.equal(again.labels, garments.labels)
    assert torch.equal(again.factors.nan_to_num(-1), garments.factors.nan_to_num(-1))
    other = draw_garments(100, seed=1)
    assert not torch.equal(other.images, garments.images[:100])
    assert not torch.equal(other.labels, garments.labels[:100])


@pytest.mark.parametrize("count", [1, 9, 257, 1_000])
def test_fewer_are_the_first_of_more(garments, count):
    fewer = draw_garments(count)
    assert torch.equal(fewer.images, garments.images[:count])
    assert torch.equal(fewer.labels, garments.labels[:count])
    assert torch.equal(fewer.factors.isnan(), garments.factors[:count].isnan())


def test_threads_change_nothing(garments):
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        assert torch.equal(draw_garments(500).images, garments.images[:500])
    finally:
        torch.set_num_threads(threads)


@pytest.mark.parametrize("label", LABELS)
def test_factors_are_in_the_unit_interval_where_a_class_has_them(garments, label):
    assert len(class_factors(label)) >= 5
    factors = garments.factors[garments.labels == label]
    used = factors[:, columns(label)]
    assert ((used >= 0) & (used <= 1)).all()
    assert ((used.mean(dim=0) - 0.5).abs() < 0.05).all()  # six standard errors
    assert int(factors.isnan().sum()) == factors.numel() - used.numel()


@pytest.mark.parametrize("label", LABELS)
def test_garments_show_their_factors(garments, label):
    """What `render` makes of the factors differs from the picture by the grain alone."""
    chosen = garments.labels == label
    drawn = garments.images[chosen].float()
    rendered = render(label, garments.factors[chosen]).float()
    assert (drawn - rendered).abs().mean() < 2
    assert (drawn - rendered).abs().max() < 0.15 * 255


@pytest.mark.parametrize(("label", "name"), PAIRS)
def test_every_factor_can_be_seen(garments, label, name):
    factors = garments.factors[garments.labels == label][:64]
    low, high = factors.clone(), factors.clone()
    low[:, FACTOR_NAMES.index(name)] = 0
    high[:, FACTOR_NAMES.index(name)] = 1
    change = (render(label, high).float() - render(label, low).float()).abs()
    # of 255, over all 784 pixels: a patch of 4 × 4 pixels that turns from black to grey
    assert change.mean() > 2
    assert change.amax(dim=(1, 2, 3)).median() > 32


@pytest.mark.parametrize("label", LABELS)
def test_garments_fit_in_the_picture(garments, label):
    """Most is black, as in Fashion-MNIST, and nothing runs out of the sides."""
    images = garments.images[garments.labels == label].float()
    assert 15 < images.mean() < 130
    assert (images[..., [0, -1]] > 0).float().mean() < 0.02
    assert (images == 0).float().mean() > 0.3


@pytest.mark.parametrize("count", [0, -3])
def test_too_few(count):
    with pytest.raises(ValueError, match=rf"count: expected at least 1, got {count}"):
        draw_garments(count)


@pytest.mark.parametrize("count", [2.0, "10", None, True])
def test_not_a_count(count):
    with pytest.raises(TypeError, match="count: expected an int, got " + type(count).__name__):
        draw_garments(count)


def test_bad_seed():
    with pytest.raises(ValueError, match="seed: expected at least 0, got -1"):
        draw_garments(10, seed=-1)
    with pytest.raises(TypeError, match="seed: expected an int, got float"):
        draw_garments(10, seed=0.5)


def test_bad_render():
    good = torch.full((2, len(FACTOR_NAMES)), 0.5)
    with pytest.raises(ValueError, match="label: expected at most 9, got 10"):
        render(10, good)
    with pytest.raises(ValueError, match=r"factors: expected shape \[B, 14\], got \[2, 3\]"):
        render(0, good[:, :3])
    for bad in (1.5, float("nan")):
        wrong = good.clone()
        wrong[1, FACTOR_NAMES.index("neckline")] = bad
        with pytest.raises(ValueError, match=r"factors: expected .*neckline.* in \[0, 1\]"):
            render(0, wrong)
        assert render(1, wrong).shape == (2, 1, 28, 28)  # trousers have no neckline
