"""Models that were not made here, as notebook 08 defines and adapts them.

pythae and diffusers are not among the course's dependencies; their tests run where they are
installed.
"""

import ast
import sys
import warnings
from pathlib import Path

import nbformat
import numpy as np
import pytest
import torch

from vae_lib import PosteriorIndex, adapt, encode_dataset
from vae_lib._torchvision import declare_missing_operators
from vae_lib.garments import draw_garments

PATH = Path(__file__).parents[1] / "notebooks" / "08_bring_your_own_vae.ipynb"
CODE = {
    cell.id: cell.source
    for cell in nbformat.read(PATH, as_version=4).cells
    if cell.cell_type == "code" and not cell.id.startswith("install")
}
DEFINITIONS = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef)


def needed(package: str):
    """Import a package, or skip the test where it is missing."""
    declare_missing_operators()  # diffusers imports torchvision
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip(package)


@pytest.fixture(scope="module")
def names():
    """What the notebook imports and defines, without running anything else."""
    found = {}
    for source in CODE.values():
        wanted = [node for node in ast.parse(source).body if isinstance(node, DEFINITIONS)]
        exec(compile(ast.Module(wanted, []), PATH.name, "exec"), found)
    return found


def plain(names):
    model = names["PlainVAE"]()
    return names["adapt_plain"](model), lambda x: model.encode(x.flatten(1)), model


def colour(names):
    model = names["colour"] = names["ColourVAE"]()
    (sound,) = [
        node
        for node in ast.parse(CODE["adapt-colour"]).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "sound"
    ]
    exec(compile(ast.Module([sound], []), PATH.name, "exec"), names)
    return adapt(**names["sound"]), lambda x: model.encode(2 * x - 1), model


def of_pythae(kind):
    def make(names):
        models = needed("pythae.models")
        shape = {"input_dim": (3, 32, 32), "latent_dim": 16}
        model = getattr(models, kind)(getattr(models, f"{kind}Config")(**shape))

        def own(x):
            output = model.encoder(x)
            return output.embedding, output.log_covariance

        return names["adapt_pythae"](model), own, model

    return make


def of_diffusers(names):
    blocks = {"down_block_types": 2 * ("DownEncoderBlock2D",), "block_out_channels": (32, 32)}
    model = needed("diffusers").AutoencoderKL(**blocks, up_block_types=2 * ("UpDecoderBlock2D",))

    def own(x):
        moments = model.quant_conv(model.encoder(2 * x - 1))
        return moments.chunk(2, dim=1)

    return names["adapt_diffusers"](model, side=32, latent_dim=4 * 16 * 16), own, model


FOREIGN = {
    "plain": plain,
    "colour": colour,
    "pythae": of_pythae("VAE"),
    "pythae, beta": of_pythae("BetaVAE"),
    "diffusers": of_diffusers,
}


@pytest.mark.parametrize("make", FOREIGN.values(), ids=FOREIGN)
def test_the_neighbours_are_those_of_the_models_own_numbers_in_64_bits(make, names):
    torch.manual_seed(0)
    vae, own, model = make(names)
    garments = draw_garments(60, size=vae.image_shape[1], color=vae.image_shape[0] == 3).images
    index = PosteriorIndex(encode_dataset(vae, garments))
    model.eval()
    with torch.no_grad():
        mean, log_variance = (part.flatten(1).double().numpy() for part in own(garments / 255))
    spread = mean.std(axis=0) + np.exp(log_variance / 2).mean(axis=0)
    for z in mean.mean(axis=0) + spread * np.random.default_rng(0).normal(size=(5, mean.shape[1])):
        scores = -((z - mean) ** 2 / np.exp(log_variance) + log_variance).sum(axis=1)
        assert index.search(z, k=5).indices.tolist() == np.argsort(-scores)[:5].tolist()
        distances = np.linalg.norm(z - mean, axis=1)
        found = index.search(z, k=5, rule="euclidean").indices
        assert found.tolist() == np.argsort(distances)[:5].tolist()


@pytest.mark.parametrize("package", ["pythae", "diffusers"])
def test_the_notebook_passes_a_missing_package_over(package, names, monkeypatch, capsys):
    for module in (package, f"{package}.models"):
        monkeypatch.setitem(sys.modules, module, None)
    exec(CODE[f"try-{package}"], names)
    assert capsys.readouterr().out.startswith("passed over: ")


@pytest.mark.parametrize("package", ["pythae", "diffusers"])
def test_the_notebook_tries_a_package(package, names, capsys):
    needed(package)
    pictures = {
        "garments": draw_garments(30).images,
        "wardrobe": draw_garments(30, 0, 32, True).images,
    }
    exec(CODE[f"try-{package}"], names | pictures)
    assert f"latent dimensions) by {package}" in capsys.readouterr().out
