"""Kernels that share one copy of the model, the images and the index, for `course.py app`.

Each page of the app has its own kernel, and a kernel needs several seconds and half a gigabyte to
load torch, the garments and the index. On Linux, one process therefore loads them once, and every
kernel is a fork of this process. A fork starts at once, and the system copies only the memory that
it changes. On systems without fork, each kernel loads everything itself.

The server starts a kernel as `python -m vae_course.commands.forks SOCKET CONNECTION_FILE`. That
small process requests a fork from the process that has loaded everything, and lives as long as the
fork: when the server ends the small process, the fork ends too.
"""

import contextlib
import functools
import gc
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

CAN_FORK = sys.platform == "linux"
PROGRAM = [sys.executable, "-P", "-m", "vae_course.commands.forks"]


@contextlib.contextmanager
def loaded(path: Path) -> Iterator[None]:
    """Run the process that kernels are forked from; the block starts when it is ready."""
    if not CAN_FORK:
        yield
        return
    print("Loading the model and the garments ...", flush=True)
    with subprocess.Popen([*PROGRAM, str(path)], stdin=subprocess.PIPE) as process:
        while not path.exists() and process.poll() is None:
            time.sleep(0.05)
        try:
            yield
        finally:
            process.terminate()


@functools.lru_cache(1)
def wardrobe() -> tuple[Any, Any, Any]:
    """Return the model, the index and the images that every page shows."""
    from vae_lib import PosteriorIndex, encode_dataset, load_images, load_pretrained

    images = load_images("auto")
    vae = load_pretrained(images.name, latent_dim=10)
    return vae, PosteriorIndex(encode_dataset(vae, images.train_images)), images


def load() -> None:
    """Load and compute everything that the pages share; the first explorer also builds caches."""
    import ipykernel.kernelapp  # noqa: F401
    import torch

    from vae_lib import Explorer

    torch.set_num_threads(1)  # the threads of a parent do not exist in its forks
    explorer = Explorer(*wardrobe())
    explorer.garment_z(11)
    explorer.close()


def serve(path: str) -> None:
    """Load everything, then fork a kernel for each connection to the socket at `path`.

    The process ends when its standard input is closed, as when the process that started it ends.
    """
    load()
    gc.collect()
    gc.freeze()  # the collector would write to shared memory, and so copy it
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # let the system remove ended kernels
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path + ".new")
        server.listen()
        os.rename(path + ".new", path)  # `path` appears when the socket accepts connections
        while sys.stdin not in select.select([server, sys.stdin], [], [])[0]:
            connection, _ = server.accept()
            if os.fork() == 0:
                server.close()
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                run_kernel(connection)
            connection.close()


def run_kernel(connection: socket.socket) -> None:
    """Run a kernel until it or the connection ends; the connection names its connection file."""
    file = connection.makefile().readline().strip()

    def watch() -> None:
        connection.recv(1)  # returns when the other side closes the connection
        os._exit(0)

    threading.Thread(target=watch, daemon=True).start()
    start_kernel("-f", file, f"--IPKernelApp.parent_handle={os.getppid()}")
    os._exit(0)


def start_kernel(*arguments: str) -> None:
    """Run an ordinary kernel in this process."""
    from ipykernel.kernelapp import IPKernelApp

    IPKernelApp.launch_instance(argv=list(arguments))


def main(path: str, file: str) -> None:
    """Run the kernel in a fork, or in this process if there is no process to fork."""
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(path)
        except OSError:
            start_kernel("-f", file)
            return
        connection.sendall(file.encode() + b"\n")
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the server decides when a kernel ends
        connection.recv(1)


if __name__ == "__main__":
    # the module that the page's code imports, whose `wardrobe` is a different one than __main__'s
    from vae_course.commands import forks

    if len(sys.argv) == 2:
        forks.serve(str(Path(sys.argv[1])))
    else:
        forks.main(sys.argv[1], sys.argv[2])
