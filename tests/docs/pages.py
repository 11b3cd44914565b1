"""The project's pages, taken apart."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
ELSEWHERE = {".git", ".venv", ".ringfence", "node_modules", ".pytest_cache", ".hypothesis", "vendored", "assets"}
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)


def pages() -> list[Path]:
    """Every Markdown page but what was vendored."""
    found = sorted(CHECKOUT.rglob("*.md"))
    return [path for path in found if not ELSEWHERE & set(path.relative_to(CHECKOUT).parts)]


@dataclass(frozen=True)
class Block:
    """One fenced block; `line` is where its first line stands."""

    page: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(CHECKOUT)}:{self.line}"


def blocks(page: Path, *languages: str) -> Iterator[Block]:
    text = page.read_text(encoding="utf-8")
    for match in FENCE.finditer(text):
        if not languages or match[1] in languages:
            yield Block(page, text[: match.start()].count("\n") + 2, match[1], match[2])


def without_code(text: str) -> str:
    """What is read as prose: links in code are none."""
    return re.sub(r"`[^`\n]*`", "", FENCE.sub("", text))


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as forges make them."""
    found: set[str] = set()
    for heading in re.findall(r"^#{1,6} (.+)$", FENCE.sub("", page.read_text(encoding="utf-8")), re.M):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
        slug = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        number = sum(each == slug or re.fullmatch(rf"{re.escape(slug)}-\d+", each) is not None for each in found)
        found.add(slug if number == 0 else f"{slug}-{number}")
    return found
