"""Find, verify, download and unpack Fashion-MNIST.

torchvision knows the archives, their checksums and their format. This module adds what it leaves
open: half-unpacked files are never used, a damaged archive is set aside and fetched again, a
read-only folder is only read, a silent network is given up after a few seconds, and two notebooks
that start at once take turns.
"""

import contextlib
import errno
import io
import os
import shutil
import socket
import stat
import tempfile
import threading
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path

from filelock import FileLock

from vae_lib._torchvision import declare_missing_operators

declare_missing_operators()
from torchvision.datasets import FashionMNIST  # noqa: E402
from torchvision.datasets.utils import check_integrity  # noqa: E402

PATIENCE = 5.0  # seconds that a silent network gets
RAW = Path("FashionMNIST") / "raw"
UNPACKING = ".unpacking-"  # how the temporary folders begin
ARCHIVES: dict[str, str] = dict(FashionMNIST.resources)  # name: MD5, as published
UNPACKED = {  # name: MD5 of what the archives hold
    "train-images-idx3-ubyte": "f4a8712d7a061bf5bd6d2ca38dc4d50a",
    "train-labels-idx1-ubyte": "9018921c3c673c538a1fc5bad174d6f9",
    "t10k-images-idx3-ubyte": "8181f5470baa50b63fa0f6fddb340f0a",
    "t10k-labels-idx1-ubyte": "15d484375f8d13e6eb1aabb0c3f46965",
}
NO_LOCKS = {errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}


class FetchError(OSError):
    """Fashion-MNIST is neither on disk nor downloadable."""


def fetch_fashion_mnist(root: Path, fallback: Path) -> tuple[FashionMNIST, FashionMNIST]:
    """Return the training and the test set, from archives or unpacked files under `root`.

    Args:
        root: The folder that holds `FashionMNIST/`.
        fallback: Where archives are unpacked if `root` cannot be written to.

    Raises:
        FetchError: With the reason why there is no data set.
    """
    home = root if _writable(root) or _verified(root) else fallback
    folder = home / "FashionMNIST"
    # a process that was killed may have left its temporary folder
    if not _verified(home) or (_writable(home) and any(folder.glob(UNPACKING + "*"))):
        try:
            (home / RAW).mkdir(parents=True, exist_ok=True)
            with _turn(folder) as alone:
                for left in folder.glob(UNPACKING + "*") if alone else ():
                    shutil.rmtree(left, ignore_errors=True)
                if not _verified(home):  # another notebook may have done it while we waited
                    _unpack(root, home)
        except FetchError:
            raise
        except OSError as error:
            raise FetchError(f"{home}: {error.strerror or error}") from error
    return FashionMNIST(str(home), train=True), FashionMNIST(str(home), train=False)


@contextlib.contextmanager
def _turn(folder: Path) -> Iterator[bool]:
    """Wait until no other process unpacks; yield whether it is certain that none does.

    Some network drives have no locks. Two processes may then unpack at once, which is slow but
    safe: each works in a folder of its own, and moves files with the same content into place.
    """
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire()
    except (OSError, NotImplementedError) as error:
        if isinstance(error, OSError) and error.errno not in NO_LOCKS:
            raise
    try:
        yield lock.is_locked
    finally:
        lock.release()


def _writable(folder: Path) -> bool:
    while not folder.exists():
        folder = folder.parent
    # for root every folder is writable; one whose owner may not write is meant to be left alone
    return os.access(folder, os.W_OK) and bool(folder.stat().st_mode & stat.S_IWUSR)


def _verified(home: Path) -> bool:
    """Tell whether the four unpacked files are there and sound, whoever unpacked them."""
    try:
        return all(check_integrity(home / RAW / name, md5) for name, md5 in UNPACKED.items())
    except OSError:
        return False


def _unpack(root: Path, home: Path) -> None:
    """Unpack in a temporary folder, then move the finished files into place."""
    with tempfile.TemporaryDirectory(dir=home / "FashionMNIST", prefix=UNPACKING) as name:
        raw = Path(name) / RAW
        raw.mkdir(parents=True)
        for folder in {root, home}:
            _gather_archives(folder, raw)
        missing = [archive for archive in ARCHIVES if not (raw / archive).exists()]
        if missing:
            _require_network()
            print(f"Downloading Fashion-MNIST into {home} (30 MB) ...")
        try:
            with contextlib.ExitStack() as stack, contextlib.redirect_stderr(io.StringIO()):
                stack.callback(socket.setdefaulttimeout, socket.getdefaulttimeout())
                socket.setdefaulttimeout(PATIENCE)
                FashionMNIST(name, download=True)
        except (RuntimeError, EOFError, OSError, HTTPException) as error:
            if not missing:
                raise
            raise FetchError(_reason(error)) from error
        finally:  # archives that did arrive need not be fetched again
            for archive in missing:
                if check_integrity(raw / archive, ARCHIVES[archive]):
                    os.replace(raw / archive, home / RAW / archive)
        for name in UNPACKED:
            os.replace(raw / name, home / RAW / name)


def _gather_archives(root: Path, raw: Path) -> None:
    """Copy the sound archives below `root` into `raw`; set damaged ones aside, and say so."""
    for archive, digest in ARCHIVES.items():
        path = root / RAW / archive
        if not path.exists():
            continue
        if check_integrity(path, digest):
            shutil.copyfile(path, raw / archive)
        elif _writable(path.parent):
            aside = path.with_name(f"{archive}.damaged-{uuid.uuid4().hex[:8]}")
            os.replace(path, aside)
            print(f"{path} is damaged (wrong checksum); kept as {aside.name}, fetching it again.")
        else:
            print(f"{path} is damaged (wrong checksum); left where it is, fetching another.")


def _require_network() -> None:
    """Raise a FetchError unless the mirror answers within `PATIENCE` seconds.

    The attempt runs in a thread of its own, since looking up a host name knows no time limit.
    """
    answered = threading.Event()

    def ask() -> None:
        try:
            urllib.request.urlopen(FashionMNIST.mirrors[0], timeout=PATIENCE).close()
        except urllib.error.HTTPError as error:
            error.close()  # an answer, even if there is no such page
        except (OSError, ValueError, HTTPException):
            return
        answered.set()

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(PATIENCE + 1)
    if thread.is_alive():
        raise FetchError("the network does not answer")
    if not answered.is_set():
        raise FetchError("not on disk, and no network to download it")


def _reason(error: BaseException) -> str:
    if "corrupted" in str(error):
        return "what was downloaded has the wrong checksum; a proxy may have answered instead"
    if isinstance(error, OSError) and error.strerror:
        return f"the download failed: {error.strerror}"
    return "the download failed"
