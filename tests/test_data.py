"""Loading images: the right pixels or an error, whatever the disk and the network do."""

import errno
import functools
import gc
import gzip
import hashlib
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from tests.mirror import Proxy, Quiet, small_archives
from vae_lib import data, fashion_mnist, load_images
from vae_lib.fashion_mnist import RAW, FashionMNIST, FetchError, fetch_fashion_mnist


@pytest.fixture
def offline(monkeypatch):
    """A mirror that nobody serves."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    monkeypatch.setattr(FashionMNIST, "mirrors", [f"http://127.0.0.1:{port}/"])


def copy_archives(root, archives=None):
    raw = root / RAW
    raw.mkdir(parents=True, exist_ok=True)
    for name, content in (archives or small_archives()).items():
        (raw / name).write_bytes(content)
    return raw


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_download_is_verified_and_needs_no_network_afterwards(tmp_path, mirror, serve):
    root = tmp_path / "data"
    images = load_images("fashion-mnist", root=root)
    assert images.train_images.shape == (20, 1, 28, 28)
    assert images.test_images.shape == (10, 1, 28, 28)
    assert images.train_images.dtype == torch.uint8
    assert images.train_labels.tolist() == [i % 10 for i in range(20)]
    assert images.class_names[9] == "Ankle boot"
    assert images.train_factors is None
    serve(Proxy)
    again = load_images("fashion-mnist", root=root)
    assert again.train_images.equal(images.train_images)


def test_a_read_only_folder_is_read_and_left_alone(tmp_path, mirror, offline):
    root, home = tmp_path / "shared", tmp_path / "data"
    copy_archives(root)
    before = contents(root)
    for folder in (root / RAW, root / "FashionMNIST", root):
        folder.chmod(0o555)
    train, _ = fetch_fashion_mnist(root, home)
    assert len(train) == 20
    assert contents(root) == before
    assert not list((home / RAW).glob("*.gz"))  # unpacked there, not copied
    for folder in (root, root / "FashionMNIST", root / RAW):
        folder.chmod(0o755)


def test_a_damaged_archive_is_set_aside_and_fetched_again(tmp_path, mirror, capsys):
    raw = copy_archives(tmp_path)
    victim = raw / "train-images-idx3-ubyte.gz"
    for attempt in (1, 2):
        damaged = victim.read_bytes() if victim.exists() else small_archives()[victim.name]
        victim.write_bytes(damaged[:-1000] + bytes(1000))
        for name in fashion_mnist.UNPACKED:
            (raw / name).unlink(missing_ok=True)
        train, _ = fetch_fashion_mnist(tmp_path, tmp_path)
        assert len(train) == 20
        assert f"{victim} is damaged" in capsys.readouterr().out
        assert len(list(raw.glob("*.damaged*"))) == attempt  # what was there is never deleted


def test_damaged_unpacked_files_are_unpacked_again(tmp_path, mirror):
    train, _ = fetch_fashion_mnist(tmp_path, tmp_path)
    unpacked = tmp_path / RAW / "train-images-idx3-ubyte"
    unpacked.write_bytes(unpacked.read_bytes()[:-500] + bytes(500))
    again, _ = fetch_fashion_mnist(tmp_path, tmp_path)
    assert again.data.equal(train.data)


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interrupted_download_keeps_the_archives_that_arrived(tmp_path, mirror):
    missing = mirror / "t10k-labels-idx1-ubyte.gz"
    content = missing.read_bytes()
    missing.unlink()
    with pytest.raises(FetchError):
        fetch_fashion_mnist(tmp_path / "data", tmp_path / "data")
    gc.collect()  # torchvision leaves the answer "not found" open; let it be closed here
    raw = tmp_path / "data" / RAW
    assert sorted(path.name for path in raw.glob("*")) == sorted(
        name for name in small_archives() if name != missing.name
    )
    missing.write_bytes(content)
    assert len(fetch_fashion_mnist(tmp_path / "data", tmp_path / "data")[0]) == 20


def test_a_page_from_a_proxy_is_not_taken_for_data(tmp_path, mirror, serve, capsys):
    serve(Proxy)
    with pytest.raises(FetchError, match="wrong checksum; a proxy"):
        load_images("fashion-mnist", root=tmp_path / "data")
    images = load_images("auto", root=tmp_path / "data")
    assert images.name == "drawn"
    assert "using drawn garments instead" in capsys.readouterr().out


def test_without_a_network_drawn_garments_are_loaded_with_one_line(tmp_path, offline, capsys):
    assert load_images("auto", root=tmp_path).name == "drawn"
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1
    assert "no network" in lines[0]
    with pytest.raises(FetchError, match="no network"):
        load_images("fashion-mnist", root=tmp_path)


def test_a_network_that_does_not_answer_is_abandoned(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(fashion_mnist, "TIMEOUT", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts, and never answers
        monkeypatch.setattr(
            FashionMNIST, "mirrors", [f"http://127.0.0.1:{silent.getsockname()[1]}/"]
        )
        assert load_images("auto", root=tmp_path).name == "drawn"
    assert "network" in capsys.readouterr().out


def test_an_endless_name_lookup_is_abandoned(tmp_path, monkeypatch):
    forever = threading.Event()

    def ask(*_, **__):
        forever.wait()
        raise OSError

    monkeypatch.setattr(fashion_mnist, "TIMEOUT", -0.9)  # a tenth of a second, all in all
    monkeypatch.setattr(fashion_mnist.urllib.request, "urlopen", ask)
    with pytest.raises(FetchError, match="the network does not answer"):
        load_images("fashion-mnist", root=tmp_path)
    forever.set()


def test_a_mirror_without_a_front_page_is_used(tmp_path, mirror, serve):
    class NoFrontPage(Quiet):
        def do_GET(self):
            if self.path == "/":
                self.send_error(404)
            else:
                super().do_GET()

    serve(functools.partial(NoFrontPage, directory=mirror))
    assert len(fetch_fashion_mnist(tmp_path, tmp_path)[0]) == 20


def test_a_damaged_archive_in_a_read_only_folder_is_left_there(tmp_path, mirror, capsys):
    root, home = tmp_path / "shared", tmp_path / "data"
    raw = copy_archives(root)
    victim = raw / "train-images-idx3-ubyte.gz"
    victim.write_bytes(b"damaged")
    for path in (raw, root / "FashionMNIST", root):
        path.chmod(0o555)
    assert len(fetch_fashion_mnist(root, home)[0]) == 20
    assert f"{victim} is damaged (wrong checksum); left where it is" in capsys.readouterr().out
    assert victim.read_bytes() == b"damaged"
    for path in (root, root / "FashionMNIST", raw):
        path.chmod(0o755)


def test_a_full_disk_is_named_in_the_error(tmp_path, monkeypatch, mirror):
    def full_disk(*_, **__):
        raise OSError(28, "No space left on device")

    copy_archives(tmp_path)
    monkeypatch.setattr(fashion_mnist, "FashionMNIST", full_disk)
    with pytest.raises(FetchError, match="No space left on device"):
        fetch_fashion_mnist(tmp_path, tmp_path)


@pytest.mark.parametrize(
    ("error", "message"),
    [(EOFError(), "the download failed$"), (OSError(5, "A bad line"), "failed: A bad line")],
)
def test_an_interrupted_download_is_named_in_the_error(
    tmp_path, monkeypatch, mirror, error, message
):
    def broken(*_, **__):
        raise error

    broken.mirrors = FashionMNIST.mirrors
    monkeypatch.setattr(fashion_mnist, "FashionMNIST", broken)
    with pytest.raises(FetchError, match=message):
        fetch_fashion_mnist(tmp_path, tmp_path)


def test_two_notebooks_at_once_take_turns(tmp_path, mirror):
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: fetch_fashion_mnist(tmp_path, tmp_path), range(4)))
    assert all(train.data.equal(results[0][0].data) for train, _ in results)


def test_a_folder_that_cannot_be_made_is_named_in_the_error(tmp_path, monkeypatch, offline):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(FetchError, match="file"):
        load_images("fashion-mnist", root=tmp_path / "file")


def test_environment_variables_choose_root_and_source(tmp_path, monkeypatch, mirror):
    monkeypatch.setenv("VAE_LIB_DATA", str(tmp_path / "elsewhere"))
    assert len(load_images("fashion-mnist").train_images) == 20
    assert (tmp_path / "elsewhere" / RAW / "train-labels-idx1-ubyte").exists()
    monkeypatch.setenv("VAE_LIB_IMAGES", "drawn")
    assert load_images("auto").name == "drawn"


@pytest.mark.parametrize("read_only", [False, True])
def test_files_that_another_tool_unpacked_are_used(tmp_path, mirror, offline, read_only, capsys):
    root = tmp_path / "another tool"
    raw = copy_archives(root)
    for path in raw.iterdir():
        path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
        path.unlink()
    before = contents(root)
    if read_only:
        raw.chmod(0o555)
    assert len(load_images("auto", root=root).train_images) == 20
    assert contents(root) == before
    assert capsys.readouterr().out == ""
    raw.chmod(0o755)


def test_the_known_digests_are_those_of_the_data_set():
    folder = data.default_root() / RAW
    if not (folder / "train-images-idx3-ubyte").exists():
        pytest.skip("needs Fashion-MNIST: set VAE_LIB_DATA")
    for name, digest in fashion_mnist.UNPACKED.items():
        assert hashlib.md5((folder / name).read_bytes()).hexdigest() == digest


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOLCK, ""), OSError(errno.ENOTSUP, ""), NotImplementedError()]
)
def test_a_drive_without_locks_can_be_used(tmp_path, monkeypatch, mirror, error):
    def acquire(self):
        raise error

    monkeypatch.setattr(fashion_mnist.FileLock, "acquire", acquire)
    other = tmp_path / "FashionMNIST" / ".unpacking-by-another-process"
    other.mkdir(parents=True)
    with ThreadPoolExecutor(3) as pool:
        results = list(pool.map(lambda _: fetch_fashion_mnist(tmp_path, tmp_path), range(3)))
    assert all(len(train) == 20 for train, _ in results)
    assert other.exists()  # it may be in use, since nobody can tell


def test_another_error_of_a_lock_is_named(tmp_path, monkeypatch, mirror):
    def acquire(self):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(fashion_mnist.FileLock, "acquire", acquire)
    with pytest.raises(FetchError, match="Input/output error"):
        fetch_fashion_mnist(tmp_path, tmp_path)


@pytest.mark.parametrize("folder", ["somewhere", "somewhere/", "./somewhere"])
def test_a_relative_data_folder_is_the_same_from_everywhere(tmp_path, monkeypatch, folder):
    monkeypatch.setenv("VAE_LIB_DATA", folder)
    roots = []
    for place in (tmp_path, tmp_path.parent):
        monkeypatch.chdir(place)
        roots.append(data.default_root())
    assert roots == [Path(data.__file__).parents[1] / "somewhere"] * 2


@pytest.mark.parametrize("spelling", [str, Path, "{}/".format, "{}/.".format])
def test_every_spelling_of_the_root_is_the_same_folder(tmp_path, monkeypatch, mirror, spelling):
    monkeypatch.setenv("HOME", str(tmp_path))
    root = tmp_path / "data"
    copy_archives(root)
    for base in (str(root), "~/data"):
        assert len(load_images("fashion-mnist", root=spelling(base)).train_images) == 20


def test_no_home_is_needed(tmp_path, monkeypatch, mirror):
    def no_home():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", no_home)
    monkeypatch.setattr(data, "_checkout", lambda: None)
    copy_archives(tmp_path)
    assert len(load_images("fashion-mnist", root=tmp_path).train_images) == 20
    assert data.checkout_data().is_absolute()


def test_images_are_compared_by_identity(drawn):
    assert drawn == drawn
    assert drawn != load_images("drawn", size=32)


def test_drawn_images_come_in_any_size_and_in_colour(capsys):
    images = load_images("auto", size=32, color=True)
    assert images.name == "drawn"
    assert images.image_shape == (3, 32, 32)
    assert images.factor_names[-1] == "color"
    assert images.train_factors.shape == (10_000, 15)
    with pytest.raises(ValueError, match="size, color: expected 28 and False for Fashion-MNIST"):
        load_images("fashion-mnist", size=32)


def test_an_unknown_source_is_named_in_the_error():
    with pytest.raises(ValueError, match=r"source: expected one of 'auto', .*, got 'mnist'"):
        load_images("mnist")
    with pytest.raises(TypeError, match="source"):
        load_images(3)


def test_drawn_images_are_split_and_carry_their_factors(drawn):
    assert drawn.train_images.shape == (data.DRAWN_TRAIN, 1, 28, 28)
    assert drawn.test_images.shape == (data.DRAWN_TEST, 1, 28, 28)
    assert drawn.train_factors.shape == (data.DRAWN_TRAIN, len(drawn.factor_names))
    assert drawn.train_factors.dtype == torch.float32
    assert set(drawn.train_labels.tolist()) == set(range(10))
    assert not load_images("drawn", seed=1).train_images.equal(drawn.train_images)


def test_no_drawn_test_image_was_trained_on(drawn):
    train, test = (
        {image.numpy().tobytes() for image in images}
        for images in (drawn.train_images, drawn.test_images)
    )
    assert not train & test
