"""Price arithmetic: price book and usage in, exact micros out. Pure: no I/O, no clock, integers and dates
only.

Read in this order: `items` and `book` (what may be published), `compiled` (the same, ready to use), `match` (which item
applies), `meter` (what n seconds cost under one component), `cost` (usage → Rated | NotPriced), `grant`
(the gate's cost(n)), `segments`, `periods`, `describe`. Rules: contract §4; every reading of a corner
stands in the module that decides it.
"""
