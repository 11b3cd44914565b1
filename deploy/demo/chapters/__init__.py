"""The day, chapter by chapter, in the order in which it is played. A new one is a file here and a line below."""

from deploy.demo.chapters.agency import AGENCY
from deploy.demo.chapters.cards import CARDS
from deploy.demo.chapters.customers import CUSTOMERS
from deploy.demo.chapters.declined import DECLINED
from deploy.demo.chapters.month import MONTH
from deploy.demo.chapters.morning import MORNING
from deploy.demo.chapters.nothing_left import NOTHING_LEFT
from deploy.demo.chapters.oddities import ODDITIES
from deploy.demo.chapters.prices import PRICES
from deploy.demo.chapters.ten_at_once import TEN_AT_ONCE
from deploy.demo.day import Chapter

CHAPTERS: tuple[Chapter, ...] = (
    CUSTOMERS,
    MORNING,
    NOTHING_LEFT,
    TEN_AT_ONCE,
    PRICES,
    ODDITIES,
    CARDS,
    DECLINED,
    MONTH,
    AGENCY,
)
