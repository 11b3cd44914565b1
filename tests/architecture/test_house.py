"""The house rules that no linter knows (docs/architecture.md)."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import pytest

ROOT = Path(__file__).parents[2]
CODE = ("services", "shared", "deploy")
LINES_PER_FILE_MAX = 300
LINES_PER_FUNCTION_MAX = 70
BANNED_NAMES = {"util", "utils", "common", "helper", "helpers", "manager", "base", "data", "info", "misc"}
WIRE_UP = ("api", "runtime", "http_app", "openapi", "service", "specs", "pages", "asking")


def sources(*folders: str) -> list[Path]:
    return [path for folder in folders or CODE for path in sorted((ROOT / folder).rglob("*.py"))]


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def shown(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", sources(), ids=shown)
def test_files_are_small(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LINES_PER_FILE_MAX


@pytest.mark.parametrize("path", sources(), ids=shown)
def test_functions_fit_a_screen(path: Path) -> None:
    """A function that only builds routes or routers may be as long as its routes."""
    long = {
        node.name: (node.end_lineno or 0) - node.lineno + 1
        for node in functions(path)
        if not any(isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) for child in node.body)
    }
    assert {name: lines for name, lines in long.items() if lines > LINES_PER_FUNCTION_MAX} == {}


def test_functions_are_short_by_habit() -> None:
    """Median at most 8 lines."""
    lengths = [(node.end_lineno or 0) - node.body[0].lineno + 1 for path in sources() for node in functions(path)]
    assert median(lengths) <= 8


@pytest.mark.parametrize("path", sources(), ids=shown)
def test_only_the_clock_asks_for_the_time(path: Path) -> None:
    if path.name == "clock.py":
        return
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"datetime\.(now|utcnow|today)\(|date\.today\(", text)


@pytest.mark.parametrize("path", sources(), ids=shown)
def test_names_say_what_is_inside(path: Path) -> None:
    assert not BANNED_NAMES & set(path.stem.split("_"))


@pytest.mark.parametrize("path", sources("services"), ids=shown)
def test_sql_lives_in_sql_files(path: Path) -> None:
    """No statement is written in a service's Python; a literal health check is not a statement about data."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            assert not re.match(r"\s*(SELECT\s.*\sFROM|INSERT INTO|UPDATE\s+\w+\s+SET|DELETE FROM)\s", node.value, re.S)


@pytest.mark.parametrize("path", sources("services", "shared"), ids=shown)
def test_fastapi_stays_at_the_edge(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    if re.search(r"^(from|import) fastapi", text, re.M):
        assert path.stem.startswith(WIRE_UP)


@pytest.mark.parametrize("path", sources("services", "shared"), ids=shown)
def test_stripe_is_known_in_one_place(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    if re.search(r"^\s*(from|import) stripe", text, re.M):
        assert path.parent.name == "payments"
        assert path.stem.startswith("stripe_")


@pytest.mark.parametrize("path", sources("services"), ids=shown)
def test_fm27_money_is_never_a_float(path: Path) -> None:
    """No float in a domain: amounts, quantities and times are integers and instants."""
    if "domain" not in path.parts:
        return
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        assert not (isinstance(node, ast.Constant) and isinstance(node.value, float)), node.lineno
        assert not (isinstance(node, ast.Call) and getattr(node.func, "id", "") == "float"), node.lineno
        assert not (isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div)), node.lineno


@pytest.mark.parametrize("path", sorted((ROOT / "services").rglob("sql/functions/*.sql")), ids=shown)
def test_every_sql_function_says_what_it_is_for(path: Path) -> None:
    assert path.read_text(encoding="utf-8").startswith("-- ")


TRACKED = [
    path
    for path in sorted(ROOT.rglob("*"))
    if path.is_file()
    and not {".git", ".venv", ".ringfence", ".pytest_cache", "__pycache__", "node_modules"}
    & set(path.relative_to(ROOT).parts)
    and path.suffix in {".py", ".md", ".toml", ".yml", ".yaml", ".sql", ".json", ".lock", ".sh", ".html", ""}
]


def test_no_file_names_a_registry_or_a_secret() -> None:
    """Lock files hold names, versions and hashes; keys are made at run time."""
    forbidden = re.compile(r"pypi\.org|npmjs\.org|deb\.debian\.org|sk_live_[A-Za-z0-9]{8}|index-url +http")
    found = [
        shown(path)
        for path in TRACKED
        if path != Path(__file__) and forbidden.search(path.read_text("utf-8", "ignore"))
    ]
    assert found == []
