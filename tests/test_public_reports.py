"""Further cases of the kinds of fault that public reports of other projects describe.

Most kinds are tested beside the function concerned. This file holds the cases that concern several
parts of the library: spellings of a path, results that are pickled, NumPy numbers, empty batches,
tensors of other types, models without values, several threads, and widgets.
"""

import copy
import gc
import io
import multiprocessing
import os
import pickle
import shutil
import subprocess
import sys
import threading
import warnings
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.distributions import Bernoulli, Normal

from vae_lib import (
    VAE,
    Explorer,
    Images,
    PosteriorIndex,
    Posteriors,
    add_garments,
    elbo,
    encode_dataset,
    fit,
    gated_search,
    importance_weighted_bound,
    inspect_images,
    kl_to_prior,
    load_folder,
    load_images,
    load_pretrained,
    load_vae,
    mean_terms,
    permutation_loss,
    remove_garments,
    roundtrip,
    save_vae,
    search_picture,
    write_drawn_folder,
)
from vae_lib.evaluation import Wardrobe, evaluate, hubs, importance_moments
from vae_lib.garments import draw_garments


@pytest.fixture(scope="module")
def few(drawn) -> Images:
    train, test = slice(0, 200), slice(0, 20)
    return Images(
        drawn.name,
        drawn.class_names,
        drawn.train_images[train],
        drawn.train_labels[train],
        drawn.test_images[test],
        drawn.test_labels[test],
    )


@pytest.fixture(scope="module")
def small(vae, few) -> PosteriorIndex:
    return PosteriorIndex(encode_dataset(vae, few.train_images))


@pytest.fixture(scope="module")
def cells(small):
    pytest.importorskip("faiss", reason="python3 course.py lab")
    from vae_lib.engines import FaissIndex

    return FaissIndex(small.posteriors, cells=5)


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    """A home that is also the working directory."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "deeper").mkdir()
    return tmp_path


# --- one file under every spelling of its path ----------------------------------------------------

SPELLINGS = ["~/file", "file", "./file/", "deeper/../file"]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_indices_and_posteriors_are_saved_and_loaded_under_every_spelling(
    home, small, cells, spelling
):
    for thing in (small, small.posteriors, cells):
        thing.save(spelling)
        for path in (spelling, Path(spelling), home / "file"):
            assert len(type(thing).load(path)) == len(thing)
        assert sorted(path.name for path in home.iterdir()) == ["deeper", "file"]
        (home / "file").unlink()


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_folder_of_pictures_is_written_and_read_under_every_spelling(home, spelling):
    write_drawn_folder(spelling, count=12)
    assert write_drawn_folder(home / "file", count=12) == home / "file"
    expected = load_folder(home / "file").train_images
    assert load_folder(spelling).train_images.equal(expected)
    assert load_images(Path(spelling)).train_images.equal(expected)
    assert sorted(path.name for path in home.iterdir()) == ["deeper", "file"]


# --- results that are pickled, copied or saved ----------------------------------------------------


def results(vae, index, images) -> dict[str, object]:
    z = index.posteriors.mean[:3]
    return {
        "wardrobe": Wardrobe(vae, index, images),
        "index that has searched": index,
        "images": images,
        "picture search": search_picture(vae, index, images, io.BytesIO(png(images))),
        "gated answer": gated_search(vae, index, z),
        "evaluation": evaluate(Wardrobe(vae, index, images), 5, 0, ["likelihood"], progress=False),
        "importance moments": importance_moments(
            vae, images.test_images[:2], samples=5, generator=torch.Generator().manual_seed(0)
        ),
        "findings": inspect_images(images),
        "garments": draw_garments(12),
    }


def png(images: Images) -> bytes:
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(images.test_images[0, 0].numpy()).save(stream, format="PNG")
    return stream.getvalue()


def test_every_result_can_be_pickled_copied_and_saved(vae, small, few):
    for name, result in results(vae, small, few).items():
        stream = io.BytesIO()
        torch.save(result, stream)
        stream.seek(0)
        saved = torch.load(stream, weights_only=False)
        for again in (pickle.loads(pickle.dumps(result)), copy.deepcopy(result), saved):
            assert type(again) is type(result), name
            assert repr(again) == repr(result), name


def test_a_pickled_index_gives_the_same_answers(small, cells):
    z = small.posteriors.mean[:20]
    for index in (small, cells):
        again = pickle.loads(pickle.dumps(index))
        assert again.search(z).indices.equal(index.search(z).indices)
        assert again.search(z).scores.equal(index.search(z).scores)


def answers_of(vae, index, images) -> dict[str, object]:
    """Compute every result in another process, which sends them back."""
    return results(vae, index, images)


def refuse(work: str, *arguments: object) -> None:
    """Call one of the functions that raise an error of our own."""
    functions = {"picture": search_picture, "images": load_images, "folder": load_folder}
    functions[work](*arguments)


def test_results_and_errors_arrive_from_a_process_pool(vae, small, few, tmp_path):
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        expected = answers_of(vae, small, few)
        found = pool.submit(answers_of, vae, small, few).result()
        for name, result in expected.items():
            assert repr(found[name]) == repr(result), name
        z = small.posteriors.mean[:3]
        assert found["index that has searched"].search(z).scores.equal(small.search(z).scores)
        for error, work in (
            ("NotAPicture", ("picture", vae, small, few, io.BytesIO(b"no picture"))),
            ("UnknownSource", ("images", str(tmp_path / "nowhere"))),
            ("ValueError", ("folder", str(tmp_path))),
        ):
            with pytest.raises(ValueError, match=r"\S") as caught:
                pool.submit(refuse, *work).result()
            with pytest.raises(type(caught.value)) as here:
                refuse(*work)
            assert type(caught.value).__name__ == error
            assert str(caught.value) == str(here.value)


# --- numbers of NumPy and of torch ----------------------------------------------------------------

KINDS = [np.int64, np.uint8, torch.tensor]


@pytest.mark.parametrize("kind", KINDS)
def test_faiss_takes_whole_numbers_of_every_kind(small, kind):
    pytest.importorskip("faiss", reason="python3 course.py lab")
    from vae_lib.engines import FaissIndex, recall

    expected = FaissIndex(small.posteriors, cells=5, seed=3)
    engine = FaissIndex(small.posteriors, cells=kind(5), seed=kind(3))
    assert engine.cell_of.equal(expected.cell_of)
    engine.nprobe = kind(4)
    assert engine.nprobe == 4
    z = small.posteriors.mean[:5]
    assert recall(engine, z, kind(3)) == recall(engine, z, 3)
    assert engine.tune(z, k=kind(3)) >= 0.99


@pytest.mark.parametrize("number", [2.5, "3", None, True])
def test_faiss_refuses_other_numbers_of_cells_in_words(cells, number):
    with pytest.raises(TypeError, match="nprobe: expected an int, got"):
        cells.nprobe = number


@pytest.mark.parametrize("kind", KINDS)
def test_seeds_and_counts_are_whole_numbers_of_every_kind(vae, small, few, tmp_path, kind):
    wardrobe = Wardrobe(vae, small, few)
    tables = [
        evaluate(wardrobe, count, seed, ["likelihood"], progress=False)
        for count, seed in ((5, 3), (kind(5), kind(3)))
    ]
    assert tables[0].estimates == tables[1].estimates
    assert draw_garments(kind(5), kind(3), kind(30)).images.equal(draw_garments(5, 3, 30).images)
    folder = write_drawn_folder(tmp_path / "drawn", count=kind(12), seed=kind(3), size=kind(30))
    assert write_drawn_folder(folder, count=12, seed=3, size=30) == folder
    resized = load_folder(folder, size=kind(30), seed=kind(3)).train_images
    assert resized.equal(load_folder(folder, size=30, seed=3).train_images)
    explorers = [Explorer(vae, small, few, seed=seed) for seed in (kind(3), 3)]
    assert repr(explorers[0]) == repr(explorers[1])
    for explorer in explorers:
        explorer.close()


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.int64])
def test_degrees_of_freedom_are_numbers_of_every_kind(small, kind):
    z = small.posteriors.mean[:5]
    expected = small.search(z, rule="student-t", nu=3)
    assert small.search(z, rule="student-t", nu=kind(3)).scores.equal(expected.scores)


# --- no query, no picture -------------------------------------------------------------------------


def test_faiss_answers_an_empty_batch(cells):
    none = torch.zeros(0, 10)
    found = cells.search(none, k=4)
    assert found.indices.shape == found.scores.shape == (*found.probabilities.shape[:1], 4)
    assert len(pickle.loads(pickle.dumps(found))) == 0


def test_a_recall_without_queries_is_refused(cells):
    from vae_lib.engines import recall

    none = torch.zeros(0, 10)
    for call in (lambda: recall(cells, none), lambda: cells.tune(none)):
        with pytest.raises(ValueError, match="z: expected at least one query, got none"):
            call()


def test_no_new_pictures_are_refused(vae, small, few):
    with pytest.raises(ValueError, match="pictures: expected at least one picture, got none"):
        add_garments(vae, small, few, [], "Bag")


def test_functions_of_each_image_answer_an_empty_batch(vae, few):
    none = few.test_images[:0]
    assert elbo(vae, none).elbo.shape == importance_weighted_bound(vae, none).shape == (0,)
    assert kl_to_prior(vae.encode(none)).shape == (0, 10)
    assert vae.decode(torch.zeros(0, 10)).shape == none.shape


@pytest.mark.parametrize(
    ("work", "message"),
    [
        (lambda vae, x: encode_dataset(vae, x), "x: expected at least one image, got none"),
        (lambda vae, x: encode_dataset(vae, []), "x: expected at least one image, got none"),
        (lambda vae, x: importance_moments(vae, x), "x: expected at least one image, got none"),
        (lambda vae, x: mean_terms(vae, x), "images: expected at least one image, got shape"),
        (lambda vae, x: permutation_loss(vae, x), "images: expected at least two, got 0"),
        (lambda vae, x: fit(vae, x, progress=False), "images: expected at least 12, got 0"),
        (lambda vae, x: hubs(torch.zeros(0, 10).long(), 9), r"indices: .* got shape \[0, 10\]"),
        (lambda vae, x: hubs(torch.zeros(3, 0).long(), 9), r"indices: .* got shape \[3, 0\]"),
        (lambda vae, x: draw_garments(0), "count: expected at least 1, got 0"),
    ],
)
def test_a_mean_over_nothing_is_refused(vae, few, work, message):
    with pytest.raises(ValueError, match=message):
        work(vae, few.test_images[:0])


def test_images_without_pictures_are_inspected_or_refused(few):
    untested = replace(few, test_images=few.test_images[:0], test_labels=few.test_labels[:0])
    assert "0 pictures held out" in inspect_images(untested)[1].text
    nothing = replace(
        untested, train_images=few.train_images[:0], train_labels=few.train_labels[:0]
    )
    with pytest.raises(ValueError, match="images: expected at least one picture to learn from"):
        inspect_images(nothing)


def test_an_argument_that_would_leave_no_image_is_named(vae, small, few):
    everything = list(range(len(small)))
    with pytest.raises(ValueError, match="garments: expected at least one garment to stay"):
        remove_garments(small, few, everything)
    untested = replace(few, test_images=few.test_images[:0], test_labels=few.test_labels[:0])
    with pytest.raises(ValueError, match="images: expected at least one held-out picture"):
        evaluate(Wardrobe(vae, small, untested), 5, progress=False)
    half = PosteriorIndex(small.posteriors[:100])
    for work in (
        lambda: remove_garments(half, few, [3]),
        lambda: add_garments(vae, half, few, [io.BytesIO(png(few))], "Bag"),
    ):
        with pytest.raises(ValueError, match="index: expected one garment for each of the 200"):
            work()


# --- tensors and models of other types ------------------------------------------------------------

TYPES = [torch.float64, torch.bfloat16, torch.float16]


@pytest.mark.parametrize("dtype", TYPES)
def test_models_of_every_type_answer(small, few, dtype):
    vae = load_pretrained("drawn", latent_dim=10).to(dtype)
    z = small.posteriors.mean[:3]
    assert roundtrip(vae, z).shape == (3, 10)
    assert gated_search(vae, small, z).indices.shape == (3, 10)
    found = search_picture(vae, small, few, io.BytesIO(png(few)))
    assert len(found.neighbors["likelihood"]) == 10
    table = evaluate(Wardrobe(vae, small, few), 3, 0, ["gate"], progress=False)
    assert all(torch.tensor(each.value).isfinite() for each in table.estimates.values())


class Foreign(torch.nn.Module):
    """A model of somebody else: its layers take only tensors of their own type."""

    latent_dim, image_shape = 10, (1, 28, 28)

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.down, self.up = torch.nn.Linear(784, 20), torch.nn.Linear(10, 784)

    def encode(self, x):
        mean, log_std = self.down(x.flatten(1)).chunk(2, dim=1)
        return Normal(mean, log_std.exp())

    def decode(self, z):
        return self.up(z).sigmoid().view(-1, 1, 28, 28)

    def likelihood(self, z):
        return Bernoulli(self.decode(z), validate_args=False)


@pytest.mark.parametrize("dtype", TYPES)
def test_a_foreign_model_of_every_type_answers_as_in_float32(few, dtype):
    """Each function gives the model images and codes in the type of its weights."""
    answers = []
    for model in (Foreign(), Foreign().to(dtype)):
        index = PosteriorIndex(encode_dataset(model, few.train_images))
        wardrobe, z = Wardrobe(model, index, few), torch.linspace(-4, 4, 20).view(2, 10)
        rules = ["decoder", "pixel-nearest", "nearest decode", "likelihood, round trip", "gate"]
        answers.append(
            [
                index.posteriors.mean,
                roundtrip(model, z),
                gated_search(model, index, z).scores,
                elbo(model, few.test_images, eps=torch.ones(20, 10)).elbo,
                Explorer(model, index, few).decoded,
                evaluate(wardrobe, 3, 0, rules, progress=False).values[
                    "prior", "nearest decode", "pixel distance"
                ],
            ]
        )
    for in_float32, found in zip(*answers, strict=True):
        expected = in_float32.detach().double()
        difference = (found.detach().double() - expected).abs().max()
        assert difference <= (1e-5 if dtype == torch.float64 else 0.02) * expected.abs().max()
    x = few.test_images[:3]  # the noise of these functions depends on the type
    assert importance_weighted_bound(model, x, 3).isfinite().all()
    assert importance_moments(model, x, 9).mean.isfinite().all()
    assert torch.tensor(permutation_loss(model, x)).isfinite().all()
    assert mean_terms(model, x).elbo.isfinite().all()


@pytest.mark.parametrize("dtype", TYPES)
def test_queries_of_every_type_and_with_gradients_are_searched(small, cells, dtype):
    z = small.posteriors.mean[:3].to(dtype)
    for index in (small, cells):
        found = index.search(z.clone().requires_grad_())
        assert found.indices.equal(index.search(z).indices)
        assert not found.scores.requires_grad


@pytest.mark.parametrize("dtype", TYPES)
def test_posteriors_of_every_type_are_indexed(small, dtype):
    mean, std = small.posteriors.mean.to(dtype), small.posteriors.std.to(dtype)
    index = PosteriorIndex(Posteriors(mean, std))
    assert index.search(index.posteriors.mean[:3]).scores.isfinite().all()


# --- models and tensors without values ------------------------------------------------------------


@pytest.mark.parametrize(
    "work",
    [
        lambda vae, index, images: encode_dataset(vae, images.test_images),
        lambda vae, index, images: fit(vae, images, epochs=1, progress=False),
        lambda vae, index, images: elbo(vae, images.test_images),
        lambda vae, index, images: importance_weighted_bound(vae, images.test_images),
        lambda vae, index, images: importance_moments(vae, images.test_images, samples=5),
        lambda vae, index, images: mean_terms(vae, images.test_images),
        lambda vae, index, images: permutation_loss(vae, images.test_images),
        lambda vae, index, images: roundtrip(vae, [0.0] * 10),
        lambda vae, index, images: gated_search(vae, index, [0.0] * 10),
        lambda vae, index, images: search_picture(vae, index, images, io.BytesIO(png(images))),
        lambda vae, index, images: Explorer(vae, index, images),
        lambda vae, index, images: save_vae(vae, os.devnull),
    ],
)
def test_a_model_on_the_meta_device_is_refused_with_what_to_do(small, few, work):
    with pytest.raises(ValueError, match=r"on the meta device; vae.to_empty\(device='cpu'\)"):
        work(VAE(10).to("meta"), small, few)


def test_tensors_on_the_meta_device_are_named(vae, small, few):
    for x in (few.test_images, few.test_images / 255):
        with pytest.raises(TypeError, match=r"x: expected .* got .*, meta"):
            encode_dataset(vae, x.to("meta"))
    z = torch.zeros(1, 10, device="meta")
    for work in (vae.decode, small.search, small.mahalanobis2):
        with pytest.raises(TypeError, match=r"z: expected .* got .*, meta"):
            work(z)
    with pytest.raises(TypeError, match=r"mean: expected .* got .*, meta"):
        Posteriors(z, z)


# A process may have chosen a device on which every new tensor is made. On the meta device such a
# tensor has no values, so that each of them shows: what the library makes follows its arguments.
def test_another_default_device_changes_no_answer(vae, small, cells, few, tmp_path):
    def answers() -> dict[str, object]:
        untrained, z = VAE(2).to_empty(device="cpu"), small.posteriors.mean[:3]
        with torch.no_grad():
            for weights in untrained.parameters():
                weights.fill_(0.01)
        folder = load_folder(write_drawn_folder(tmp_path / "drawn", count=24, color=True, size=32))
        smaller, rest = remove_garments(small, few, [3, 5])
        added = add_garments(vae, smaller, rest, [io.BytesIO(png(few))], few.class_names[0])
        explorer = Explorer(vae, small, few)
        shown = repr(explorer), explorer._repr_mimebundle_()[1]["image/png"]["alt"]
        explorer.close()
        plane = PosteriorIndex(encode_dataset(untrained, few.train_images))
        Explorer(untrained, plane, few).close()  # draws a map
        return results(vae, small, few) | {
            "posteriors": encode_dataset(vae, few.test_images).mean,
            "numbers": [small.search(row.tolist()) for row in z],
            "probabilities": small.search(z).probabilities,
            "cells": cells.search(z),
            "history": fit(untrained, few, epochs=1, progress=False),
            "checkpoint": fit(untrained, few, epochs=1, progress=False, checkpoint=tmp_path / "c"),
            "averages": mean_terms(vae, few.test_images),
            "permutations": permutation_loss(vae, few.test_images),
            "bound": importance_weighted_bound(
                vae, few.test_images[:2], samples=3, generator=torch.Generator().manual_seed(0)
            ),
            "loaded": load_vae(save_vae(untrained, tmp_path / "weights")).state_dict(),
            "folder": (folder, folder.train_labels, folder.train_images.float().mean()),
            "added": added,
            "explorer": shown,
        }

    expected = answers()
    for path in tmp_path.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    with torch.device("meta"):
        found = answers()
    for name, answer in expected.items():
        assert repr(found[name]) == repr(answer), name


def test_a_tensor_in_place_of_a_picture_file_is_refused_with_advice(vae, small, few):
    for picture in (few.test_images[0], few.test_images[0, 0].numpy(), [[0]]):
        for work in (
            lambda picture: search_picture(vae, small, few, picture),
            lambda picture: add_garments(vae, small, few, [picture], "Bag"),
            few.prepare,
        ):
            with pytest.raises(TypeError, match=r"picture: .* encode_dataset takes tensors"):
                work(picture)


# --- several threads at once ----------------------------------------------------------------------


class WithDropout(VAE):
    """A model that answers differently in training mode, and whose first user is slow."""

    def __init__(self):
        super().__init__(2, hidden=(16,))
        self.encoder.insert(1, torch.nn.Dropout(0.5))
        self.entered, self.go_on = threading.Event(), threading.Event()

    def encode(self, x: torch.Tensor) -> torch.distributions.Normal:
        if threading.current_thread().name.startswith("slow"):
            self.entered.set()
            assert self.go_on.wait(60)
        return super().encode(x)


def test_several_threads_leave_a_model_in_the_mode_that_it_was_in(few):
    vae = WithDropout().train()
    vae.encoder[0].eval()
    modes = [module.training for module in vae.modules()]
    with ThreadPoolExecutor(1, "slow") as slow:
        first = slow.submit(encode_dataset, vae, few.test_images)
        assert vae.entered.wait(60)
        second = encode_dataset(vae, few.test_images)
        vae.go_on.set()
        assert first.result().mean.equal(second.mean)
    assert [module.training for module in vae.modules()] == modes


# --- widgets and figures that are closed ----------------------------------------------------------


def shown_widgets() -> set[str]:
    import ipywidgets

    gc.collect()
    return set(ipywidgets.widget._instances)


def test_a_closed_quiz_leaves_no_widget():
    from vae_course.exercises.quizzes import QUIZZES, Quiz

    before = shown_widgets()
    quiz = Quiz(1, QUIZZES[1])
    assert shown_widgets() > before
    quiz.close()
    quiz.close()  # a second time does no harm
    assert shown_widgets() == before


def test_an_explorer_that_cannot_be_made_leaves_no_widget(vae, small, few):
    Explorer(vae, small, few).close()  # what is made once and stays
    before = shown_widgets()
    with pytest.raises(ValueError, match="one garment for each"):
        Explorer(vae, PosteriorIndex(small.posteriors[:9]), few)
    assert shown_widgets() == before


def test_the_picture_of_an_explorer_leaves_no_figure(vae, small, few):
    import matplotlib.pyplot as plt

    before = plt.get_fignums()
    explorer = Explorer(vae, small, few)
    for _ in range(2):
        assert explorer._repr_mimebundle_()[0]["image/png"]
    explorer.close()
    assert plt.get_fignums() == before


# --- terminals that cannot encode a character -----------------------------------------------------

SHOW_DIFFERENCE = """
import pathlib, sys
import nbformat
from nbformat.v4 import new_code_cell, new_notebook, new_output
from vae_course.commands import test

def notebook(text):
    return new_notebook(cells=[new_code_cell("", outputs=[new_output("stream", text=text)])])

test.RESULTS = pathlib.Path(sys.argv[1])
test.execute = lambda path, allow_errors: notebook("σ = ½")
nbformat.write(notebook("σ = 1 − ½"), test.RESULTS / "σ.ipynb")
test.keep_failure(test.RESULTS / "σ.ipynb", "drawn")
"""
REFUSE_TO_GRADE = """
import sys
from vae_course.grading import grade

folder = sys.argv[1]
sys.exit(grade.main([folder + "/Łucja", "--course", folder + "/Σ"]) - 1)
"""
SHOW_FINDINGS = """
import sys
import vae_lib
images = vae_lib.load_folder(sys.argv[1] + "/drawn")
for finding in vae_lib.inspect_images(images):
    print(finding)
"""


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "cp437"])
@pytest.mark.parametrize("code", [SHOW_DIFFERENCE, REFUSE_TO_GRADE, SHOW_FINDINGS])
def test_what_a_terminal_cannot_encode_stops_no_command(code, encoding, tmp_path):
    from vae_course.commands.children import course_environment

    pictures = write_drawn_folder(tmp_path / "drawn", count=12)
    first = next(pictures.rglob("*.png"))
    first.rename(first.with_name("Łσ.png"))
    (first.parent / "broken Σ.png").write_bytes(b"no picture")
    environment = course_environment({**os.environ, "PYTHONIOENCODING": encoding})
    command = [sys.executable, "-c", code, str(tmp_path)]
    run = subprocess.run(command, env=environment, capture_output=True)
    assert run.returncode == 0, run.stderr
    assert (run.stdout + run.stderr).decode(encoding)


def state() -> dict[str, object]:
    """Return what a user may have set, and what a library must leave alone."""
    return {
        "dtype": torch.get_default_dtype(),
        "threads": torch.get_num_threads(),
        "precision": torch.get_float32_matmul_precision(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "gradients": torch.is_grad_enabled(),
        # not those of `random`: the checks of annotations in these tests draw from them
        "seeds": (torch.get_rng_state().tolist(), str(np.random.get_state())),  # noqa: NPY002
        "errors": np.geterr(),
        "warnings": list(warnings.filters),
        "environment": dict(os.environ),
        "folder": os.getcwd(),
    }


def test_no_function_changes_the_state_of_the_process(vae, small, few, tmp_path):
    fit(VAE(2), few, epochs=1, progress=False)  # torch imports its optimizers now, which set more
    torch.set_num_threads(3)
    untrained = VAE(2)  # whose weights come from torch's own generator
    before = state()
    works = {
        "results": lambda: results(vae, small, few),
        "fit": lambda: fit(untrained, few, epochs=1, progress=False),
        "judge": lambda: (mean_terms(vae, few.test_images), permutation_loss(vae, few.test_images)),
        "folder": lambda: load_folder(write_drawn_folder(tmp_path / "drawn", count=12)),
        "remove": lambda: remove_garments(small, few, np.array([3, 5])),
        "explorer": lambda: Explorer(vae, small, few).close(),
    }
    try:
        for name, work in works.items():
            work()
            after = state()
            changed = [each for each in before if before[each] != after[each]]
            assert changed == [], name
    finally:
        torch.set_num_threads(1)


@pytest.mark.parametrize("kind", [list, tuple, np.array, torch.tensor])
def test_garments_to_remove_may_come_from_a_search(small, few, kind):
    smaller, rest = remove_garments(small, few, kind([3, 5]))
    assert len(smaller) == len(rest.train_images) == len(small) - 2
    for wrong in (kind([True, False]), kind([0.5]), kind([[3]])):
        with pytest.raises(TypeError, match="garments: expected"):
            remove_garments(small, few, wrong)
