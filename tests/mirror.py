"""A mirror of a small data set in Fashion-MNIST's format, and what may answer in its place."""

import gzip
import http.server
import struct

import torch


def small_archives(train: int = 20, test: int = 10) -> dict[str, bytes]:
    """Return four archives in Fashion-MNIST's format, with so many garments."""
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (train + test, 28, 28), generator=generator)
    archives = {}
    for name, start, count in (("train", 0, train), ("t10k", train, test)):
        body = pixels[start : start + count].to(torch.uint8).numpy().tobytes()
        header = struct.pack(">IIII", 2051, count, 28, 28)
        archives[f"{name}-images-idx3-ubyte.gz"] = gzip.compress(header + body, mtime=0)
        header = struct.pack(">II", 2049, count)
        archives[f"{name}-labels-idx1-ubyte.gz"] = gzip.compress(
            header + bytes(i % 10 for i in range(count)), mtime=0
        )
    return archives


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


class Proxy(Quiet):
    """Answers every request with a friendly page, as the network of a hotel does."""

    def do_GET(self):
        page = b"<html>Welcome! Please log in.</html>"
        self.send_response(200)
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)
