"""Settings of the notebook kernel that every command shares."""

import sys
from pathlib import Path

CONFIG = Path(sys.prefix) / "etc" / "ipython" / "ipython_kernel_config.py"
TEXT = """\
# Written by course.py. A kernel on 127.0.0.1 warns at every start that its port is not encrypted;
# the line would go to the learner's terminal and to the notebooks' error output.
c = get_config()  # noqa
c.IPKernelApp.log_level = "ERROR"
"""


def quiet_kernel() -> None:
    """Raise the kernel's log level for this environment alone."""
    CONFIG.parent.mkdir(parents=True, exist_ok=True)
    if not CONFIG.exists() or CONFIG.read_text() != TEXT:
        CONFIG.write_text(TEXT)
