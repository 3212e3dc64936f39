"""Find, verify, download and unpack Fashion-MNIST.

torchvision knows the archives, their checksums and their format. This module adds five things:
half-unpacked files are never used, a damaged archive is renamed and fetched again, a read-only
folder is only read, a download is given up if the network is silent for a few seconds, and two
notebooks that start at the same time wait for each other.
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

TIMEOUT = 5.0  # seconds to wait for a silent network
RAW = Path("FashionMNIST") / "raw"
UNPACKING = ".unpacking-"  # the prefix of temporary folders
ARCHIVES: dict[str, str] = dict(FashionMNIST.resources)  # name: MD5, as published
UNPACKED = {  # name: MD5 of the unpacked files
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
        root: the folder that contains `FashionMNIST/`.
        fallback: the folder to unpack archives in if `root` cannot be written to.

    Raises:
        FetchError: there is no data set; the message gives the reason.
    """
    home = root if _writable(root) or _verified(root) else fallback
    folder = home / "FashionMNIST"
    # a killed process may have left a temporary folder behind
    if not _verified(home) or (_writable(home) and any(folder.glob(UNPACKING + "*"))):
        try:
            (home / RAW).mkdir(parents=True, exist_ok=True)
            with _locked(folder) as alone:
                for abandoned in folder.glob(UNPACKING + "*") if alone else ():
                    shutil.rmtree(abandoned, ignore_errors=True)
                if not _verified(home):  # another notebook may have done it while we waited
                    _unpack(root, home)
        except FetchError:
            raise
        except OSError as error:
            raise FetchError(f"{home}: {error.strerror or error}") from error
    return FashionMNIST(str(home), train=True), FashionMNIST(str(home), train=False)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[bool]:
    """Wait until no other process unpacks files here; yield False if there is no lock to wait for.

    Some network drives have no locks. Two processes may then unpack at the same time, which is slow
    but safe: each uses its own temporary folder, and moves files with the same content into place.
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
    # the superuser may write everywhere, but should respect a folder that its owner made read-only
    return os.access(folder, os.W_OK) and bool(folder.stat().st_mode & stat.S_IWUSR)


def _verified(home: Path) -> bool:
    """Return whether the four unpacked files exist and have the right checksums."""
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
                socket.setdefaulttimeout(TIMEOUT)
                FashionMNIST(name, download=True)
        except (RuntimeError, EOFError, OSError, HTTPException) as error:
            if not missing:
                raise
            raise FetchError(_reason(error)) from error
        finally:  # keep the archives that were downloaded completely
            for archive in missing:
                if check_integrity(raw / archive, ARCHIVES[archive]):
                    os.replace(raw / archive, home / RAW / archive)
        for name in UNPACKED:
            os.replace(raw / name, home / RAW / name)


def _gather_archives(root: Path, raw: Path) -> None:
    """Copy the intact archives in `root` to `raw`; rename damaged ones and print a line."""
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
    """Raise a FetchError unless the mirror answers within `TIMEOUT` seconds.

    The attempt runs in a thread, because the lookup of a host name has no time limit.
    """
    answered = threading.Event()

    def connect() -> None:
        try:
            urllib.request.urlopen(FashionMNIST.mirrors[0], timeout=TIMEOUT).close()
        except urllib.error.HTTPError as error:
            error.close()  # the mirror has answered, even if it has no such page
        except (OSError, ValueError, HTTPException):
            return
        answered.set()

    thread = threading.Thread(target=connect, daemon=True)
    thread.start()
    thread.join(TIMEOUT + 1)
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
