"""The explorer without a browser: set a slider, press a button, read the state."""

import io

import pytest
import torch
from PIL import Image

from vae_lib import Explorer, PosteriorIndex, encode_dataset
from vae_lib.explorer import COMPARED, LIMIT, garment_png, strip_png


@pytest.fixture
def explorer(vae, index, drawn):
    return Explorer(vae, index, drawn)


def pixels(png: bytes) -> torch.Tensor:
    return torch.tensor(list(Image.open(io.BytesIO(png)).tobytes()))


def assert_consistent(explorer, vae, index):
    """What is shown belongs to the current z."""
    assert [entry.value for entry in explorer.entries] == [round(v, 3) for v in explorer.z]
    clipped = [min(max(value, -LIMIT), LIMIT) for value in explorer.z]
    assert [slider.value for slider in explorer.sliders] == clipped
    with torch.no_grad():
        decoded = vae.decode(torch.tensor([explorer.z], dtype=torch.float64)).flatten() * 255
    assert (pixels(explorer.picture.value) - decoded).abs().max() <= 1
    for rule in COMPARED:
        expected = index.search(explorer.z, k=10, rule=rule)
        assert explorer.neighbors[rule].indices.equal(expected.indices)
        assert explorer.neighbors[rule].scores.equal(expected.scores)


def test_it_starts_at_zero(explorer, vae, index):
    assert list(explorer.z) == [0.0] * 10
    assert_consistent(explorer, vae, index)


@pytest.mark.parametrize("j", range(10))
def test_each_slider_moves_its_own_dimension(explorer, vae, index, j):
    explorer.sliders[j].value = 1.5
    assert list(explorer.z) == [1.5 if i == j else 0.0 for i in range(10)]
    assert explorer.sliders[j].description == f"z{j + 1}"
    assert_consistent(explorer, vae, index)


@pytest.mark.parametrize("j", [0, 9])
def test_each_entry_moves_its_own_dimension(explorer, vae, index, j):
    explorer.entries[j].value = -0.123456789
    assert explorer.z[j] == -0.123456789
    assert_consistent(explorer, vae, index)


def test_a_z_outside_the_sliders_is_kept_exactly_and_said(explorer, vae, index):
    explorer.z = [7.25] + [0.1] * 8 + [-100.0]
    assert list(explorer.z) == [7.25] + [0.1] * 8 + [-100.0]
    assert_consistent(explorer, vae, index)
    assert "z1 = 7.25, z10 = −100.00" in explorer.message.value
    assert "far from every garment" in explorer.message.value
    assert explorer.sliders[0].style.handle_color is not None
    assert explorer.sliders[1].style.handle_color is None
    explorer.reset()
    assert "Outside" not in explorer.message.value
    assert explorer.sliders[0].style.handle_color is None


def test_z_can_be_a_list_a_tensor_or_an_array(explorer):
    values = torch.linspace(-1, 1, 10, dtype=torch.float64)
    for z in (values, values.numpy(), values.tolist()):
        explorer.z = z
        assert list(explorer.z) == values.tolist()


@pytest.mark.parametrize("z", [[0.0] * 9, [float("nan")] * 10, [1e39] * 10, [[0.0] * 10] * 2])
def test_a_bad_z_is_refused_and_changes_nothing(explorer, vae, index, z):
    with pytest.raises(ValueError, match="z: expected"):
        explorer.z = z
    assert list(explorer.z) == [0.0] * 10
    assert_consistent(explorer, vae, index)


@pytest.mark.parametrize("junk", [float("nan"), 1e39])
def test_an_entry_that_is_no_use_is_put_back(explorer, vae, index, junk):
    explorer.entries[3].value = junk
    assert list(explorer.z) == [0.0] * 10
    assert_consistent(explorer, vae, index)


def test_buttons(explorer, vae, index, drawn):
    explorer.buttons["Random z"].click()
    first = explorer.z
    assert_consistent(explorer, vae, index)
    explorer.buttons["Random z"].click()
    assert explorer.z != first
    explorer.buttons["A garment's z"].click()
    assert torch.tensor(explorer.z).float() in index.posteriors.mean
    assert "near a garment" in explorer.message.value
    explorer.buttons["Reset"].click()
    assert list(explorer.z) == [0.0] * 10
    explorer.garment_z(17)
    assert list(explorer.z) == index.posteriors.mean[17].tolist()
    assert explorer.neighbors["euclidean"].indices[0] == 17
    assert drawn.class_names[drawn.train_labels[17]] in explorer.captions["euclidean"].value


def test_one_change_is_one_redraw(explorer, monkeypatch):
    calls = []
    monkeypatch.setattr(explorer, "_refresh", lambda: calls.append(explorer.z))
    explorer.sliders[4].value = 2.0
    assert len(calls) == 1


def test_sliders_are_laid_out_by_what_they_say(explorer):
    kl = explorer.kl_per_dimension
    columns = explorer.children[0].children[0].children[0].children
    placed = [line.children[0].description for column in columns for line in column.children]
    assert placed == [f"z{j + 1}" for j in sorted(range(10), key=lambda j: -kl[j])]


def test_the_overlap_is_counted(explorer):
    explorer.z = torch.randn(10, generator=torch.Generator().manual_seed(3))
    rows = [set(explorer.neighbors[rule].indices.tolist()) for rule in COMPARED]
    assert f"{len(rows[0] & rows[1])} of 10 garments in common" in explorer.message.value


def test_captions_tell_class_score_and_probability(explorer, drawn):
    explorer.garment_z(3)
    neighbors = explorer.neighbors["likelihood"]
    label = drawn.class_names[drawn.train_labels[neighbors.indices[0]]]
    caption = explorer._captions("likelihood")[0]
    assert label in caption
    assert f"{neighbors.scores[0]:.1f}".replace("-", "−") in caption
    assert f"p = {neighbors.probabilities[0]:.1%}" in caption


def test_a_saved_notebook_holds_a_picture_with_alt_text(explorer):
    data, metadata = explorer._repr_mimebundle_()
    assert data["image/png"]
    assert data["text/plain"] == repr(explorer)
    assert "nearest by log likelihood" in metadata["image/png"]["alt"]
    assert "application/vnd.jupyter.widget-view+json" in data


def test_pictures_are_png_files_of_the_garments(drawn):
    garment = drawn.train_images[0]
    assert pixels(garment_png(garment)).equal(garment.flatten().long())
    strip = Image.open(io.BytesIO(strip_png(drawn.train_images[:4], [True, False, True, False])))
    assert strip.width == 4 * strip.width // 4
    bars = [
        strip.getpixel((strip.width // 8 + i * strip.width // 4, strip.height - 1))
        for i in range(4)
    ]
    assert bars[0] == bars[2] != bars[1] == bars[3]


def test_parts_that_do_not_belong_together_are_refused(vae, index, drawn):
    with pytest.raises(ValueError, match="index: expected one garment for each of the 10000"):
        Explorer(vae, PosteriorIndex(index.posteriors[:50]), drawn)
    other = PosteriorIndex(mean=torch.zeros(10_000, 3), std=torch.ones(10_000, 3))
    with pytest.raises(ValueError, match="index: expected latent_dim=10"):
        Explorer(vae, other, drawn)


def test_a_wardrobe_smaller_than_a_row(vae, drawn):
    import dataclasses

    few = dataclasses.replace(
        drawn, train_images=drawn.train_images[:4], train_labels=drawn.train_labels[:4]
    )
    explorer = Explorer(vae, PosteriorIndex(encode_dataset(vae, few.train_images)), few)
    assert len(explorer.neighbors["likelihood"].indices) == 4
    assert "4 of 4 garments in common" in explorer.message.value
    with pytest.raises(ValueError, match="garment: expected 0 to 3, got 4"):
        explorer.garment_z(4)


def test_the_echo_of_the_front_end_changes_nothing(explorer, vae, index):
    """The front end sends every value back, rounded to the slider's steps, and sometimes late."""
    explorer.garment_z(3)
    first = explorer.z
    explorer.z = [0.333] * 10
    for z in (first, [0.333] * 10):
        for slider, value in zip(explorer.sliders, z, strict=True):
            slider.set_state({"value": round(value / slider.step) * slider.step})
    assert list(explorer.z) == [0.333] * 10
    assert_consistent(explorer, vae, index)


def test_a_person_may_move_a_slider_away_and_back(explorer, vae, index):
    explorer.z = [0.333] * 10
    slider = explorer.sliders[0]
    slider.set_state({"value": 0.35})  # the echo
    for value in (0.4, 0.35, 2.0, 0.35, 0.3):
        slider.set_state({"value": value})
        assert explorer.z[0] == value
    assert_consistent(explorer, vae, index)
