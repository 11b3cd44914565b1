"""No parser does anything with any bytes but read them or refuse them; what two parsers read is the same."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.hostile.parsers import PARSERS
from tests.hostile.seeds import RIGHT, SEEDS

JSON_PIECES = [b"{", b"}", b"[", b"]", b",", b":", b'"', b"\\u0000", b"\\ud800", b"1e400", b"-", b"0", b"null", b"NaN"]


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A seed, cut, doubled, and with bytes or pieces of JSON put in."""
    data = bytearray(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(0, 6))):
        at = draw(st.integers(0, len(data)))
        to = draw(st.integers(at, min(len(data), at + 12)))
        piece = draw(st.one_of(st.binary(max_size=4), st.sampled_from(JSON_PIECES), st.just(bytes(data[at:to]) * 2)))
        data[at:to] = piece
    return bytes(data)


@pytest.mark.parametrize("name", PARSERS)
def test_every_seed_is_read_or_refused(name: str) -> None:
    for seed in SEEDS:
        PARSERS[name](seed)


def examples(count: int) -> settings:
    return settings(max_examples=count, deadline=None, database=None, suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize("name", PARSERS)
@given(data=st.one_of(mutated(), st.binary(max_size=200), st.text(max_size=100).map(str.encode)))
@examples(60)
def test_whatever_the_bytes_a_parser_reads_or_refuses(name: str, data: bytes) -> None:
    PARSERS[name](data)


@pytest.mark.long
@pytest.mark.parametrize("name", PARSERS)
@given(data=st.one_of(mutated(), st.binary(max_size=2_000), st.text(max_size=1_000).map(str.encode)))
@examples(20_000)
def test_whatever_the_bytes_for_longer(name: str, data: bytes) -> None:
    PARSERS[name](data)


def test_what_is_right_is_read() -> None:
    """The seeds reach behind the first check: each is JSON, or a text that some parser takes."""
    assert len(RIGHT) >= len(PARSERS)
