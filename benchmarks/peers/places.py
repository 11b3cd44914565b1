"""Where peers are kept."""

from benchmarks.stage import FOLDER

PEERS = FOLDER.with_name("peers")
