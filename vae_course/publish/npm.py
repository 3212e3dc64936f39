"""JavaScript for the site and the slides: from npm, pinned, checked, and kept in build/npm.

docs/package.json names the versions and docs/package-lock.json their SHA-512, which npm verifies.
Once they are there, nothing is asked from the network again until one of these two files changes.
"""

import shutil
import subprocess
from pathlib import Path

from filelock import FileLock

from vae_course import ROOT

LISTS = [ROOT / "docs" / name for name in ("package.json", "package-lock.json")]
CACHE = ROOT / "build" / "npm"
OPTIONS = ["--ignore-scripts", "--no-audit", "--no-fund", "--omit-lockfile-registry-resolved"]
WHY = "The site and the slides bring their own MathJax and reveal.js, which npm fetches once."


def javascript() -> Path:
    """Return the folder with the packages, a folder each; fetch them where they are missing.

    Raises a RuntimeError that says what to do, without npm or without a network.
    """
    copies = [CACHE / path.name for path in LISTS]
    finished = CACHE / "finished"  # written last, so an interrupted npm is run again
    wanted = "".join(path.read_text(encoding="utf-8") for path in LISTS)
    CACHE.mkdir(parents=True, exist_ok=True)
    with FileLock(CACHE / "lock"):  # the site and the slides may be made at the same time
        if not finished.exists() or finished.read_text(encoding="utf-8") != wanted:
            finished.unlink(missing_ok=True)
            for path, copy in zip(LISTS, copies, strict=True):
                shutil.copyfile(path, copy)
            _install()
            finished.write_text(wanted, encoding="utf-8")
    return CACHE / "node_modules"


def _install() -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise RuntimeError(f"npm was not found. {WHY}\nInstall Node.js, which brings npm.")
    # `ci` takes exactly what the lock file says, and checks it
    command = [npm, "ci", *OPTIONS]
    result = subprocess.run(command, cwd=CACHE, capture_output=True, text=True)
    if result.returncode != 0:
        raise RuntimeError(
            f"npm could not fetch its packages. {WHY}\n"
            f"Connect to the network, then run the same command again. npm says:\n{result.stderr}"
        )
