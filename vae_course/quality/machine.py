"""The machine on which a time was measured."""

import platform
from pathlib import Path


def cpu_name() -> str:
    """Return the name of the processor, or its architecture where the name is unknown."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.exists() else []
    names = [line.split(": ")[1] for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
