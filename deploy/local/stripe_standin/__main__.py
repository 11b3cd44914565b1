"""`python -m deploy.local.stripe_standin --port 4010 --folder DIR`: the stand-in as its own process.

The first line on standard output is a JSON object: api_base, secret_key, publishable_key, webhook_secret.
"""

import argparse
import json
from pathlib import Path

import uvicorn

from shared.clock import SystemClock

from .app import create_app
from .embedding import PUBLISHABLE_KEY, SECRET_KEY, WEBHOOK_SECRET
from .server import listen, server_config
from .settings import Settings


def main() -> None:
    options = _options()
    listener = listen(options.port)
    settings = Settings(
        folder=options.folder,
        public_base=options.public_url or f"http://127.0.0.1:{listener.getsockname()[1]}",
        secret_key=options.secret_key,
        publishable_key=options.publishable_key,
        control_plane=options.sim,
        webhook_url=options.webhook_url,
        webhook_secret=options.webhook_secret,
        webhook_retry_seconds=options.webhook_retry_seconds,
    )
    app = create_app(settings, SystemClock())
    facts = {
        "api_base": settings.public_base,
        "secret_key": settings.secret_key,
        "publishable_key": settings.publishable_key,
        "webhook_secret": settings.webhook_secret,
    }
    print(json.dumps(facts), flush=True)
    uvicorn.Server(server_config(app)).run(sockets=[listener])


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="stripe_standin", description="A local stand-in for Stripe (simulated)")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free port")
    parser.add_argument("--folder", type=Path, required=True, help="where its books are kept")
    parser.add_argument("--public-url", help="the address browsers reach it at")
    parser.add_argument("--secret-key", default=SECRET_KEY)
    parser.add_argument("--publishable-key", default=PUBLISHABLE_KEY)
    parser.add_argument("--webhook-url", help="the endpoint that gets every event")
    parser.add_argument("--webhook-secret", default=WEBHOOK_SECRET)
    parser.add_argument("--webhook-retry-seconds", type=float, default=1.0)
    parser.add_argument("--sim", action="store_true", help="serve the control plane /_sim/ (for tests)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
