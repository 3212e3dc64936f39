"""A real Milvus server, reachable from nowhere but its own processes.

The server of the PyPI package `milvus` listens on all interfaces. So it runs in a network
namespace, together with its clients, where there is nothing but a loopback interface; and in a
process namespace, whose end ends them all.
"""

import importlib.util
import os
import socket
import struct
import subprocess
import time
import urllib.request
from pathlib import Path

URI, TOKEN = "http://127.0.0.1:19530", "root:Milvus"
ISOLATED = ["unshare", "--map-root-user", "--net", "--pid", "--fork", "--kill-child"]
ISOLATED += ["--mount-proc"]
SET_FLAGS, UP_AND_LOOPBACK = 0x8914, 0x1 | 0x8  # of Linux
PATIENCE = 400  # seconds, for a busy machine; a free one needs an eighth of them


def missing() -> str:
    """Say why no server can run here; nothing where it can."""
    if importlib.util.find_spec("milvus") is None:
        return "no server: the package milvus is installed on Linux on x86-64 alone"
    try:
        tried = subprocess.run(
            [*ISOLATED, "true"], capture_output=True, text=True, timeout=PATIENCE
        )
    except FileNotFoundError as error:
        return f"no network namespace: {error}"
    return f"no network namespace: {tried.stderr.strip()}" if tried.returncode else ""


def raise_loopback() -> None:
    """Switch the namespace's loopback interface on."""
    import fcntl  # which Windows has not

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sh14x", b"lo", UP_AND_LOOPBACK)
        fcntl.ioctl(any_socket, SET_FLAGS, request)


def prepare(folder: Path) -> None:
    """Unpack the server into a folder, and write its configuration."""
    import milvus

    config = milvus.MilvusServerConfig(data_dir=str(folder))
    config.set("authorization_enabled", True)
    config.set("common.session.ttl", 5)  # seconds after which a killed server is forgotten
    config.resolve()
    milvus._initialize_data_files(str(folder))


def start(folder: Path) -> subprocess.Popen:
    """Start the server, and wait until it is healthy."""
    binaries = folder / "bin"
    environment = os.environ | {"DEPLOY_MODE": "STANDALONE", "METRICS_PORT": "9091"}
    environment |= {"MILVUS_RUN_DIR": str(folder / "run"), "LD_LIBRARY_PATH": str(binaries)}
    with (folder / "logs" / "output").open("ab") as log:
        command = [str(binaries / "milvus"), "run", "standalone"]
        server = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
    until = time.monotonic() + PATIENCE
    while not is_healthy():
        assert server.poll() is None, "the server ended; its folder `logs` says why"
        assert time.monotonic() < until, "the server does not become healthy"
        time.sleep(0.2)
    return server


def is_healthy() -> bool:
    """Tell whether the server says so of itself."""
    try:
        with urllib.request.urlopen("http://127.0.0.1:9091/healthz", timeout=10) as answer:
            return b"OK" in answer.read()
    except OSError:
        return False
