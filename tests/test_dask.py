"""Exact search on the workers of a Dask cluster."""

import gzip
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import torch

from tests.drawn_parts import PARTS, drawn_part
from tests.mirror import small_archives
from vae_lib import PosteriorIndex, encode_dataset, gated_search, load_folder, write_drawn_folder
from vae_lib.engines.dask_index import DaskIndex, fashion_mnist_rows, folder_rows, local_client
from vae_lib.rules import RANKINGS

pytest.importorskip("distributed")
ROOT = Path(__file__).parents[1]
PATIENCE = 240  # seconds, for a busy machine; a free one needs a tenth of them
# What a client does that has neither images nor posteriors. A worker is killed on the way.
CLIENT = """
import os, signal, sys
from functools import partial
from pathlib import Path
import torch
from distributed import Client
from tests.drawn_parts import PARTS, drawn_part
from vae_lib import load_pretrained, roundtrip
from vae_lib.engines import DaskIndex

def peak():  # of this process alone, in bytes; what getrusage says includes the parent's peak
    (line,) = [x for x in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in x]
    return 1024 * int(line.split()[1])

client = Client(sys.argv[1], set_as_default=False, timeout=240)
vae, z = load_pretrained("drawn", 10), torch.load(sys.argv[2])
roundtrip(vae, z)
before = peak()
index = DaskIndex.from_images(client, vae, [partial(drawn_part, i) for i in range(PARTS)])
first = index.search(z)
os.kill(next(iter(client.run(os.getpid).values())), signal.SIGKILL)
second = index.search(z)
torch.save({
    "first": (first.indices, first.scores, first.probabilities),
    "second": (second.indices, second.scores, second.probabilities),
    "mahalanobis2": index.mahalanobis2(z),
    "gate": tuple(index.gated_search(vae, z)),
    "size": len(index), "grown": peak() - before, "peak": peak(),
}, sys.argv[3])
client.close()
"""


@pytest.fixture(scope="module")
def client():
    client = local_client(2)
    yield client
    client.shutdown()


@pytest.fixture(scope="module")
def codes():
    """Some z near the garments, and some far from them."""
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(25, 10, generator=generator)
    z[20:] *= 4
    return z


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak of memory from /proc")
def test_a_killed_worker_loses_no_answer_and_the_client_stays_small(
    client, codes, vae, tmp_path, record_property
):
    torch.save(codes, tmp_path / "codes.pt")
    address = client.scheduler.address
    command = [sys.executable, "-c", CLIENT, address, tmp_path / "codes.pt", tmp_path / "found.pt"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    result = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=PATIENCE
    )
    assert result.returncode == 0, result.stderr
    found = torch.load(tmp_path / "found.pt")
    images = torch.cat([drawn_part(number) for number in range(PARTS)])
    exact = PosteriorIndex(encode_dataset(vae, images))
    expected = exact.search(codes)
    assert found["size"] == len(exact) == 60_000
    assert expected.probabilities is not None
    for indices, scores, probabilities in (found["first"], found["second"]):
        assert indices.equal(expected.indices)
        assert scores.equal(expected.scores)
        # the parts' sums are added in another order
        torch.testing.assert_close(probabilities, expected.probabilities, rtol=1e-12, atol=0)
    assert found["second"][2].equal(found["first"][2])
    assert found["mahalanobis2"].equal(exact.mahalanobis2(codes))
    for ours, theirs in zip(found["gate"], gated_search(vae, exact, codes), strict=True):
        assert ours.equal(theirs)
    record_property(
        "note",
        f"client: {found['peak'] / 1e6:.0f} MB at its peak, {found['grown'] / 1e6:.0f} MB "
        "of them since it connected",
    )
    assert found["grown"] < images.numel()  # bytes; the images were never here
    if torch.version.cuda is None:  # importing CUDA's libraries takes more than all of this
        assert found["peak"] <= 300e6


def exact_index(vae, parts) -> PosteriorIndex:
    """Return the index of the same garments in one process, encoded in the same batches."""
    return PosteriorIndex(encode_dataset(vae, (part() for part in parts)))


@pytest.fixture(scope="module")
def small(client, vae):
    """An index in three unequal parts, and the exact one among the same garments."""
    sizes = (500, 3, 300)
    parts = [partial(drawn_part, number, size) for number, size in enumerate(sizes)]
    return DaskIndex.from_images(client, vae, parts), exact_index(vae, parts)


@pytest.mark.slow
@pytest.mark.parametrize("rule", RANKINGS)
def test_every_rule_answers_as_the_exact_index(small, codes, rule):
    index, exact = small
    found, expected = index.search(codes, 7, rule), exact.search(codes, 7, rule)
    assert found.indices.equal(expected.indices)
    if rule == "scaled-euclidean":  # the parts' sums of σ² are added in another order
        torch.testing.assert_close(found.scores, expected.scores, rtol=1e-12, atol=0)
    else:
        assert found.scores.equal(expected.scores)
    assert index.search(codes[0], 1, rule).indices.equal(exact.search(codes[0], 1, rule).indices)


@pytest.mark.slow
def test_the_gate_and_the_edges_are_those_of_the_exact_index(small, vae, codes):
    index, exact = small
    found, expected = index.gated_search(vae, codes), gated_search(vae, exact, codes)
    assert found.indices.equal(expected.indices)
    assert found.familiar is not None
    assert found.familiar.equal(expected.familiar)
    assert found.familiar.any()
    assert not found.familiar.all()
    assert index.search(codes[:2], len(exact)).indices.equal(exact.search(codes[:2], 803).indices)
    assert index.search(codes[:0]).indices.shape == (0, 10)
    for k in (0, 804):
        with pytest.raises(ValueError, match=r"k: expected 1 to 803"):
            index.search(codes, k)
    with pytest.raises(TypeError, match="k: expected an int"):
        index.search(codes, 2.5)
    with pytest.raises(ValueError, match="rule: expected one of"):
        index.search(codes, 1, "nearest")


@pytest.mark.slow
def test_parts_come_from_files_of_posteriors_and_from_a_folder(client, small, vae, codes, tmp_path):
    _, exact = small
    paths = [
        exact.posteriors[:100].save(tmp_path / "first"),
        exact.posteriors[100:].save(tmp_path / "second"),
    ]
    index = DaskIndex.from_posteriors(client, paths)
    assert index.search(codes).indices.equal(exact.search(codes).indices)
    assert repr(index) == "DaskIndex(803 garments in 2 parts)"
    images = load_folder(write_drawn_folder(tmp_path / "folder", 60))
    files, how = images.train_files, images.how
    parts = [partial(folder_rows, files[:20], how), partial(folder_rows, files[20:], how)]
    assert torch.cat([part() for part in parts]).equal(images.train_images)
    expected = exact_index(vae, parts).search(codes)
    assert DaskIndex.from_images(client, vae, parts).search(codes).indices.equal(expected.indices)


def test_rows_of_fashion_mnist_are_read_from_the_archive_or_the_unpacked_file(tmp_path):
    raw = tmp_path / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    name = "train-images-idx3-ubyte.gz"
    content = small_archives()[name]
    pixels = gzip.decompress(content)
    expected = torch.frombuffer(bytearray(pixels[16:]), dtype=torch.uint8).view(-1, 1, 28, 28)
    (raw / name).write_bytes(content)
    assert fashion_mnist_rows(tmp_path, 3, 7).equal(expected[3:7])
    (raw / name.removesuffix(".gz")).write_bytes(pixels)
    (raw / name).unlink()
    assert fashion_mnist_rows(tmp_path, 3, 7).equal(expected[3:7])
