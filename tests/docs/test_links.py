"""What pages point at is there: files, headings, make targets, commands and their options."""

import re
import shlex
from pathlib import Path

import pytest

from deploy.reference import commands
from tests.docs.pages import CHECKOUT, anchors, blocks, pages, without_code

LINK = re.compile(r"(?<!\!)\[[^\]]*\]\(([^)\s]+)\)|<img[^>]*src=\"([^\"]+)\"|!\[[^\]]*\]\(([^)\s]+)\)")
COMMANDS = dict(commands())
TARGETS = set(re.findall(r"^([a-z-]+):", (CHECKOUT / "Makefile").read_text(encoding="utf-8"), re.M))


def shown(page: Path) -> str:
    return str(page.relative_to(CHECKOUT))


@pytest.mark.parametrize("page", pages(), ids=shown)
def test_every_relative_link_and_anchor_resolves(page: Path) -> None:
    for match in LINK.finditer(without_code(page.read_text(encoding="utf-8"))):
        target = next(group for group in match.groups() if group)
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = page if not path else (page.parent / path).resolve()
        assert file.exists(), f"{target} is not there"
        assert file.is_relative_to(CHECKOUT), f"{target} leaves the checkout"
        if anchor and file.suffix == ".md":
            assert anchor in anchors(file), f"{target}: no such heading"


@pytest.mark.parametrize("page", pages(), ids=shown)
def test_make_targets_and_commands_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    inline = [re.sub(r"\s+", " ", code) for code in re.findall(r"`([^`\n]+)`", text)]
    lines = [line for block in blocks(page) for line in block.text.replace("\\\n", " ").splitlines()]
    for line in [*inline, *lines]:
        for target in re.findall(r"(?:^|[;&|] *|\$ )make ([a-z-]+)", line):
            assert target in TARGETS, line
        for call in re.findall(r"(?:^|[;&|(] *|\$ )(?:\.venv/bin/)?ringfence ([a-z][^;&|)]*)", line):
            assert_is_command(call)


def assert_is_command(call: str) -> None:
    """`dead replay --accept ID`: its words are a command, its options are the command's."""
    try:
        words = shlex.split(call.split("#")[0], posix=True)
    except ValueError:
        words = call.split()
    known = next((name for name in COMMANDS if tuple(words[: len(name)]) == name), None)
    groups = {name[0] for name in COMMANDS if len(name) > 1}
    if known is None:
        alternatives = len(words) > 1 and "|" in words[1]
        assert words[0] in groups, f"no command: ringfence {call}"
        assert len(words) == 1 or alternatives or words[1] in ("…", "..."), f"no command: ringfence {call}"
        return
    options = {option for parameter in COMMANDS[known].params for option in (*parameter.opts, "--help")}
    for word in words[len(known) :]:
        if word.startswith("--"):
            assert word.split("=")[0] in options, f"no option: ringfence {call}"


def test_a_page_is_reached_from_the_index() -> None:
    """docs/README.md leads to every page of docs/, directly or through another index."""
    reached, waiting = set(), [CHECKOUT / "docs" / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in reached or page.suffix != ".md":
            continue
        reached.add(page)
        for match in LINK.finditer(without_code(page.read_text(encoding="utf-8"))):
            target = next(group for group in match.groups() if group).partition("#")[0]
            if target and not re.match(r"[a-z]+:", target):
                file = (page.parent / target).resolve()
                waiting += [file / "README.md"] if (file / "README.md").exists() else [file] if file.is_file() else []
    unreached = {page for page in (CHECKOUT / "docs").rglob("*.md") if "adr" not in page.parts} - reached
    assert not unreached
