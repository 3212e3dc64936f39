"""What `python3 course.py bench` measured, as it is stored with the course."""

import json
from pathlib import Path
from typing import Any

MEASURED = Path(__file__).parents[1] / "measured" / "bench.json"


def load_benchmark(path: Path = MEASURED) -> dict[str, Any]:
    """Return the stored measurements. Raises a FileNotFoundError where there are none."""
    if not path.is_file():
        raise FileNotFoundError(f"path: there is no {path}; `python3 course.py bench` makes it")
    return json.loads(path.read_text(encoding="utf-8"))
