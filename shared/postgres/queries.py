"""SQL lives in `.sql` files and is found by name: `-- name: find_account` begins a query."""

import re
from collections.abc import Iterable
from pathlib import Path

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


class Queries:
    """The queries of one file, as attributes: `Queries.load(path).find_account` is its text."""

    def __init__(self, texts: dict[str, str]) -> None:
        self._texts = texts

    @classmethod
    def load(cls, path: Path) -> "Queries":
        parts = _NAME.split(path.read_text(encoding="utf-8"))
        names, texts = parts[1::2], parts[2::2]
        if len(set(names)) != len(names):
            raise ValueError(f"{path.name} names a query twice")
        return cls({name: text.strip().removesuffix(";") for name, text in zip(names, texts, strict=True)})

    def items(self) -> Iterable[tuple[str, str]]:
        """(name, text) in the order of the file."""
        return self._texts.items()

    def __getattr__(self, name: str) -> str:
        try:
            return self._texts[name]
        except KeyError:
            raise AttributeError(f"there is no query {name}") from None
