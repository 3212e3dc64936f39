"""Install the JavaScript packages of the site and the slides with npm, in build/npm.

docs/package.json pins the versions. docs/package-lock.json holds their SHA-512, which npm verifies.
Once they are installed, npm runs again only when one of these two files changes.
"""

import shutil
import subprocess
from pathlib import Path

from filelock import FileLock

from vae_course import ROOT

LISTS = [ROOT / "docs" / name for name in ("package.json", "package-lock.json")]
CACHE = ROOT / "build" / "npm"
OPTIONS = ["--ignore-scripts", "--no-audit", "--no-fund", "--omit-lockfile-registry-resolved"]
WHY = "The site and the slides include MathJax and reveal.js, which npm downloads once."


def javascript() -> Path:
    """Return the folder of the installed packages, and install them first if necessary.

    Returns:
        A folder that holds one sub-folder for each package.

    Raises:
        RuntimeError: if npm is missing or fails; the message says what to do.
    """
    copies = [CACHE / path.name for path in LISTS]
    finished = CACHE / "finished"  # written last, so that npm runs again after an interruption
    wanted = "".join(path.read_text(encoding="utf-8") for path in LISTS)
    CACHE.mkdir(parents=True, exist_ok=True)
    with FileLock(CACHE / "lock"):  # another process may build the slides meanwhile
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
    # `ci` installs exactly the versions of the lock file and verifies them
    command = [npm, "ci", *OPTIONS]
    result = subprocess.run(command, cwd=CACHE, capture_output=True, text=True)
    if result.returncode != 0:
        raise RuntimeError(
            f"npm could not download the packages. {WHY}\n"
            f"Connect to the network, then run the same command again. npm says:\n{result.stderr}"
        )
