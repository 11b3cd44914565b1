"""`python -m deploy.demo`; what it does is in run.py."""

import signal

signal.signal(signal.SIGINT, signal.SIG_DFL)  # while everything is being loaded Ctrl-C just ends us

from deploy.demo.run import main  # noqa: E402

if __name__ == "__main__":
    main()
