"""Weights are loaded as they were saved, or refused with the reason; encoding a data set."""

import json
import os
import pickle
import stat
import sys
from pathlib import Path

import pytest
import safetensors.torch
import torch

from vae_lib import (
    VAE,
    Posteriors,
    encode_dataset,
    load_images,
    load_pretrained,
    load_vae,
    mean_terms,
    permutation_loss,
    pretrained_facts,
    save_vae,
)
from vae_lib import weights as weights_module
from vae_lib._files import save_tensors
from vae_lib.posteriors import KIND
from vae_lib.weights import pretrained_path, sha256

PRETRAINED = [("fashion-mnist", 2), ("fashion-mnist", 10), ("drawn", 2), ("drawn", 10)]


@pytest.fixture
def saved(tmp_path):
    torch.manual_seed(0)
    vae = VAE(3)
    return vae, save_vae(vae, tmp_path / "vae.safetensors")


def test_a_vae_is_saved_and_loaded(saved):
    vae, path = saved
    again = load_vae(path)
    z = torch.randn(4, 3)
    assert again.latent_dim == 3
    assert again.decode(z).equal(vae.decode(z))
    assert all(parameter.requires_grad for parameter in again.parameters())


@pytest.mark.parametrize("keep", [0, 4, 100, 10_000, -1])
def test_a_truncated_file_is_refused(saved, keep):
    _, path = saved
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ValueError, match="damaged or not a safetensors file"):
        load_vae(path)


def test_a_pickle_is_never_run(tmp_path):
    class Hostile:
        def __reduce__(self):
            return (open, (str(tmp_path / "it ran"), "w"))

    path = tmp_path / "vae.safetensors"
    path.write_bytes(pickle.dumps(Hostile()))
    with pytest.raises(ValueError, match="damaged or not a safetensors file"):
        load_vae(path)
    assert not (tmp_path / "it ran").exists()


def test_foreign_files_are_refused(saved, tmp_path):
    _, path = saved
    foreign = tmp_path / "foreign.safetensors"
    safetensors.torch.save_file({"weight": torch.zeros(2)}, foreign)
    with pytest.raises(ValueError, match="unknown origin"):
        load_vae(foreign)
    Posteriors(torch.zeros(2, 2), torch.ones(2, 2)).save(foreign)
    with pytest.raises(ValueError, match="holds vae_lib posteriors"):
        load_vae(foreign)
    with pytest.raises(ValueError, match="expected vae_lib posteriors"):
        Posteriors.load(path)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        load_vae(tmp_path / "nowhere")


@pytest.mark.parametrize("claimed", ["4", "0", "-3", "many", "99999999999"])
def test_weights_of_another_latent_size_are_refused(saved, claimed):
    vae, path = saved
    facts = {"kind": weights_module.KIND, "latent_dim": claimed}
    safetensors.torch.save_file(vae.state_dict(), path, metadata=facts)
    with pytest.raises(ValueError, match="latent_dim"):
        load_vae(path)


def test_weights_that_are_not_finite_are_refused(saved):
    vae, path = saved
    with torch.no_grad():
        vae.decoder[0].weight[0, 0] = float("nan")
    before = path.read_bytes()
    with pytest.raises(ValueError, match=r"vae: expected finite weights, got NaN .* decoder"):
        save_vae(vae, path)
    assert path.read_bytes() == before
    facts = {"kind": weights_module.KIND, "latent_dim": "3"}
    safetensors.torch.save_file(vae.state_dict(), path, metadata=facts)
    with pytest.raises(ValueError, match=r"path: .* expected finite weights"):
        load_vae(path)


def test_a_failed_save_leaves_the_old_file(saved, monkeypatch):
    _, path = saved
    before = path.read_bytes()

    def full_disk(_, file, **__):
        file.write_bytes(b"the first half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("vae_lib._files.save_file", full_disk)
    with pytest.raises(OSError, match="No space left"):
        save_vae(VAE(3), path)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]  # no temporary file is left


def test_a_folder_is_refused_as_a_file(tmp_path):
    with pytest.raises(ValueError, match="is a folder; expected the name of a file"):
        save_vae(VAE(3), tmp_path)


class Subclass(VAE):
    pass


def with_replaced_layer() -> VAE:
    vae = VAE(3)
    vae.decoder[4] = torch.nn.Linear(512, 10)
    return vae


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: VAE(3).half(), ValueError, r"expected float32 weights, got torch.float16"),
        (lambda: VAE(3).bfloat16(), ValueError, r"expected float32 .* vae.float\(\) converts them"),
        (lambda: VAE(3).double(), ValueError, r"expected float32 weights, got torch.float64"),
        (lambda: Subclass(3), TypeError, "expected a VAE itself, got its subclass Subclass"),
        (with_replaced_layer, ValueError, r"decoder.4.bias of shape \(784,\), got \(10,\)"),
        (lambda: torch.nn.Linear(2, 2), TypeError, "expected a VAE, got Linear"),
    ],
)
def test_save_vae_refuses_what_load_vae_would_refuse_and_keeps_the_old_file(
    saved, make, error, message
):
    _, path = saved
    before = path.read_bytes()
    with pytest.raises(error, match=message):
        save_vae(make(), path)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "arguments",
    [
        {"latent_dim": 2, "hidden": (32, 16)},
        {"image_shape": (3, 32, 32)},
        {"image_shape": [1, 64, 48], "hidden": [4, 8]},
        {"image_shape": (1, 28, 28), "architecture": "conv"},
        {"image_shape": (3, 8, 8), "architecture": "mlp", "hidden": ()},
        {"image_shape": (3, 32, 32), "pixels": "bernoulli"},
        {"image_shape": (1, 28, 28), "pixels": "gaussian"},
    ],
)
def test_shape_architecture_and_layers_are_saved(tmp_path, arguments):
    vae = VAE(**arguments)
    again = load_vae(save_vae(vae, tmp_path / "vae"))
    for name in ("latent_dim", "image_shape", "architecture", "hidden", "pixels"):
        assert getattr(again, name) == getattr(vae, name)
    x = torch.rand(2, *vae.image_shape)
    assert again.encode(x).mean.equal(vae.encode(x).mean)


def test_a_file_of_the_first_edition_is_loaded(saved):
    vae, path = saved
    facts = {"kind": weights_module.KIND, "latent_dim": "3"}
    safetensors.torch.save_file(vae.state_dict(), path, metadata=facts)
    again = load_vae(path)
    assert (again.image_shape, again.architecture) == ((1, 28, 28), "mlp")
    assert again.pixels == "bernoulli"
    assert again.decode(torch.ones(1, 3)).equal(vae.decode(torch.ones(1, 3)))


@pytest.mark.parametrize(
    "fact",
    [
        {"hidden": "[512, 128]"},
        {"hidden": json.dumps([1] * 1000)},
        {"hidden": "512"},
        {"hidden": '"512"'},
        {"image_shape": "[1, 28]"},
        {"image_shape": "[1, 100000000, 100000000]"},
        {"architecture": '"conv"'},
        {"architecture": "conv"},
        {"pixels": '"poisson"'},
        {"architecture": "[]"},
    ],
)
def test_a_file_that_describes_another_model_is_refused(saved, fact):
    vae, path = saved
    facts = {"kind": weights_module.KIND, "latent_dim": "3"} | fact
    safetensors.torch.save_file(vae.state_dict(), path, metadata=facts)
    with pytest.raises(ValueError, match=str(path)):
        load_vae(path)


@pytest.mark.parametrize("spelling", ["~/vae", "vae", "./vae", "deeper/../vae", "vae/"])
def test_every_spelling_of_a_path_names_one_file(tmp_path, monkeypatch, spelling):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "deeper").mkdir()
    vae = VAE(2)
    assert save_vae(vae, spelling).resolve() == tmp_path / "vae"
    for path in (spelling, tmp_path / "vae", Path(spelling)):
        assert load_vae(path).decode(torch.ones(1, 2)).equal(vae.decode(torch.ones(1, 2)))


def test_a_path_of_the_wrong_type_is_named(saved):
    for wrong in (3, None, b"vae"):
        with pytest.raises(TypeError, match="path: expected a string or a path, got"):
            load_vae(wrong)
        with pytest.raises(TypeError, match="path: expected a string or a path, got"):
            save_vae(VAE(2), wrong)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no umask")
def test_a_file_gets_the_permissions_that_the_umask_allows(tmp_path):
    before = os.umask(0o027)
    try:
        path = save_vae(VAE(2), tmp_path / "vae")
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


@pytest.mark.parametrize(("name", "latent_dim"), PRETRAINED)
def test_pretrained_weights_are_what_their_json_says(name, latent_dim):
    vae = load_pretrained(name, latent_dim)
    facts = pretrained_facts(name, latent_dim)
    assert vae.latent_dim == latent_dim == facts["latent_dim"]
    assert facts["data_set"] == name
    assert facts["active_dimensions"] == latent_dim


def test_pretrained_weights_take_less_than_20_megabytes():
    assert sum(file.stat().st_size for file in weights_module.PRETRAINED.iterdir()) < 20e6


def test_unknown_pretrained_weights_are_refused_with_the_known_names():
    with pytest.raises(ValueError, match="there are drawn-d10, drawn-d2, fashion-mnist-d10"):
        load_pretrained("fashion-mnist", latent_dim=7)
    with pytest.raises(ValueError, match="'mnist-d10'"):
        load_pretrained("mnist")


def test_pretrained_weights_that_were_changed_are_refused(tmp_path, monkeypatch):
    source = pretrained_path("drawn", 2)
    monkeypatch.setattr(weights_module, "PRETRAINED", tmp_path)
    (tmp_path / source.name).write_bytes(source.read_bytes())
    facts = json.loads(source.with_suffix(".json").read_text())
    (tmp_path / source.name).with_suffix(".json").write_text(json.dumps(facts))
    assert load_pretrained("drawn", 2).latent_dim == 2
    save_vae(VAE(2), tmp_path / source.name)  # a valid file, and not the one that was shipped
    with pytest.raises(ValueError, match="not the file that was shipped"):
        load_pretrained("drawn", 2)
    (tmp_path / source.name).unlink()
    with pytest.raises(FileNotFoundError):
        load_pretrained("drawn", 2)


def check_reached(name: str, latent_dim: int) -> float:
    """Compare the figures in the JSON with figures computed now; return the test -ELBO."""
    images, vae = load_images(name), load_pretrained(name, latent_dim)
    facts = pretrained_facts(name, latent_dim)
    negative_elbo = -mean_terms(vae, images.test_images).elbo.item()
    assert negative_elbo == pytest.approx(facts["negative_elbo"]["test"], abs=0.02)
    losses = permutation_loss(vae, images.test_images)
    assert losses == pytest.approx(facts["permutation_loss"], abs=0.2)
    assert min(losses) >= 1  # every dimension is alive
    return negative_elbo


@pytest.mark.parametrize("latent_dim", [2, 10])
def test_weights_for_drawn_garments_reach_what_their_json_says(latent_dim):
    check_reached("drawn", latent_dim)


@pytest.mark.parametrize("latent_dim", [2, 10])
def test_weights_for_fashion_mnist_reach_what_their_json_says(latent_dim):
    if load_images("auto").name != "fashion-mnist":
        pytest.skip("needs Fashion-MNIST: set VAE_LIB_DATA, or connect once to download it")
    negative_elbo = check_reached("fashion-mnist", latent_dim)
    if latent_dim == 10:
        assert negative_elbo <= 239.5  # nats; what the course promises


def test_sha256(tmp_path):
    file = tmp_path / "abc"
    file.write_bytes(b"abc")
    # the first example of FIPS 180-2, appendix B
    assert sha256(file) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_encode_dataset_is_the_encoder_chunk_by_chunk_and_takes_batches():
    torch.manual_seed(0)
    vae = VAE(2)
    x = torch.randint(0, 256, (2300, 1, 28, 28), dtype=torch.uint8)
    posteriors = encode_dataset(vae, x)
    with torch.no_grad():
        q = vae.encode(x)
    torch.testing.assert_close(posteriors.mean, q.mean, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(posteriors.std, q.stddev, atol=1e-6, rtol=1e-5)
    for batches in (x.split(700), [x]):  # smaller than what is encoded at a time, and larger
        streamed = encode_dataset(vae, iter(batches))
        torch.testing.assert_close(streamed.mean, posteriors.mean, atol=1e-6, rtol=1e-5)
    with pytest.raises(ValueError, match="at least one image"):
        encode_dataset(vae, x[:0])


def test_posteriors_are_sampled_saved_and_loaded(tmp_path, generator):
    posteriors = Posteriors(
        torch.tensor([[1.0, -2.0]]).expand(20_000, 2), torch.full((20_000, 2), 0.5)
    )
    z = posteriors.sample(generator)
    assert z.mean(dim=0).tolist() == pytest.approx([1, -2], abs=4 * 0.5 / 20_000**0.5)
    assert z.std(dim=0).tolist() == pytest.approx([0.5, 0.5], rel=0.02)
    posteriors.save(tmp_path / "p.safetensors")
    assert Posteriors.load(tmp_path / "p.safetensors").mean.equal(posteriors.mean)


def test_posteriors_without_std_are_refused(tmp_path):
    path = save_tensors(tmp_path / "p", KIND, {"mean": torch.zeros(1, 2)}, {})
    with pytest.raises(ValueError, match="expected mean and std in float32"):
        Posteriors.load(path)


def test_encode_dataset_names_what_it_cannot_take(drawn):
    torch.manual_seed(0)
    vae = VAE(2)
    for wrong in (drawn, None, [drawn.train_images[:2].numpy()], 3):
        with pytest.raises(TypeError, match="x: expected a tensor"):
            encode_dataset(vae, wrong)
