"""Style and scripts, each under a hash of their content: kept by browsers for ever, never stale."""

import hashlib
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent / "assets"
TYPES: Final = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
FILES: Final = {path.name: path.read_bytes() for path in sorted(FOLDER.iterdir()) if path.suffix in TYPES}
VERSION: Final = hashlib.sha256(b"".join(FILES.values())).hexdigest()[:12]


def asset_path(name: str) -> str:
    """Where a page finds a file; raises KeyError for one that is not there."""
    assert FILES[name]
    return f"/assets/{VERSION}/{name}"
