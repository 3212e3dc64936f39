"""The explorer without a browser: set a slider, press a button, read the state."""

import asyncio
import base64
import dataclasses
import datetime
import gc
import html
import io
import json
import re
import time
import weakref

import ipywidgets as widgets
import numpy as np
import pytest
import scipy.stats
import torch
from matplotlib.text import Text
from PIL import Image

from vae_lib import (
    VAE,
    Explorer,
    PosteriorIndex,
    encode_dataset,
    gated_search,
    load_folder,
    load_pretrained,
    roundtrip,
)
from vae_lib.explorer import plane
from vae_lib.explorer.pacing import Pacer
from vae_lib.explorer.rows import percent
from vae_lib.explorer.scale import AS_PERCENTILES, AS_Z
from vae_lib.explorer.state import ROW_RULES, score_parts, text_to_z
from vae_lib.explorer.thumbnails import picture_png
from vae_lib.posteriors import Posteriors
from vae_lib.rules import RULES


@pytest.fixture
def explorer(vae, index, drawn):
    return Explorer(vae, index, drawn)


def pixels(png: bytes) -> torch.Tensor:
    return torch.tensor(list(Image.open(io.BytesIO(png)).tobytes()))


def search(vae, index, z, rule):
    """The definition of each rule."""
    if rule == "gate":
        return gated_search(vae, index, z, k=10)
    if rule == "round trip":
        return index.search(roundtrip(vae, z)[0], k=10)
    return index.search(z, k=10, rule=rule)


def assert_consistent(explorer, vae, index):
    """What is shown belongs to the current z."""
    places = [explorer._scale.place(value) for value in explorer.z]
    assert [entry.value for entry in explorer.panel.entries] == [round(p, 3) for p in places]
    low, high = explorer._scale.low, explorer._scale.high
    clipped = [min(max(place, low), high) for place in places]
    assert [slider.value for slider in explorer.sliders] == clipped
    eye = text_to_z(explorer.panel.z_box.value.removeprefix("≈ "), 10)
    assert eye == [round(value, 3) for value in explorer.z]
    assert shown_z(explorer) == list(explorer.z)
    with torch.no_grad():
        decoded = vae.decode(torch.tensor([explorer.z], dtype=torch.float64)).flatten() * 255
    assert (pixels(explorer.picture.value) - decoded).abs().max() <= 1
    assert list(explorer.neighbors) == list(explorer.rules)
    for rule in explorer.rules:
        expected = search(vae, index, explorer.z, rule)
        assert explorer.neighbors[rule].indices.equal(expected.indices)
        assert explorer.neighbors[rule].scores.equal(expected.scores)
        assert garments_of_row(explorer, rule) == expected.indices.tolist()


def garments_of_row(explorer, rule: str) -> list[int]:
    row = re.search(rf'data-rule="{rule}">(.*?)</ol>', explorer.rows.value).group(1)
    return [int(garment) for garment in re.findall(r'data-garment="(\d+)"', row)]


def reading(explorer) -> str:
    shown = explorer.reading.value + explorer.panel.status.value
    return html.unescape(re.sub(r"<[^>]+>", " ", shown))


def shown_z(explorer) -> list[float]:
    return json.loads(re.search(r'data-z="(.*?)"', explorer.reading.value).group(1))


def outside(explorer) -> list[bool]:
    return ["vae-outside" in slider._dom_classes for slider in explorer.sliders]


def test_it_starts_at_zero(explorer, vae, index):
    assert list(explorer.z) == [0.0] * 10
    assert explorer.rules == ("likelihood", "euclidean")
    assert_consistent(explorer, vae, index)


@pytest.mark.parametrize("j", range(10))
def test_each_slider_moves_its_own_dimension(explorer, vae, index, j):
    explorer.sliders[j].value = 1.5
    assert list(explorer.z) == [1.5 if i == j else 0.0 for i in range(10)]
    assert explorer.sliders[j].description == f"z{j + 1}"
    assert_consistent(explorer, vae, index)


@pytest.mark.parametrize("j", [0, 9])
def test_each_box_moves_its_own_dimension(explorer, vae, index, j):
    explorer.panel.entries[j].value = -0.123456789
    assert explorer.z[j] == -0.123456789
    assert_consistent(explorer, vae, index)


def test_a_z_outside_the_sliders_is_kept_exactly_and_reported(explorer, vae, index):
    explorer.z = [7.25] + [0.1] * 8 + [-100.0]
    assert list(explorer.z) == [7.25] + [0.1] * 8 + [-100.0]
    assert_consistent(explorer, vae, index)
    assert "searched as it is: z1 = 7.25, z10 = −100.00" in reading(explorer)
    assert "No garment of this wardrobe lies near." in reading(explorer)
    assert outside(explorer) == [True] + [False] * 8 + [True]
    explorer.reset()
    assert "Outside" not in reading(explorer)
    assert not any(outside(explorer))


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
def test_a_box_with_an_invalid_number_is_reset(explorer, vae, index, junk):
    explorer.panel.entries[3].value = junk
    assert list(explorer.z) == [0.0] * 10
    assert "Expected a number within ±1e+06" in explorer.panel.message.value
    assert_consistent(explorer, vae, index)
    explorer.panel.entries[3].value = 1.0
    assert explorer.panel.message.value == ""


def test_every_button_says_what_it_does(explorer):
    draws = {"From the prior", "From a posterior", "Uniform", "A garment's z"}
    presets = {"The rules disagree", "Far but certain"}
    changes = {"Round trip", "Reset", "Undo", "Pin A", "Pin B"}
    assert set(explorer.panel.buttons) == draws | presets | changes
    assert all(button.tooltip for button in explorer.panel.buttons.values())


@pytest.mark.parametrize("name", ["From the prior", "From a posterior", "Uniform", "A garment's z"])
def test_random_draws_differ_and_repeat_with_the_seed(vae, index, drawn, name):
    def drawn_twice():
        explorer = Explorer(vae, index, drawn, seed=5)
        zs = []
        for _ in range(2):
            explorer.panel.buttons[name].click()
            assert_consistent(explorer, vae, index)
            zs.append(explorer.z)
        return zs

    first, second = drawn_twice()
    assert first != second
    assert drawn_twice() == [first, second]


def many(explorer, name: str, count: int = 150) -> torch.Tensor:
    """Press a button many times, without the redraws; return all z, [count · d]."""
    explorer._pacer.change = lambda: None
    zs = []
    for _ in range(count):
        explorer.panel.buttons[name].click()
        zs += explorer.z
    return torch.tensor(zs)


def test_the_draws_have_the_distributions_that_they_name(explorer):
    prior = scipy.stats.kstest(many(explorer, "From the prior"), scipy.stats.norm.cdf)
    uniform = scipy.stats.kstest(many(explorer, "Uniform"), scipy.stats.uniform(-5, 10).cdf)
    explorer.percentiles = True
    percentile = scipy.stats.kstest(many(explorer, "Uniform"), scipy.stats.norm.cdf)
    assert min(prior.pvalue, uniform.pvalue, percentile.pvalue) > 0.01  # seeded


def test_a_draw_from_a_posterior_is_mean_plus_std_times_eps(explorer, index):
    explorer.panel.buttons["From a posterior"].click()
    garment = int(re.search(r"garment (\d+)", explorer.panel.message.value).group(1))
    q = index.posteriors
    eps = (torch.tensor(explorer.z) - q.mean[garment]) / q.std[garment]
    assert 0.5 < eps.norm() < 6
    assert scipy.stats.kstest(eps, scipy.stats.norm.cdf).pvalue > 0.001


def test_start_from_a_garment(explorer, vae, index, drawn):
    explorer.panel.buttons["A garment's z"].click()
    assert torch.tensor(explorer.z).float() in index.posteriors.mean
    assert "A garment of this wardrobe lies near." in reading(explorer)
    for _ in range(2):  # the same number twice: the box is emptied in between
        explorer.reset()
        explorer.panel.garment_box.value = "17"
        assert list(explorer.z) == index.posteriors.mean[17].tolist()
        assert explorer.panel.garment_box.value == ""
    assert explorer.neighbors["euclidean"].indices[0] == 17
    assert f"garment 17, {drawn.class_names[drawn.train_labels[17]]}" in (
        explorer.panel.message.value
    )


@pytest.mark.parametrize("junk", ["shoe", "-1", "10000", "1.5"])
def test_a_missing_garment_is_reported(explorer, junk):
    explorer.panel.garment_box.value = junk
    assert f"0 to 9999, got “{junk}”" in explorer.panel.message.value
    assert list(explorer.z) == [0.0] * 10


def test_round_trip_and_reset(explorer, vae, index):
    explorer.z = [3.0] * 10
    expected = roundtrip(vae, [3.0] * 10)[0].double().tolist()
    explorer.panel.buttons["Round trip"].click()
    assert list(explorer.z) == expected
    assert_consistent(explorer, vae, index)
    explorer.panel.buttons["Reset"].click()
    assert list(explorer.z) == [0.0] * 10


@pytest.mark.parametrize(
    "text",
    [
        "[0.1, -2, 0, 0, 0, 0, 0, 0, 0, 7.5]",
        "0.1 −2 0 0 0 0 0 0 0 7.5",
        "(1e-1; -2.0; 0;0;0;0;0;0;0; +7.5)",
        "[0.1\n -2. 0. 0. 0. 0. 0. 0. 0. 7.5]",
    ],
)
def test_numbers_can_be_pasted(explorer, vae, index, text):
    explorer.panel.z_box.value = text
    assert list(explorer.z) == [0.1, -2.0, 0, 0, 0, 0, 0, 0, 0, 7.5]
    assert_consistent(explorer, vae, index)


@pytest.mark.parametrize(
    ("junk", "message"),
    [
        ("a shoe", "“a” is no number. Expected 10 numbers."),
        ("<b>", "“<b>” is no number"),
        ("[1, 2, nan, 4, 5, 6, 7, 8, 9, 10]", "“nan” is no number"),
        ("1, 2, 3", "Expected 10 numbers, got 3."),
        ("", "Expected 10 numbers, got 0."),
        ("1e7 0 0 0 0 0 0 0 0 0", "expected numbers within ±1e+06"),
    ],
)
def test_invalid_text_is_explained_and_stays_for_correction(explorer, junk, message):
    explorer.panel.z_box.value = junk
    assert message in html.unescape(explorer.panel.message.value)
    assert "<b>" not in explorer.panel.message.value
    assert explorer.panel.z_box.value == junk
    assert list(explorer.z) == [0.0] * 10
    explorer.panel.z_box.value = str([1.0] * 10)
    assert explorer.panel.message.value == ""
    assert list(explorer.z) == [1.0] * 10


def test_percentiles_change_the_scale_and_not_z(explorer, vae, index):
    explorer.z = [0.123, -7.5, *[0.0] * 8]
    explorer.panel.percentile_box.value = True
    assert explorer.percentiles
    assert list(explorer.z) == [0.123, -7.5, *[0.0] * 8]
    assert_consistent(explorer, vae, index)
    assert explorer.sliders[0].value == pytest.approx(100 * scipy.stats.norm.cdf(0.123))
    assert (explorer.sliders[0].min, explorer.sliders[0].max) == (0.5, 99.5)
    assert outside(explorer) == [False, True] + [False] * 8
    explorer.sliders[2].value = 97.5
    assert explorer.z[2] == pytest.approx(scipy.stats.norm.ppf(0.975), rel=1e-12)
    assert list(explorer.z)[:2] == [0.123, -7.5]
    explorer.panel.percentile_box.value = False
    assert (explorer.sliders[0].min, explorer.sliders[0].max) == (-5, 5)
    assert_consistent(explorer, vae, index)


@pytest.mark.parametrize("junk", [0.0, 100.0, -3.0, 250.0, float("nan")])
def test_an_invalid_percentile_is_reset(explorer, vae, index, junk):
    explorer.percentiles = True
    explorer.panel.entries[0].value = junk
    assert "percentile between 0 and 100" in explorer.panel.message.value
    assert list(explorer.z) == [0.0] * 10
    assert_consistent(explorer, vae, index)


def test_percentiles_and_z_convert_in_both_directions():
    for z in (-2.5, -0.05, 0.0, 1.0, 2.5):
        assert AS_PERCENTILES.z(AS_PERCENTILES.place(z)) == pytest.approx(z, abs=1e-12)
        assert AS_Z.z(AS_Z.place(z)) == z
    assert AS_PERCENTILES.nearest(9.0) == 99.5
    assert not AS_PERCENTILES.holds(9.0)


@pytest.mark.parametrize("rule", ROW_RULES)
def test_every_rule_can_have_a_row(explorer, vae, index, rule):
    for z in ([0.0] * 10, [5.0, -5.0] * 5):  # familiar, and not
        explorer.z = z
        explorer.panel.rule_boxes[rule].value = True
        assert rule in explorer.rules
        assert_consistent(explorer, vae, index)


def test_rules_are_set_from_python_too(explorer, vae, index):
    explorer.rules = ["gate", "euclidean", "mahalanobis"]
    assert explorer.rules == ("euclidean", "mahalanobis", "gate")
    ticked = [rule for rule, box in explorer.panel.rule_boxes.items() if box.value]
    assert ticked == ["euclidean", "mahalanobis", "gate"]
    assert_consistent(explorer, vae, index)
    for rules in (["gate"], ["gate", "gate"], ["gate", "cosine"], []):
        with pytest.raises(ValueError, match="rules: expected two or more of 'likelihood'"):
            explorer.rules = rules
    assert explorer.rules == ("euclidean", "mahalanobis", "gate")


def test_the_last_two_ticks_stay(explorer):
    explorer.panel.rule_boxes["euclidean"].value = False
    assert "Two rules at least" in explorer.panel.message.value
    assert explorer.panel.rule_boxes["euclidean"].value
    assert explorer.rules == ("likelihood", "euclidean")


def test_the_gate_says_where_it_searched(explorer):
    explorer.rules = ["euclidean", "gate"]
    explorer.garment_z(3)
    assert "the gate: log likelihood at z, which is near" in explorer.rows.value
    explorer.z = [5.0, -5.0] * 5
    assert "the gate: log likelihood after a round trip, since z is far" in explorer.rows.value


def test_familiarity_is_reported_with_the_quantile(explorer, index):
    quantile = scipy.stats.chi2(10).ppf(0.999)
    assert explorer.answer.familiar_below == pytest.approx(quantile, rel=1e-9)
    for z in ([0.0] * 10, [5.0, -5.0] * 5):
        explorer.z = z
        smallest = index.mahalanobis2(z).item()
        word, sign = ("A garment", "<") if smallest < quantile else ("No garment", "≥")
        text = reading(explorer)
        assert f"Mahalanobis² {smallest:.1f} {sign} {quantile:.1f}" in text
        assert word in text
        assert explorer.answer.familiar == bool(index.is_familiar(z)[0])


def test_the_picture_shows_the_familiarity_numbers_only_if_ticked(explorer):
    for shown in (False, True):
        explorer.panel.number_box.value = shown
        texts = explorer.static_figure().findobj(Text)
        assert any("Mahalanobis" in each.get_text() for each in texts) == shown


def test_the_overlap_is_counted_and_the_shared_garments_are_linked(explorer):
    explorer.garment_z(11)
    rows = [explorer.neighbors[rule].indices.tolist() for rule in explorer.rules]
    shared = [garment for garment in rows[0] if garment in rows[1]]
    assert 0 < len(shared) < 10  # or this test would say little
    assert f"{len(shared)} of 10 in common." in reading(explorer)
    marked = re.findall(
        r'data-garment="(\d+)" class=vae-shared.*?badge" aria-hidden="true">(\d+)<',
        explorer.rows.value,
    )
    assert {(int(g), int(place)) for g, place in marked} == {
        (garment, rows[0].index(garment) + 1) for garment in shared
    }
    assert len(marked) == 2 * len(shared)
    named = re.findall(r'data-garment="(\d+)"[^>]* title="garment (\d+),', explorer.rows.value)
    assert [int(number) for number, _ in named] == [*rows[0], *rows[1]]
    assert all(number == shown for number, shown in named)
    explorer.rules = [*explorer.rules, "gate"]
    rows.append(explorer.neighbors["gate"].indices.tolist())
    shared = set.intersection(*map(set, rows))
    assert f"{len(shared)} of 10 in common to all 3 rows." in reading(explorer)


def test_captions_show_class_score_and_probability(explorer, drawn):
    explorer.garment_z(3)
    text = html.unescape(re.sub(r"<[^>]+>", " ", explorer.rows.value))
    for rule, name in (("likelihood", "log q"), ("euclidean", "distance")):
        neighbors = explorer.neighbors[rule]
        label = drawn.class_names[drawn.train_labels[neighbors.indices[0]]]
        digits = 1 if rule == "likelihood" else 2
        score = f"{neighbors.scores[0]:.{digits}f}".replace("-", "−")
        assert re.search(rf"{label}\s+{name}\s+{score}", text), text
    assert f"p {100 * explorer.neighbors['likelihood'].probabilities[0]:.1f} %" in text
    assert percent(0.0004) == "< 0.1 %"  # and never 0


def test_the_picture_is_described(explorer, drawn):
    def alt():
        return html.unescape(re.search(r'data-alt="(.*?)"', explorer.reading.value).group(1))

    explorer.garment_z(3)
    before = alt()
    first = drawn.class_names[drawn.train_labels[3]]
    assert before.startswith("Decoded from z. Nearest by log likelihood: ")
    assert f"by Euclidean distance: {first}, distance 0.00" in before
    explorer.reset()
    assert alt() != before
    described = r'<img src="data:image/png;base64,\S+" alt="garment \d+, \w'
    assert len(re.findall(described, explorer.rows.value)) == 20


def test_sliders_are_sorted_by_their_effect(explorer):
    kl = explorer.kl_per_dimension
    lines = explorer.panel.view.children[0].children[1].children
    placed = [line.children[0].description for line in lines]
    assert placed == [f"z{j + 1}" for j in sorted(range(10), key=lambda j: -kl[j])]


def test_unused_dimensions_are_labelled(vae, index, drawn):
    mean, std = index.posteriors.mean.clone(), index.posteriors.std.clone()
    mean[:, 4], std[:, 4] = 0.05 * torch.randn(len(mean)), 1.0  # a variance below 0.01
    explorer = Explorer(vae, PosteriorIndex(Posteriors(mean, std)), drawn)
    assert explorer.unused == [j == 4 for j in range(10)]
    assert explorer.sliders[4].description == "z5 unused"
    assert ["vae-unused" in slider._dom_classes for slider in explorer.sliders] == explorer.unused
    last = explorer.panel.view.children[0].children[1].children[-1]
    assert last.children[0] is explorer.sliders[4]


def test_a_saved_notebook_holds_a_picture_with_alt_text(explorer):
    explorer.rules = ["likelihood", "euclidean", "gate"]
    data, metadata = explorer._repr_mimebundle_()
    assert data["image/png"]
    assert data["text/plain"] == repr(explorer)
    assert "nearest by log likelihood" in metadata["image/png"]["alt"]
    assert "nearest by the gate" in metadata["image/png"]["alt"]
    assert "application/vnd.jupyter.widget-view+json" in data


def test_a_page_that_does_not_store_the_picture_does_not_draw_it(explorer, monkeypatch):
    monkeypatch.delattr(type(explorer), "static_figure")
    data, metadata = explorer._repr_mimebundle_(exclude=["image/png"])
    assert set(data) == {"text/plain", "application/vnd.jupyter.widget-view+json"}
    assert metadata == {}


def test_a_garment_as_a_png_file(drawn):
    garment = drawn.train_images[0]
    assert pixels(picture_png(garment)).equal(garment.flatten().long())
    assert pixels(picture_png(garment / 255)).equal(garment.flatten().long())


def test_parts_that_do_not_belong_together_are_refused(vae, index, drawn):
    with pytest.raises(ValueError, match="index: expected one garment for each of the 10000"):
        Explorer(vae, PosteriorIndex(index.posteriors[:50]), drawn)
    other = PosteriorIndex(mean=torch.zeros(10_000, 3), std=torch.ones(10_000, 3))
    with pytest.raises(ValueError, match="index: expected latent_dim=10"):
        Explorer(vae, other, drawn)


def test_a_wardrobe_smaller_than_a_row(vae, drawn):
    few = dataclasses.replace(
        drawn, train_images=drawn.train_images[:4], train_labels=drawn.train_labels[:4]
    )
    explorer = Explorer(vae, PosteriorIndex(encode_dataset(vae, few.train_images)), few)
    assert len(explorer.neighbors["likelihood"].indices) == 4
    assert "4 of 4 in common." in reading(explorer)
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


def test_the_echo_of_another_scale_changes_nothing(explorer, vae, index):
    explorer.z = [0.333] * 10
    explorer.percentiles = True
    for slider in explorer.sliders:
        steps = round((slider.value - slider.min) / slider.step)
        slider.set_state({"value": slider.min + steps * slider.step})
    assert list(explorer.z) == [0.333] * 10
    assert_consistent(explorer, vae, index)


def test_undo_goes_back_one_change_at_a_time(explorer, vae, index):
    explorer.garment_z(3)
    explorer.reset()
    for value in (0.5, 0.6, 0.7):  # one drag
        explorer.sliders[2].value = value
    explorer.sliders[4].value = 1.0
    undo = explorer.panel.buttons["Undo"]
    expected = [
        [0.0, 0.0, 0.7, *[0.0] * 7],
        [0.0] * 10,
        index.posteriors.mean[3].tolist(),
        [0.0] * 10,
    ]
    for z in expected:
        undo.click()
        assert list(explorer.z) == z
        assert_consistent(explorer, vae, index)
    undo.click()
    assert "Nothing to undo." in explorer.panel.message.value
    assert list(explorer.z) == [0.0] * 10


def test_a_walk_leads_from_one_pinned_z_to_the_other(explorer, vae, index):
    walk = explorer.pins.walk
    assert explorer.pins.view.layout.display == "none"
    explorer.garment_z(3)
    explorer.panel.buttons["Pin A"].click()
    assert walk.disabled
    explorer.garment_z(17)
    explorer.panel.buttons["Pin B"].click()
    assert not walk.disabled
    assert explorer.pins.view.layout.display is None or explorer.pins.view.layout.display == ""
    a, b = index.posteriors.mean[[3, 17]].double()
    for share in (0.5, 1.0, 0.02):
        walk.value = share
        assert list(explorer.z) == pytest.approx((a + share * (b - a)).tolist(), abs=1e-9)
        assert_consistent(explorer, vae, index)
    for name, garment in (("A", 3), ("B", 17)):
        card = html.unescape(explorer.pins.cards[name].value)
        first = re.search(r'by log likelihood.*?alt="garment (\d+),', card).group(1)
        assert int(first) == index.search(index.posteriors.mean[garment], 1).indices[0]
    with pytest.raises(ValueError, match="name: expected 'A' or 'B', got 'C'"):
        explorer.pin("C")


def test_the_presets_keep_their_promise(explorer):
    overlaps = []
    for _ in range(20):
        explorer.draw_from_posterior()
        overlaps.append(len(explorer.answer.shared))
    explorer.panel.buttons["The rules disagree"].click()
    assert len(explorer.answer.shared) <= min(overlaps)
    explorer.panel.buttons["Far but certain"].click()
    assert not explorer.answer.familiar
    assert explorer.neighbors["likelihood"].probabilities[0] > 0.99
    assert "vae-is-far" in explorer.rows.value


@pytest.mark.parametrize("rule", ROW_RULES)
def test_the_parts_add_up_to_the_score(explorer, index, rule):
    explorer.rules = [rule, "likelihood" if rule != "likelihood" else "euclidean"]
    for z in ([0.3] * 10, [5.0, -5.0] * 5):
        explorer.z = z
        answer = explorer.answer
        neighbors = answer.neighbors[rule]
        total = score_parts(index, answer.searched[rule], neighbors, rule).sum(dim=1)
        is_distance = RULES[rule].unit == "distance"
        expected = neighbors.scores.square() if is_distance else neighbors.scores
        assert torch.allclose(total, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("percentiles", [False, True])
def test_each_garment_carries_its_posterior_as_places_on_the_sliders(explorer, index, percentiles):
    explorer.percentiles = percentiles
    explorer.garment_z(3)
    scale = explorer._scale
    row = re.search(r'data-rule="likelihood">(.*?)</ol>', explorer.rows.value).group(1)
    for garment, text in re.findall(r'data-garment="(\d+)".*?data-marks=\'(.*?)\'', row):
        marks = json.loads(text)
        mean, std = (
            index.posteriors[[int(garment)]].mean[0],
            index.posteriors[[int(garment)]].std[0],
        )
        for mark, m, s in zip(marks, mean.tolist(), std.tolist(), strict=True):
            ends = [scale.nearest(each) for each in (m - s, m, m + s)]
            shares = [100 * (end - scale.low) / (scale.high - scale.low) for end in ends]
            assert mark[:3] == pytest.approx(shares, abs=0.06)


def test_a_closed_explorer_leaves_no_widget_and_no_memory(vae, index, drawn):
    Explorer(vae, index, drawn).close()  # what is made once and stays
    before = set(widgets.widget._instances)
    explorer = Explorer(vae, index, drawn)
    explorer.garment_z(3)
    explorer.pin("A")
    gone = weakref.ref(explorer), weakref.ref(explorer.panel), weakref.ref(explorer._pictures)
    explorer.close()
    del explorer
    gc.collect()
    assert set(widgets.widget._instances) <= before
    assert [each() for each in gone] == [None] * 3


def picture_file(pixels: torch.Tensor, kind: str = "png") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels[0].numpy()).save(buffer, format=kind)
    return buffer.getvalue()


def send(explorer, file: bytes) -> None:
    """Choose a file, as the front end sends it."""
    picture = {"name": "mine.png", "type": "image/png", "size": len(file), "content": file}
    picture["last_modified"] = datetime.datetime.now(tz=datetime.UTC)
    explorer.panel.upload.value = (picture,)


def test_a_picture_can_be_the_query(explorer, vae, index, drawn):
    for _ in range(2):  # the same file twice
        explorer.reset()
        send(explorer, picture_file(drawn.test_images[5]))
        expected = vae.encode(drawn.test_images[5:6]).mean[0]
        assert torch.allclose(torch.tensor(explorer.z).float(), expected, atol=0.2)
        assert "The μ of your picture; its σ runs from 0." in explorer.panel.message.value
        assert_consistent(explorer, vae, index)
    z = explorer.z
    send(explorer, b"no picture")
    assert "This picture could not be read: not a " in explorer.panel.message.value
    assert explorer.z == z


def test_photographs_keep_their_colours_proportions_and_names(vae, tmp_path):
    colors = [(200, 30, 30), (30, 160, 60), (40, 60, 200)]
    for number, color in enumerate(colors * 2):
        folder = tmp_path / f"kind {number % 3}"
        folder.mkdir(exist_ok=True)
        Image.new("RGB", (400, 600), color).save(folder / f"photo <{number}>.jpg")
    images = load_folder(tmp_path)
    index = PosteriorIndex(encode_dataset(vae, images.train_images))
    explorer = Explorer(vae, index, images)
    for garment, file in enumerate(images.train_files):
        address = explorer._pictures.uri(garment)
        photograph = Image.open(io.BytesIO(base64.b64decode(address.split(",")[1])))
        assert photograph.height > photograph.width
        shown = photograph.convert("RGB").getpixel((5, 5))
        wanted = Image.open(file).getpixel((5, 5))
        assert max(abs(a - b) for a, b in zip(shown, wanted, strict=True)) < 12
        assert f'title="garment {garment}, ' in explorer.rows.value
        assert html.escape(file.name) in explorer.rows.value
    images.train_files[0].unlink()  # the model's own small picture is still there
    explorer = Explorer(vae, index, images)
    assert explorer._pictures.uri(0).startswith("data:image/png")


class Foreign(torch.nn.Module):
    """A VAE from elsewhere, in colour, that gives other answers in training mode."""

    latent_dim, image_shape = 3, (3, 16, 12)

    def __init__(self):
        super().__init__()
        self.down = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(576, 6))
        self.up = torch.nn.Sequential(
            torch.nn.Linear(3, 576), torch.nn.Dropout(), torch.nn.Sigmoid()
        )

    def encode(self, x):
        mean, log_variance = self.down(x.to(self.down[1].weight)).chunk(2, dim=1)
        return torch.distributions.Normal(mean, (0.5 * log_variance).exp())

    def decode(self, z):
        return self.up(z).view(-1, *self.image_shape)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_foreign_model_and_pictures_in_colour_are_explored(drawn, dtype):
    model = Foreign().to(dtype)
    pictures = torch.randint(256, (30, 3, 16, 12), dtype=torch.uint8)
    images = dataclasses.replace(
        drawn, train_images=pictures, train_labels=drawn.train_labels[:30], test_images=pictures
    )
    index = PosteriorIndex(encode_dataset(model, pictures))
    explorer = Explorer(model, index, images)
    explorer.garment_z(7)
    assert explorer.decoded.shape == (3, 16, 12)
    with torch.inference_mode():
        expected = model.eval().decode(torch.tensor([explorer.z], dtype=dtype))[0].float()
    assert torch.allclose(explorer.decoded, expected, atol=1e-6)
    assert Image.open(io.BytesIO(explorer.picture.value)).size == (12, 16)
    assert explorer.neighbors["euclidean"].indices[0] == 7
    assert explorer._repr_mimebundle_()[0]["image/png"]
    with pytest.raises(TypeError, match=r"Linear has no encode.*adapt"):
        Explorer(torch.nn.Linear(3, 3), index, images)


@pytest.mark.parametrize("size", [(1, 20, 30), (3, 32, 32)])
def test_pictures_of_any_size_as_png_files(size):
    picture = torch.randint(256, size, dtype=torch.uint8)
    read = torch.tensor(np.asarray(Image.open(io.BytesIO(picture_png(picture)))))
    assert read.reshape(*size[1:], size[0]).movedim(-1, 0).equal(picture)
    assert picture_png(picture / 255) == picture_png(picture)


def test_of_many_sliders_the_strongest_are_shown(drawn):
    wide = VAE(latent_dim=40)
    index = PosteriorIndex(encode_dataset(wide, drawn.train_images[:50]))
    few = dataclasses.replace(
        drawn, train_images=drawn.train_images[:50], train_labels=drawn.train_labels[:50]
    )
    explorer = Explorer(wide, index, few)
    _, grid, more, rest = explorer.panel.view.children[0].children
    assert more.description == "Show 24 weaker dimensions"
    assert len(grid.children) == 16
    assert rest.children == ()
    more.click()
    lines = [*grid.children, *rest.children[0].children]
    assert {id(line.children[0]) for line in lines} == {id(slider) for slider in explorer.sliders}
    strengths = [explorer.kl_per_dimension[j] for j in explorer.panel.order]
    assert strengths == sorted(strengths, reverse=True)
    more.click()
    assert rest.children == ()


def test_a_latent_plane_has_a_map(drawn):
    vae = load_pretrained("drawn", latent_dim=2)
    index = PosteriorIndex(encode_dataset(vae, drawn.train_images[:500]))
    few = dataclasses.replace(
        drawn, train_images=drawn.train_images[:500], train_labels=drawn.train_labels[:500]
    )
    explorer = Explorer(vae, index, few)
    assert explorer.plane.value.count('class="vae-plane"') == 2
    for rule in plane.MAPPED:
        picture = plane.winners_map(index, few, rule)
        colors = plane.class_colors(10)
        for row, column in ((0, 0), (20, 70), (45, 45), (80, 10)):
            z = [-5 + 10 * (column + 0.5) / plane.CELLS, 5 - 10 * (row + 0.5) / plane.CELLS]
            winner = index.search(z, 1, rule).indices[0]
            shown, color = picture[:, row, column], colors[few.train_labels[winner]]
            assert torch.nn.functional.cosine_similarity(shown, color, dim=0) > 0.9999


def test_a_late_message_counts_as_a_move(explorer, monkeypatch):
    explorer.z = [0.333] * 10
    explorer.z = [0.6] * 10
    monkeypatch.setattr("vae_lib.explorer.controls.ECHO_SECONDS", 0.0)
    explorer.sliders[0].set_state({"value": 0.35})  # of 0.333, if it came at once
    assert explorer.z[0] == 0.35


def test_a_message_without_a_value_moves_nothing(explorer):
    explorer.z = [0.333] * 10
    explorer.sliders[0].set_state({"step": 0.1})
    assert explorer.sliders[0].step == 0.1
    assert list(explorer.z) == [0.333] * 10


def test_a_person_may_move_a_slider_away_and_back(explorer, vae, index):
    explorer.z = [0.333] * 10
    slider = explorer.sliders[0]
    slider.set_state({"value": 0.35})  # the echo
    for value in (0.4, 0.35, 2.0, 0.35, 0.3):
        slider.set_state({"value": value})
        assert explorer.z[0] == value
    assert_consistent(explorer, vae, index)


def test_a_slider_means_the_number_at_its_step(explorer, vae, index):
    slider = explorer.sliders[0]
    slider.set_state({"value": 0.04999999999999982})  # as the front end computes 0.05
    assert explorer.z[0] == 0.05
    assert slider.value == 0.04999999999999982  # sent back, it would pull at the handle in a drag
    explorer.panel.entries[0].value = 0.04999999999999982  # typed, it is taken as it is
    assert explorer.z[0] == 0.04999999999999982


def messages_of(explorer, monkeypatch) -> list[tuple[str, set[str]]]:
    """Note what the kernel would send, as (kind of widget, names of what changed)."""
    sent = []
    for name, widget in (
        *((f"slider {j}", slider) for j, slider in enumerate(explorer.sliders)),
        *((f"box {j}", entry) for j, entry in enumerate(explorer.panel.entries)),
        ("picture", explorer.picture),
        ("rows", explorer.rows),
        ("reading", explorer.reading),
        ("status", explorer.panel.status),
        ("z", explorer.panel.z_box),
        ("message", explorer.panel.message),
    ):

        def note(change, name=name):
            sent.append((name, change["name"]))

        widget.observe(note, names=["value", "min", "max", "step", "_dom_classes"])
    return sent


def test_one_change_is_one_redraw_and_sends_only_what_changed(explorer, monkeypatch):
    decode, calls = explorer._vae.decode, []
    monkeypatch.setattr(explorer._vae, "decode", lambda z: calls.append(z) or decode(z))
    sent = messages_of(explorer, monkeypatch)
    explorer.sliders[4].value = 2.0
    assert len(calls) == 1
    assert sorted(sent) == [
        ("box 4", "value"),
        ("picture", "value"),
        ("reading", "value"),
        ("rows", "value"),
        ("slider 4", "value"),
        ("status", "value"),
        ("z", "value"),
    ]
    assert next(name for name, _ in sent if not name.startswith("slider")) == "picture"


def test_a_slow_model_draws_the_last_of_the_moves_that_waited(explorer, vae, index, monkeypatch):
    """Twenty moves stand in the kernel's queue while a decode takes 300 ms."""
    decode, calls = explorer._vae.decode, []

    def slow(z):
        calls.append(z)
        time.sleep(0.3)
        return decode(z)

    monkeypatch.setattr(explorer._vae, "decode", slow)

    async def kernel():
        for step in range(1, 21):
            explorer.sliders[step % 10].set_state({"value": step / 10})
            await asyncio.sleep(0)  # the kernel takes the next message
        neighbors = explorer.neighbors  # asked before the redraw that is due
        for rule in explorer.rules:
            expected = index.search(explorer.z, k=10, rule=rule)
            assert neighbors[rule].indices.equal(expected.indices)
        for step in range(1, 21):
            explorer.sliders[0].set_state({"value": -step / 10})
            await asyncio.sleep(0)
        await asyncio.sleep(0.2)

    asyncio.run(kernel())
    # a first one, one when asked, a last one; a busy machine may add a few, but not 40
    assert len(calls) <= 6
    monkeypatch.undo()
    assert list(explorer.z) == [-2.0, *[step / 10 for step in range(11, 20)]]
    assert_consistent(explorer, vae, index)


def test_a_fast_model_draws_every_move_at_once():
    drawn = []
    pacer = Pacer(lambda: drawn.append(True))

    async def kernel():
        for number in range(5):
            pacer.change()
            assert len(drawn) == number + 1
            await asyncio.sleep(0)

    asyncio.run(kernel())


def test_an_error_while_drawing_does_not_stop_the_next_draw(explorer, vae, index, monkeypatch):
    with monkeypatch.context() as broken:
        broken.setattr(explorer._vae, "decode", lambda z: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            explorer.z = [1.0] * 10
    explorer.z = [0.5] * 10
    assert_consistent(explorer, vae, index)
