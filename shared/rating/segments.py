"""How many SMS segments a text takes (GSM 03.38 and 3GPP TS 23.038/23.040), as gateways count them.

GSM-7: 160 septets alone, 153 in each part of several; extension characters take two. Anything else makes
the whole text UCS-2: 70 code units alone, 67 in each part. Neither an escape pair nor a surrogate pair is
split across parts, so a part may end one short. An empty text is still one message.
"""

from collections.abc import Iterable
from typing import Final

GSM7_BASIC: Final = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
GSM7_EXTENSION: Final = frozenset("\f^{}\\[~]|€")

_GSM7_ALONE, _GSM7_PART = 160, 153
_UCS2_ALONE, _UCS2_PART = 70, 67


def is_gsm7(text: str) -> bool:
    """Whether every character is in the default alphabet or its extension table."""
    return GSM7_BASIC.issuperset(text) or (GSM7_BASIC | GSM7_EXTENSION).issuperset(text)


def segment_count(text: str) -> int:
    """Segments of one message; at least 1."""
    if is_gsm7(text):
        return _parts((2 if char in GSM7_EXTENSION else 1 for char in text), _GSM7_ALONE, _GSM7_PART)
    return _parts((2 if char > "\uffff" else 1 for char in text), _UCS2_ALONE, _UCS2_PART)


def _parts(widths: Iterable[int], alone: int, part: int) -> int:
    """Fill parts greedily, never splitting a width."""
    total, parts, used = 0, 1, 0
    for width in widths:
        total += width
        if used + width > part:
            parts, used = parts + 1, 0
        used += width
    return 1 if total <= alone else parts
