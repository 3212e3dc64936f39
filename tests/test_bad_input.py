"""Bad input: whatever is handed to a function or lies in a file, only the documented errors come.

No crash, no hang, no flood of memory. 100 examples of each kind here, always the same ones;
`python3 course.py faults` tries thousands of new ones.
"""

import contextlib
import faulthandler
import functools
import gzip
import hashlib
import io
import json
import math
import pickle
import struct
import sys
import tempfile
import zlib
from pathlib import Path

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given
from PIL import Image

import vae_lib
from tests.mirror import small_archives
from vae_lib import (
    VAE,
    Explorer,
    PosteriorIndex,
    Posteriors,
    encode_dataset,
    fashion_mnist,
    fit,
    load_vae,
    save_vae,
)
from vae_lib.engines import FaissIndex
from vae_lib.explorer.state import text_to_z
from vae_lib.fashion_mnist import RAW, FashionMNIST, FetchError, fetch_fashion_mnist
from vae_lib.garments import draw_garments
from vae_lib.pictures import as_garment, open_picture

MEMORY = 2**30  # bytes that a test may take beyond what is there when it begins
PATIENCE = 1800  # seconds after which a test counts as hanging
FUZZ = hypothesis.settings.get_profile("fuzz")

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True, scope="module")
def bounded():
    """End the process when a test hangs; refuse it memory beyond a gigabyte."""
    faulthandler.dump_traceback_later(PATIENCE, exit=True)
    limits = None
    if sys.platform == "linux":
        import resource

        before = resource.getrlimit(resource.RLIMIT_AS)
        now = (
            int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[0])
            * resource.getpagesize()
        )
        resource.setrlimit(resource.RLIMIT_AS, (now + MEMORY, before[1]))
        limits = (resource.RLIMIT_AS, before)
    yield
    faulthandler.cancel_dump_traceback_later()
    if limits:
        resource.setrlimit(*limits)


@pytest.fixture(autouse=True, scope="module")
def tiny():
    """Layers so small that a file of weights is quickly written."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("vae_lib.model.HIDDEN", (6, 4))
        yield


# --- files ----------------------------------------------------------------------------------------


def few_images() -> torch.Tensor:
    return draw_garments(24, seed=0).images


def train(checkpoint: Path) -> VAE:
    torch.manual_seed(0)
    vae = VAE(2)
    fit(vae, few_images(), epochs=2, progress=False, checkpoint=checkpoint)
    return vae


def some_posteriors() -> Posteriors:
    generator = torch.Generator().manual_seed(0)
    return Posteriors(torch.randn(40, 3, generator=generator), torch.full((40, 3), 0.5))


def use_posteriors(posteriors: Posteriors) -> None:
    found = PosteriorIndex(posteriors).search([0.0] * posteriors.latent_dim, k=1)
    assert not found.scores.isnan().any()


def write_cells(path: Path) -> None:
    FaissIndex(some_posteriors(), cells=5).save(path)


def use_faiss(index: FaissIndex) -> None:
    index.search([0.0] * index.exact.latent_dim, k=1)


KINDS = {  # of files: how one is written, read, and then used
    "weights": (
        lambda path: save_vae(VAE(2), path),
        load_vae,
        lambda vae: vae.decode(torch.zeros(1, vae.latent_dim)),
    ),
    "posteriors": (lambda path: some_posteriors().save(path), Posteriors.load, use_posteriors),
    "index": (
        lambda path: PosteriorIndex(some_posteriors()).save(path),
        PosteriorIndex.load,
        lambda index: use_posteriors(index.posteriors),
    ),
    "FAISS cells": (write_cells, FaissIndex.load, use_faiss),
    "checkpoint": (train, train, lambda _: None),
}


@pytest.fixture(scope="module")
def written(tmp_path_factory, tiny):
    """Return a function that gives the bytes of a sound file of a kind, and a path to write to."""
    folder = tmp_path_factory.mktemp("files")

    @functools.cache
    def content(kind: str) -> bytes:
        KINDS[kind][0](folder / kind)
        return (folder / kind).read_bytes()

    return lambda kind: (content(kind), folder / f"bad {kind}")


def read_and_use(kind: str, path: Path) -> None:
    """Read a file; where that works, what it holds can be used."""
    _, read, use = KINDS[kind]
    try:
        found = read(path)
    except ValueError as error:
        message = str(error)
    else:
        use(found)
        return
    assert str(path) in message  # the message names the file


@st.composite
def damage(draw, content: bytes) -> bytes:
    """Some bytes overwritten, most often near the beginning; a piece cut off, or added."""
    broken = bytearray(content)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, min(len(content), 600)) | st.integers(0, len(content)))
        piece = draw(st.binary(min_size=1, max_size=8))
        broken[at : at + len(piece)] = piece
    end = draw(st.none() | st.integers(0, len(broken)))
    return bytes(broken[:end]) + draw(st.binary(max_size=20))


DTYPES = ["F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2", "I64", "I32", "U8", "BOOL", "C64"]
DTYPES += ["U16", "U64", "I8", "F4", "F6_E2M3", "F8_E8M0", "X"]
NUMBERS = st.sampled_from([0, 1, 2, 3, -1, 40, 120, 480, 2**31, 2**63, 2**64, 10**30, 0.5, None])
TEXTS = st.text(max_size=8) | st.sampled_from(["٣", "2", "1e3", "nan", "[" * 5000, "{}", "[]"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)


@st.composite
def other_header(draw, content: bytes) -> bytes:
    """A safetensors file whose header says something else, in due form."""
    length = struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8 : 8 + length])
    for _ in range(draw(st.integers(1, 3))):
        name = draw(st.sampled_from(sorted(header)))
        entry = header[name]
        if name == "__metadata__" and entry:
            key = draw(st.sampled_from(sorted(entry)))
            entry[key] = draw(TEXTS | JSON.map(json.dumps))
            if draw(st.booleans()):
                del entry[key]
        elif draw(st.integers(0, 9)) == 0:
            del header[name]
        elif name != "__metadata__":
            what = draw(st.sampled_from(["dtype", "shape", "data_offsets"]))
            values = st.sampled_from(DTYPES) if what == "dtype" else st.lists(NUMBERS, max_size=4)
            entry[what] = draw(values | JSON)
    if draw(st.integers(0, 9)) == 0:
        header[draw(st.text(max_size=5))] = draw(JSON)
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + content[8 + length :]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("broken", [damage, other_header])
@FUZZ
@given(data=st.data())
def test_a_damaged_file_is_refused_or_read(written, kind, broken, data):
    content, path = written(kind)
    path.write_bytes(data.draw(broken(content)))
    read_and_use(kind, path)


@FUZZ
@given(
    settings=JSON.map(json.dumps) | TEXTS, train_curves=JSON, validation=JSON, keep=st.booleans()
)
def test_a_checkpoint_with_another_history_is_refused(
    written, settings, train_curves, validation, keep
):
    content, path = written("checkpoint")
    length = struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8 : 8 + length])
    facts = header["__metadata__"]
    history = json.loads(facts["history"])
    if keep:  # the right keys, with anything under them
        for curves, found in (("train", train_curves), ("validation", validation)):
            values = found if isinstance(found, list) else [found]
            for key, value in zip(sorted(history[curves]), values, strict=False):
                history[curves][key] = value
    else:
        history, facts["settings"] = {"train": train_curves, "validation": validation}, settings
    facts["history"] = json.dumps(history)
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + content[8 + length :])
    read_and_use("checkpoint", path)


@pytest.mark.parametrize("kind", KINDS)
def test_a_hostile_file_runs_no_code(written, kind, tmp_path):
    class Hostile:
        def __reduce__(self):
            return (open, (str(tmp_path / "it ran"), "w"))

    _, path = written(kind)
    as_torch = io.BytesIO()
    torch.save({"vae": Hostile()}, as_torch)
    header = {"__metadata__": {"kind": "x", "history": "__import__('os').mkdir('it ran')"}}
    text = json.dumps(header).encode()
    for content in (
        pickle.dumps(Hostile()),
        as_torch.getvalue(),
        struct.pack("<Q", len(text)) + text,
    ):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="path:"):
            KINDS[kind][1](path)
    assert not (tmp_path / "it ran").exists()


def test_faiss_reads_no_file_of_its_own(monkeypatch, tmp_path):
    """Its reader believes what a file says, and can end the process."""
    faiss = pytest.importorskip("faiss")
    for name in ("read_index", "deserialize_index"):
        monkeypatch.setattr(faiss, name, lambda *_: pytest.fail("FAISS reads a file"))
    write_cells(tmp_path / "cells")
    assert FaissIndex.load(tmp_path / "cells").cells == 5


@pytest.fixture(scope="module")
def archives(tmp_path_factory):
    """A folder of sound archives, their names and digests known, and no network."""
    with pytest.MonkeyPatch.context() as patch:
        digests = {name: hashlib.md5(c).hexdigest() for name, c in small_archives().items()}
        patch.setattr(fashion_mnist, "ARCHIVES", digests)
        patch.setattr(FashionMNIST, "resources", list(digests.items()))
        patch.setattr(FashionMNIST, "mirrors", ["http://127.0.0.1:9/"])  # nobody listens there
        yield tmp_path_factory.mktemp("archives")


def expected_pixels() -> torch.Tensor:
    raw = gzip.decompress(small_archives()["train-images-idx3-ubyte.gz"])[16:]
    return torch.frombuffer(bytearray(raw), dtype=torch.uint8).view(-1, 28, 28)


@FUZZ
@given(data=st.data())
def test_damaged_archives_and_what_was_unpacked_from_them_are_never_used(archives, data):
    sound = small_archives()
    with contextlib.redirect_stdout(io.StringIO()):
        root = Path(tempfile.mkdtemp(dir=archives))
        raw = root / RAW
        raw.mkdir(parents=True)
        for name, content in sound.items():
            (raw / name).write_bytes(content)
        if data.draw(st.booleans(), label="unpacked before"):
            fetch_fashion_mnist(root, root)
        victim = data.draw(st.sampled_from(sorted(path.name for path in raw.iterdir())))
        (raw / victim).write_bytes(data.draw(damage((raw / victim).read_bytes())))
        try:
            train_set, _ = fetch_fashion_mnist(root, root)
        except FetchError:
            assert victim in sound  # an archive is gone, and there is no network
        else:
            assert train_set.data.equal(expected_pixels())


@FUZZ
@given(content=st.binary(max_size=200))
def test_unpacked_files_with_another_content_are_never_loaded(archives, content):
    with contextlib.redirect_stdout(io.StringIO()):
        root = archives / "unpacked"
        (root / RAW).mkdir(parents=True, exist_ok=True)
        for name, sound in small_archives().items():
            (root / RAW / name).write_bytes(sound)
            (root / RAW / name.removesuffix(".gz")).write_bytes(content)
        train_set, _ = fetch_fashion_mnist(root, root)
    assert train_set.data.equal(expected_pixels())


@functools.cache
def picture(kind: str) -> bytes:
    stream = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.effect_noise((40, 30), 60).save(stream, format=kind, exif=exif)
    return stream.getvalue()


@pytest.fixture(scope="module")
def canvas(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("pictures") / "picture"


def open_or_refuse(path: Path) -> None:
    try:
        garment = as_garment(open_picture(path))
    except ValueError as error:
        message = str(error)
    else:
        assert garment.shape == (1, 28, 28)
        return
    assert len(message.splitlines()) == 1


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
@FUZZ
@given(data=st.data())
def test_a_damaged_picture_is_refused_or_read(canvas, kind, data):
    canvas.write_bytes(data.draw(damage(picture(kind))))
    open_or_refuse(canvas)


def chunk(name: bytes, body: bytes) -> bytes:
    check = zlib.crc32(name + body)
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", check)


@functools.cache
def nothing(size: int) -> bytes:
    """Return so many zeros, packed."""
    return zlib.compress(bytes(size))


NAMES = [b"IHDR", b"IDAT", b"PLTE", b"tRNS", b"iTXt", b"zTXt", b"tEXt", b"iCCP", b"eXIf", b"acTL"]
NAMES += [b"fcTL", b"fdAT", b"gAMA", b"cHRM", b"pHYs", b"IEND"]


@FUZZ
@given(
    size=st.tuples(*[st.sampled_from([0, 1, 7, 5000, 65_535, 2**31 - 1, 2**32 - 1])] * 2),
    depth=st.sampled_from([1, 2, 4, 8, 16, 3]),
    colour=st.sampled_from([0, 2, 3, 4, 6, 1]),
    chunks=st.lists(
        st.tuples(st.sampled_from(NAMES), st.binary(max_size=30), st.booleans()), max_size=6
    ),
    bomb=st.sampled_from([0, 1000, 10**7]),
)
def test_a_well_formed_malicious_png_is_refused_or_read(canvas, size, depth, colour, chunks, bomb):
    content = b"\x89PNG\r\n\x1a\n"
    content += chunk(b"IHDR", struct.pack(">IIBBBBB", *size, depth, colour, 0, 0, 0))
    for name, body, packed in chunks:
        content += chunk(name, b"x\0\0" + nothing(bomb) if packed else body)
    content += chunk(b"IDAT", nothing(bomb)) + chunk(b"IEND", b"")
    canvas.write_bytes(content)
    open_or_refuse(canvas)


@FUZZ
@given(st.text(max_size=200) | st.lists(st.floats(), max_size=12).map(str))
def test_pasted_text_is_read_as_numbers_or_refused(text):
    try:
        numbers = text_to_z(text, 3)
    except ValueError:
        return
    assert len(numbers) == 3
    assert all(map(math.isfinite, numbers))


# --- functions ------------------------------------------------------------------------------------


@functools.cache
def sound() -> dict:
    """One sound value for each kind of argument."""
    torch.manual_seed(0)
    images = vae_lib.load_images("drawn")
    few = vae_lib.Images(
        images.name,
        images.class_names,
        images.train_images[:24],
        images.train_labels[:24],
        images.test_images[:12],
        images.test_labels[:12],
    )
    vae = VAE(2)
    posteriors = encode_dataset(vae, few.train_images)
    return {
        "images": few,
        "vae": vae,
        "x": few.train_images,
        "posteriors": posteriors,
        "index": PosteriorIndex(posteriors),
        "q": vae.encode(few.train_images),
        "z": [0.1, 0.2],
        "codes": torch.zeros(3, 2),
    }


@st.composite
def tensors(draw):
    dtypes = [torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int64]
    dtypes += [torch.uint8, torch.bool, torch.complex64, torch.int8, torch.float8_e5m2]
    shapes = [(), (0,), (1,), (2,), (3, 2), (0, 2), (2, 3, 4), (2, 28, 28), (2, 1, 28, 28)]
    shapes += [(0, 1, 28, 28), (2, 3, 28, 28), (1,) * 8]
    fill = draw(st.sampled_from([0.0, 1.0, -1.0, 0.5, 300.0, math.nan, math.inf, 1e30]))
    found = torch.full(draw(st.sampled_from(shapes)), fill).nan_to_num(0.0, 0.0, 0.0)
    dtype = draw(st.sampled_from(dtypes))
    if dtype.is_floating_point and dtype != torch.float8_e5m2:
        found = torch.full(found.shape, fill)
    found = found.to(dtype)
    change = draw(st.sampled_from(["", "", "", "meta", "sparse", "expanded", "gradient"]))
    if change == "meta":
        return found.to("meta")
    if change == "sparse" and dtype in (torch.float32, torch.int64) and found.dim():
        return found.to_sparse()
    if change == "expanded" and found.dim() and found.shape[0] == 1:
        return found.expand(5, *found.shape[1:])
    if change == "gradient" and dtype == torch.float32:
        return found.requires_grad_() * 2
    return found


def arrays():
    made = [
        np.array(["a", "b"]),
        np.array([1, "b", None], dtype=object),
        np.array(["2020-01-01"], dtype="datetime64[D]"),
        np.zeros(2, dtype=[("a", "f4")]),
        np.zeros((3, 2)),
        np.float64(1.5),
        np.int8(3),
        np.zeros((0, 2)),
        np.ma.masked_all(2),
        np.array([10**400, 1], dtype=object),
    ]
    return st.sampled_from(made)


NESTED = st.recursive(
    st.none() | st.floats() | st.integers(-5, 5) | st.text(max_size=2) | st.just(10**400),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=6,
)
THINGS = [object(), object, len, Path("x"), ..., 1j, range(3), {1: 2}, {3}, b"ab", iter([1])]
THINGS += [math, ValueError(), slice(None), NotImplemented, torch.float32, "meta", 10**30]
THINGS += [-1, 0, True, False, 1.0, math.nan, -(10**30), "", "\0", "~no such user/x", "a" * 5000]
JUNK = st.one_of(st.sampled_from(THINGS), NESTED, tensors(), arrays())


def calls(folder: Path) -> dict:
    """Every public function and method: what it is, and sound arguments."""
    s = sound()
    path = folder / "file"
    s["posteriors"].save(folder / "saved")
    save_vae(s["vae"], folder / "weights")
    vae_lib.write_drawn_folder(folder / "pictures", count=12)
    picture = next((folder / "pictures").rglob("*.png"))
    explorer = Explorer(s["vae"], s["index"], s["images"])
    return {
        "VAE": (
            VAE,
            {"latent_dim": 2, "image_shape": (3, 8, 8), "architecture": "conv", "hidden": [4]},
        ),
        "VAE.forward": (s["vae"].forward, {"x": s["x"]}),
        "adapt": (
            vae_lib.adapt,
            {
                "encode": s["vae"].encode,
                "decode": s["vae"].decode,
                "latent_dim": 2,
                "image_shape": (1, 28, 28),
                "spread": "std",
            },
        ),
        "VAE.encode": (s["vae"].encode, {"x": s["x"]}),
        "VAE.decode": (s["vae"].decode, {"z": s["codes"]}),
        "VAE.likelihood": (s["vae"].likelihood, {"z": s["codes"]}),
        "elbo": (
            vae_lib.elbo,
            {"vae": s["vae"], "x": s["x"], "eps": None, "generator": torch.Generator()},
        ),
        "importance_weighted_bound": (
            vae_lib.importance_weighted_bound,
            {"vae": s["vae"], "x": s["x"], "samples": 2, "generator": torch.Generator()},
        ),
        "kl_to_prior": (vae_lib.kl_to_prior, {"q": s["q"]}),
        "mean_terms": (
            vae_lib.mean_terms,
            {"vae": s["vae"], "images": s["x"], "seed": 0, "batch_size": 10},
        ),
        "permutation_loss": (
            vae_lib.permutation_loss,
            {"vae": s["vae"], "images": s["x"], "seed": 0},
        ),
        "fit": (
            fit,
            {
                "vae": s["vae"],
                "images": s["x"],
                "epochs": 1,
                "seed": 0,
                "free_bits": 0.5,
                "progress": False,
                "checkpoint": None,
                "beta": 1.0,
                "batch_size": 12,
                "learning_rate": 1e-3,
                "bfloat16": False,
                "on_interrupt": "raise",
            },
        ),
        "encode_dataset": (encode_dataset, {"vae": s["vae"], "x": s["x"]}),
        "Posteriors": (Posteriors, {"mean": s["codes"], "std": s["codes"] + 1}),
        "Posteriors.__getitem__": (s["posteriors"].__getitem__, {"garments": slice(0, 2)}),
        "Posteriors.log_prob": (s["posteriors"].log_prob, {"z": s["z"]}),
        "Posteriors.mahalanobis2": (s["posteriors"].mahalanobis2, {"z": s["z"]}),
        "Posteriors.sample": (s["posteriors"].sample, {"generator": torch.Generator()}),
        "Posteriors.save": (s["posteriors"].save, {"path": path}),
        "Posteriors.load": (Posteriors.load, {"path": folder / "saved"}),
        "PosteriorIndex": (
            PosteriorIndex,
            {"posteriors": None, "mean": s["codes"], "std": s["codes"] + 1},
        ),
        "PosteriorIndex.search": (
            s["index"].search,
            {"z": s["z"], "k": 3, "rule": "euclidean", "nu": 1.0, "threads": 1},
        ),
        "PosteriorIndex.scores": (s["index"].scores, {"z": s["z"], "rule": "mahalanobis"}),
        "PosteriorIndex.mahalanobis2": (s["index"].mahalanobis2, {"z": s["z"]}),
        "PosteriorIndex.is_familiar": (s["index"].is_familiar, {"z": s["z"]}),
        "PosteriorIndex.save": (s["index"].save, {"path": path}),
        "PosteriorIndex.load": (PosteriorIndex.load, {"path": folder / "saved"}),
        "roundtrip": (vae_lib.roundtrip, {"vae": s["vae"], "z": s["z"]}),
        "gated_search": (
            vae_lib.gated_search,
            {"vae": s["vae"], "index": s["index"], "z": s["z"], "k": 3},
        ),
        "load_images": (vae_lib.load_images, {"source": folder / "pictures", "seed": 0}),
        "load_folder": (
            vae_lib.load_folder,
            {"path": folder / "pictures", "invert": "auto", "trim": False, "seed": 0},
        ),
        "write_drawn_folder": (
            vae_lib.write_drawn_folder,
            {"path": folder / "pictures", "count": 12, "seed": 0},
        ),
        "inspect_images": (vae_lib.inspect_images, {"images": s["images"]}),
        "search_picture": (
            vae_lib.search_picture,
            {
                "vae": s["vae"],
                "index": s["index"],
                "images": s["images"],
                "picture": picture,
                "k": 3,
                "rules": ["euclidean"],
            },
        ),
        "add_garments": (
            vae_lib.add_garments,
            {
                "vae": s["vae"],
                "index": s["index"],
                "images": s["images"],
                "pictures": [picture],
                "kind": "Coat",
            },
        ),
        "remove_garments": (
            vae_lib.remove_garments,
            {"index": s["index"], "images": s["images"], "garments": [1]},
        ),
        "load_vae": (load_vae, {"path": folder / "weights"}),
        "save_vae": (save_vae, {"vae": s["vae"], "path": path}),
        "load_pretrained": (vae_lib.load_pretrained, {"name": "mnist", "latent_dim": 10}),
        "pretrained_facts": (vae_lib.pretrained_facts, {"name": "drawn", "latent_dim": 10}),
        "Explorer": (
            Explorer,
            {"vae": s["vae"], "index": s["index"], "images": s["images"], "seed": 0},
        ),
        "Explorer.z": (lambda z: setattr(explorer, "z", z), {"z": s["z"]}),
        "Explorer.rules": (
            lambda rules: setattr(explorer, "rules", rules),
            {"rules": ["likelihood", "gate"]},
        ),
        "Explorer.garment_z": (explorer.garment_z, {"garment": 3}),
        "FaissIndex": (FaissIndex, {"posteriors": s["posteriors"], "cells": 3, "seed": 0}),
    }


RECORDS = {
    "ElboTerms",
    "History",
    "Images",
    "LatentModel",
    "Neighbors",
}  # what functions return; nobody makes them by hand
NAMES_OF_CALLS = [  # listed, so that pytest can show one test for each
    *[
        "VAE",
        "VAE.forward",
        "adapt",
        "VAE.encode",
        "VAE.decode",
        "VAE.likelihood",
        "elbo",
        "importance_weighted_bound",
    ],
    *["kl_to_prior", "mean_terms", "permutation_loss", "fit", "encode_dataset", "Posteriors"],
    *["Posteriors.__getitem__", "Posteriors.log_prob", "Posteriors.mahalanobis2"],
    *["Posteriors.sample", "Posteriors.save", "Posteriors.load", "PosteriorIndex"],
    *["PosteriorIndex.search", "PosteriorIndex.scores", "PosteriorIndex.mahalanobis2"],
    *["PosteriorIndex.is_familiar", "PosteriorIndex.save", "PosteriorIndex.load"],
    *["roundtrip", "gated_search", "load_images", "load_folder", "write_drawn_folder"],
    *["inspect_images", "search_picture", "add_garments", "remove_garments", "load_vae"],
    *["save_vae", "load_pretrained", "pretrained_facts", "Explorer", "Explorer.z"],
    *["Explorer.rules", "Explorer.garment_z", "FaissIndex"],
]


@pytest.fixture(scope="module")
def every_call(tmp_path_factory, tiny):
    folder = tmp_path_factory.mktemp("calls")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)  # where junk that is taken for a path may be written
        yield calls(folder).__getitem__


def test_every_public_name_is_tested_with_bad_input(every_call):
    assert list(every_call.__self__) == NAMES_OF_CALLS
    assert {name.split(".")[0] for name in NAMES_OF_CALLS} >= set(vae_lib.__all__) - RECORDS


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", NAMES_OF_CALLS)
@hypothesis.settings(FUZZ, max_examples=max(30, FUZZ.max_examples // 5))
@given(data=st.data())
def test_bad_input_is_accepted_or_refused_with_a_clear_message(every_call, name, data):
    function, arguments = every_call(name)
    arguments = dict(arguments)
    if arguments:
        broken = data.draw(st.sampled_from(sorted(arguments)), label="argument")
        arguments[broken] = data.draw(JUNK, label="junk")
    # OSError: a path that no file can have; FloatingPointError: a loss that is not finite
    errors = [TypeError, ValueError, OSError, FloatingPointError]
    if name == "Posteriors.__getitem__":
        errors.append(IndexError)
    with contextlib.suppress(*errors), contextlib.redirect_stdout(io.StringIO()):
        function(**arguments)
