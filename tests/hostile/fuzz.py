"""Coverage-guided fuzzing of the parsers with atheris, which is in no lock file: `pip install atheris` first.

`python -m tests.hostile.fuzz strict 60` fuzzes one parser for a minute; without a name each in turn, in a process of its
own. What it finds is written to the present folder as crash-<hash>, and belongs into `seeds`.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

SECONDS = 60


def fuzz(name: str, seconds: int) -> None:
    """Never returns: libFuzzer ends the process, with 0 when nothing was found."""
    import atheris  # type: ignore[import-untyped]

    with atheris.instrument_imports(include=["shared", "services", "json"]):
        from tests.hostile.parsers import PARSERS
        from tests.hostile.seeds import SEEDS
    with tempfile.TemporaryDirectory() as corpus:
        for number, seed in enumerate(SEEDS):
            Path(corpus, str(number)).write_bytes(seed)
        words = [
            sys.argv[0],
            corpus,
            f"-max_total_time={seconds}",
            "-max_len=4096",
            "-timeout=5",
            "-print_final_stats=1",
        ]
        atheris.Setup(words, PARSERS[name])
        atheris.Fuzz()


def fuzz_all(seconds: int) -> int:
    """Exit code 1 when any parser did what it may not."""
    from tests.hostile.parsers import PARSERS

    ended = {
        name: subprocess.run([sys.executable, "-m", "tests.hostile.fuzz", name, str(seconds)], check=False).returncode
        for name in PARSERS
    }
    print(
        "\n".join(f"{name:16} {'nothing found' if code == 0 else f'ended with {code}'}" for name, code in ended.items())
    )
    return int(any(ended.values()))


if __name__ == "__main__":
    named = [word for word in sys.argv[1:] if not word.isdigit()]
    limit = next((int(word) for word in sys.argv[1:] if word.isdigit()), SECONDS)
    if named:
        fuzz(named[0], limit)
    sys.exit(fuzz_all(limit))
