"""docs/failure-modes.md says what holds each row; here it is compared with the tests there are."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "failure-modes.md"
ROWS = 33


def numbered_tests() -> Iterator[tuple[int, str, str]]:
    """(row, file, name) of every test that carries a row's number."""
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                numbered = re.match(r"test_fm(\d\d)_", node.name)
                if numbered:
                    yield int(numbered[1]), str(path.relative_to(ROOT)), node.name


def test_every_failure_mode_has_a_test_with_its_number() -> None:
    assert {row for row, _, _ in numbered_tests()} == set(range(1, ROWS + 1))


def test_the_page_names_exactly_the_tests_there_are() -> None:
    text = PAGE.read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) \|(.*)$", text, re.MULTILINE)
    named = {
        (int(row), path, name) for row, rest in rows for name, path in re.findall(r"\[`(\w+)`\]\(\.\./([^)]+)\)", rest)
    }
    assert [int(row) for row, _ in rows] == list(range(1, ROWS + 1))
    assert named == set(numbered_tests())


def test_what_the_page_names_as_a_guard_exists() -> None:
    """A file that is named is there, and so is a function of SQL."""
    for named in re.findall(r"`([^`]+)`", PAGE.read_text(encoding="utf-8")):
        if named.startswith(("services/", "shared/", "deploy/", "tests/")):
            assert (ROOT / named).exists(), named
        elif named.endswith("_v1"):
            assert list((ROOT / "services").rglob(f"sql/functions/*{named}.sql")) or _is_in_sql(named), named


def _is_in_sql(function: str) -> bool:
    return any(
        function in path.read_text(encoding="utf-8") for path in (ROOT / "services").rglob("sql/functions/*.sql")
    )
