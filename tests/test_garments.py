"""The drawn garments: reproducible, all different, and true to their factors."""

import hashlib

import pytest
import torch

from vae_lib.garments import (
    CLASS_NAMES,
    COLORS,
    FACTOR_NAMES,
    _as_images,
    _draw,
    class_factors,
    color_index,
    draw_garments,
)

LABELS = range(10)
PAIRS = [(label, name) for label in LABELS for name in class_factors(label)]


@pytest.fixture(scope="module")
def garments():
    return draw_garments(12_000)


def render(label, factors, size=28):
    """Draw garments of one class from given factors, without grain."""
    return _as_images(_draw(label, factors.numpy(), size))


def test_grey_garments_of_28_pixels_never_change():
    """Weights, figures and stored outputs rest on these very bytes."""
    expected = {
        (12_000, 0): "fd6fd4cc2f644c871fff4075df504bc1dcfc8317693ccfc7623745f419e438c9",
        (300, 5): "4fa7db99ce8590217097160ae1548ef06580e4b5f57fd1cf1c5fe2d91525260c",
    }
    for (count, seed), digest in expected.items():
        images = draw_garments(count, seed).images
        assert hashlib.sha256(images.numpy().tobytes()).hexdigest() == digest


@pytest.mark.parametrize("color", [False, True])
@pytest.mark.parametrize("size", [32, 64, 128])
def test_larger_garments_have_the_same_shape(garments, size, color):
    larger = draw_garments(40, size=size, color=color)
    assert larger.images.shape == (40, 3 if color else 1, size, size)
    assert larger.labels.equal(garments.labels[:40])
    assert larger.factors[:, :14].nan_to_num(-1).equal(garments.factors[:40].nan_to_num(-1))
    cloth = larger.images.float().amin(dim=1, keepdim=True) < 200 if color else larger.images > 20
    small = torch.nn.functional.interpolate(cloth.float(), 28, mode="area") > 0.5
    agree = (small == (garments.images[:40] > 20)).float().mean(dim=(1, 2, 3))
    assert agree.min() > 0.9  # dark details and the edges differ


def test_the_colour_is_a_factor_that_can_be_seen():
    garments = draw_garments(400, size=32, color=True)
    assert garments.factor_names == [*FACTOR_NAMES, "color"]
    places = color_index(garments.factors[:, -1])
    assert len(COLORS) >= 6
    assert places.bincount(minlength=len(COLORS)).min() > 20
    pixels = garments.images.float().flatten(2)  # [N, 3, pixels]
    cloth = pixels.amin(dim=1) < 180
    mean = (pixels * cloth[:, None]).sum(dim=2) / cloth.sum(dim=1, keepdim=True)
    dyes = torch.tensor(list(COLORS.values()))
    hues = torch.nn.functional.normalize(mean, dim=1) @ torch.nn.functional.normalize(dyes, dim=1).T
    assert (hues.argmax(dim=1) == places).float().mean() > 0.9
    assert (garments.images[:, :, 0, 0] > 220).all()  # a light background


def test_colour_leaves_room_for_every_other_factor():
    garments = draw_garments(40, size=32, color=True)
    for label in LABELS:
        chosen = garments.labels == label
        rendered = render(label, garments.factors[chosen], size=32).float()
        assert (garments.images[chosen].float() - rendered).abs().mean() < 4


@pytest.mark.parametrize("size", [27, 129])
def test_a_size_out_of_range_is_refused(size):
    with pytest.raises(ValueError, match=f"size: expected 28 to 128, got {size}"):
        draw_garments(10, size=size)
    with pytest.raises(TypeError, match="color: expected True or False, got str"):
        draw_garments(10, color="red")


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


def test_no_two_garments_are_alike(garments):
    assert len({image.numpy().tobytes() for image in garments.images}) == 12_000


def test_the_seed_decides_everything(garments):
    again = draw_garments(12_000)
    assert torch.equal(again.images, garments.images)
    assert torch.equal(again.labels, garments.labels)
    assert torch.equal(again.factors.nan_to_num(-1), garments.factors.nan_to_num(-1))
    other = draw_garments(100, seed=1)
    assert not torch.equal(other.images, garments.images[:100])
    assert not torch.equal(other.labels, garments.labels[:100])


@pytest.mark.parametrize("count", [1, 9, 257, 1_000])
def test_a_smaller_count_gives_the_first_of_a_larger_one(garments, count):
    fewer = draw_garments(count)
    assert torch.equal(fewer.images, garments.images[:count])
    assert torch.equal(fewer.labels, garments.labels[:count])
    assert torch.equal(fewer.factors.isnan(), garments.factors[:count].isnan())


def test_the_number_of_threads_changes_nothing(garments):
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
def test_a_count_below_one_is_refused(count):
    with pytest.raises(ValueError, match=rf"count: expected at least 1, got {count}"):
        draw_garments(count)


@pytest.mark.parametrize("count", [2.0, "10", None, True])
def test_a_count_that_is_not_an_int_is_refused(count):
    with pytest.raises(TypeError, match="count: expected an int, got " + type(count).__name__):
        draw_garments(count)


def test_a_bad_seed_is_refused():
    with pytest.raises(ValueError, match="seed: expected at least 0, got -1"):
        draw_garments(10, seed=-1)
    with pytest.raises(TypeError, match="seed: expected an int, got float"):
        draw_garments(10, seed=0.5)


def test_the_factors_of_an_unknown_class_are_refused():
    with pytest.raises(ValueError, match="label: expected 0 to 9, got 10"):
        class_factors(10)
