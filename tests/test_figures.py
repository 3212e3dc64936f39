"""The figures show the numbers that they were given, each under its own name and in its colour."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgba

from vae_course.figures import (
    RULE_COLORS,
    RULE_NAMES,
    anatomy,
    evaluation,
    garment_rows,
    live,
    scaling,
    show,
    svg_text,
    training,
)
from vae_course.figures.training import HELD_OUT_COLOR, TRAIN_COLOR
from vae_lib.checkpoint import Curves, History
from vae_lib.evaluation import Estimate, Evaluation


@pytest.fixture(autouse=True)
def close_all():
    yield
    plt.close("all")


def lines_of(axes) -> dict[str, tuple[str, list[float]]]:
    """Return colour and heights of every curve, by its name in the legend."""
    return {
        line.get_label(): (line.get_color(), list(line.get_ydata())) for line in axes.get_lines()
    }


def test_each_garment_is_above_its_caption():
    garments = torch.stack([torch.full((1, 28, 28), value) for value in (0.0, 0.25, 1.0)])
    figure = garment_rows({"some": garments}, {"some": ["black", "dark", "white"]})
    assert figure.subfigs[0].get_suptitle() == "some"
    shown = {
        axes.get_xlabel(): axes.images[0].to_rgba(axes.images[0].get_array())[0, 0]
        for axes in figure.subfigs[0].axes
    }
    for caption, grey in (("black", 0.0), ("dark", 0.25), ("white", 1.0)):
        assert shown[caption] == pytest.approx([grey, grey, grey, 1], abs=0.01)


def test_a_short_row_leaves_empty_axes():
    three, one = torch.zeros(3, 1, 28, 28), torch.ones(1, 1, 28, 28)
    _, short = garment_rows({"three": three, "one": one}).subfigs
    assert [axes.axison for axes in short.axes] == [True, False, False]


def test_a_figure_without_a_text_is_refused():
    with pytest.raises(ValueError, match="alt: expected a sentence"):
        show(plt.figure(), " ")


def line_figure(height=1.0):
    figure, axes = plt.subplots()
    axes.plot([0, 1], [0, height], label="a line")
    return figure


def test_a_vector_figure_is_stored_as_svg_and_as_png_each_with_its_text(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda data, **rest: shown.append((data, rest)))
    show(line_figure(), "A line that rises & ends.", vector=True)
    ((data, rest),) = shown
    assert set(data) == {"image/svg+xml", "image/png", "text/plain"}
    assert 'aria-label="A line that rises &amp; ends."' in data["image/svg+xml"]
    assert rest["metadata"]["image/png"]["alt"] == "A line that rises & ends."


def test_the_same_figure_becomes_the_same_svg():
    assert svg_text(line_figure(), "A line.") == svg_text(line_figure(), "A line.")
    assert svg_text(line_figure(), "A line.") != svg_text(line_figure(0.5), "A line.")


def test_the_vae_is_drawn_with_its_shapes_and_the_part_at_hand_in_colour():
    x = torch.zeros(1, 28, 28)
    (axes,) = anatomy.vae_picture(x, x, latent_dim=7, highlight=["encoder", "std"]).axes
    texts = " ".join(text.get_text() for text in axes.texts)
    for shape in ("μ(x)  [7]", "σ(x)  [7]", "[1, 28, 28]"):
        assert shape in texts
    colored = [patch for patch in axes.patches if patch.get_facecolor() == to_rgba(anatomy.ACCENT)]
    assert len(colored) == 2
    with pytest.raises(ValueError, match="highlight: expected some of"):
        anatomy.vae_picture(x, x, latent_dim=7, highlight=["head"])


def test_a_live_figure_is_drawn_anew_when_a_slider_moves():
    live_figure = live.LiveFigure(
        {"height": live.slider("height", 1.0, 0.0, 2.0)},
        lambda height: line_figure(height),
        lambda height: f"A line that ends at a height of {height}.",
    )
    before, metadata = live_figure._repr_mimebundle_()
    assert metadata["image/png"]["alt"] == "A line that ends at a height of 1.0."
    live_figure.controls["height"].value = 0.5
    after, metadata = live_figure._repr_mimebundle_()
    assert metadata["image/png"]["alt"] == live_figure.sentence
    assert "0.5" in live_figure.sentence
    assert before["image/png"] != after["image/png"]
    assert live.choice("step", {"none": 0, "ten": 10}, 10).value == 10


def test_training_curves_are_those_of_the_history():
    trained = Curves(reconstruction=[-30.0, -20.0], kl=[1.0, 2.0], elbo=[-31.0, -22.0])
    held_out = Curves(reconstruction=[-40.0, -35.0], kl=[3.0, 4.0], elbo=[-43.0, -39.0])
    figure = training.training_curves(History(trained, held_out))
    cost, kl = map(lines_of, figure.axes)
    assert cost == {
        "trained on": (TRAIN_COLOR, [30.0, 20.0]),
        "held out": (HELD_OUT_COLOR, [40.0, 35.0]),
    }
    assert kl == {
        "trained on": (TRAIN_COLOR, [1.0, 2.0]),
        "held out": (HELD_OUT_COLOR, [3.0, 4.0]),
    }


def test_costs_are_those_of_the_search_that_is_named():
    points = [
        {"garments": n, "milliseconds": {"faiss L2": 2.0 * n, "likelihood": 3.0 * n}}
        for n in (1, 10)
    ]
    (axes,) = scaling.cost_figure(points).axes
    assert lines_of(axes) == {
        "FAISS IndexFlatL2 on μ": (RULE_COLORS["euclidean"], [2.0, 20.0]),
        "exact likelihood": (RULE_COLORS["likelihood"], [3.0, 30.0]),
    }


def test_each_rule_is_drawn_at_its_figures():
    rules = ["likelihood", "euclidean"]
    estimates = {
        ("posterior", "likelihood", "recall@1"): Estimate(0.75),
        ("posterior", "euclidean", "recall@1"): Estimate(0.4),
        ("uniform 5", "likelihood", "pixel distance"): Estimate(90.0),
        ("uniform 5", "euclidean", "pixel distance"): Estimate(80.0),
        ("uniform 5", "pixel-nearest", "pixel distance"): Estimate(21.0),
    }
    (axes,) = evaluation.price(Evaluation(1, [], rules, estimates, {}), rules).axes
    for rule, place in (("likelihood", (0.75, 90.0)), ("euclidean", (0.4, 80.0))):
        (text,) = (each for each in axes.texts if each.get_text() == RULE_NAMES[rule])
        assert text.xy == place
        assert text.get_color() == RULE_COLORS[rule]
        dots = [line for line in axes.get_lines() if line.get_color() == RULE_COLORS[rule]]
        assert [tuple(np.ravel(dot.get_xydata())) for dot in dots] == [place]
