"""Exit 0 when the service in this container can do its work (`GET /readyz`), else 1. The slim image has no curl."""

from __future__ import annotations

import os
import sys
import urllib.request

TIMEOUT_SECONDS = 3


def main() -> None:
    url = f"http://127.0.0.1:{os.environ.get('RINGFENCE_HTTP_PORT', '8402')}/readyz"
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS):
            return
    except OSError as error:  # urllib's own errors are among them, a 503 too
        sys.exit(f"{url}: {error}")


if __name__ == "__main__":
    main()
