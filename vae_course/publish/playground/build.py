"""Build the playground's page, and serve it to this machine."""

import hashlib
import http.server
import json
import re
import shutil
import tempfile
from functools import partial
from pathlib import Path

from vae_course.publish.playground.export import write_data
from vae_lib import Images

PAGE = Path(__file__).parent / "page"
NOT_PUBLISHED = ("package.json", "tsconfig.json", "service-worker.js")
ADDRESS = "127.0.0.1"


def build(folder: Path, images: Images, in_site: bool = False) -> Path:
    """Write the whole page into a folder, which is replaced when the new one is complete.

    Args:
        folder: where to write it.
        images: the data set whose first garments the page shows.
        in_site: whether the site's front page lies in the folder above, for a link to it.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".playground-") as scratch:
        new = Path(scratch) / "page"
        shutil.copytree(PAGE, new, ignore=shutil.ignore_patterns(*NOT_PUBLISHED))
        if not in_site:
            remove_link(new / "index.html")
        write_data(new / "data", images)
        write_service_worker(new)
        shutil.rmtree(folder, ignore_errors=True)
        new.rename(folder)
    return folder


def remove_link(page: Path) -> None:
    """Keep only the text of the page's link to the course."""
    text = page.read_text(encoding="utf-8")
    page.write_text(re.sub(r'<a id="course".*?>(.*?)</a>', r"\1", text), encoding="utf-8")


def write_service_worker(folder: Path) -> None:
    """Write the script that keeps the page for offline use, with the list of all its files.

    Another version of any file makes another list, so a browser notices and fetches them again.
    """
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.relative_to(folder).as_posix().encode() + file.read_bytes())
    names = ["./", *(file.relative_to(folder).as_posix() for file in files)]
    script = (PAGE / "service-worker.js").read_text(encoding="utf-8")
    script = script.replace("VERSION_OF_THE_PAGE", digest.hexdigest()[:16])
    script = script.replace('["FILES_OF_THE_PAGE"]', json.dumps(names))
    (folder / "service-worker.js").write_text(script, encoding="utf-8")


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves files without a line for each."""

    extensions_map = http.server.SimpleHTTPRequestHandler.extensions_map | {
        ".js": "text/javascript",  # Windows may have another type in its registry
        ".webp": "image/webp",
    }

    def log_message(self, format: str, *arguments: object) -> None:
        pass


def server(folder: Path, port: int) -> http.server.ThreadingHTTPServer:
    """Return a server of a folder on 127.0.0.1; port 0 stands for any that is free."""
    return http.server.ThreadingHTTPServer((ADDRESS, port), partial(Quiet, directory=str(folder)))
