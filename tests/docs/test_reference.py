"""Reference pages say what the code says."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from deploy.reference import CLASSES, MEANINGS, commands_page, settings_of, settings_page
from services.gatekeeper.domain.outcomes import Refusal
from shared.http_app import STATUS_CODES
from tests.docs.pages import CHECKOUT

REFERENCE = CHECKOUT / "docs" / "reference"
CODE = re.compile(r"[a-z]+(_[a-z]+)*")
FALLBACK = "error"
"""What an answer of the framework's own is called when nothing better is known."""


def test_settings_are_current_and_each_has_its_meaning() -> None:
    """`make specs` writes them anew."""
    assert (REFERENCE / "settings.md").read_text(encoding="utf-8") == settings_page(), "run `make specs`"
    assert set(MEANINGS) == {name for cls in CLASSES.values() for name, _ in settings_of(cls)}


def test_commands_are_current() -> None:
    assert (REFERENCE / "commands.md").read_text(encoding="utf-8") == commands_page(), "run `make specs`"


def test_every_error_code_is_in_the_catalogue_and_no_other() -> None:
    page = (REFERENCE / "errors.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"^\| `(\w+)` \|", page, re.M))
    in_code = {*codes_in_the_code(), *(refusal.code for refusal in Refusal), *STATUS_CODES.values(), FALLBACK}
    assert documented == in_code


def test_every_code_is_told_with_its_statuses() -> None:
    rows = re.findall(
        r"^\| `(\w+)` \| (\d\d\d|4xx) \| [^|]+ \| [^|]+ \|$",
        (REFERENCE / "errors.md").read_text(encoding="utf-8"),
        re.M,
    )
    stated = dict(rows)
    for code, status in statuses_in_the_code():
        assert stated[code] == str(status), code


def sources() -> Iterator[Path]:
    for folder in ("services", "shared"):
        yield from (path for path in (CHECKOUT / folder).rglob("*.py") if "commands" not in path.parts)


def calls() -> Iterator[tuple[str, list[ast.expr]]]:
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                yield getattr(node.func, "id", getattr(node.func, "attr", "")), node.args


def constants(node: ast.expr) -> Iterator[object]:
    """`"a" if x else "b"` are two."""
    yield from (each.value for each in ast.walk(node) if isinstance(each, ast.Constant))


def statuses_in_the_code() -> Iterator[tuple[str, int]]:
    """ApiError(status, code, …) and Failed(status, code, …)."""
    for name, args in calls():
        if name in ("ApiError", "Failed") and len(args) > 1 and isinstance(args[0], ast.Constant):
            for code in constants(args[1]):
                if isinstance(code, str) and CODE.fullmatch(code) and isinstance(args[0].value, int):
                    yield code, args[0].value


def codes_in_the_code() -> Iterator[str]:
    yield from (code for code, _ in statuses_in_the_code())
    for name, args in calls():
        if name in ("Dead", "Retry", "Refused", "Later") and args and isinstance(args[0], ast.Constant):
            reason = args[0].value
            if isinstance(reason, str) and CODE.fullmatch(reason):
                yield reason
