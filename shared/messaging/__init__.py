"""Messages in and out: the only place in the project that knows the broker and its client.

Read in this order: `messages` (what travels), `topology` (where it travels), `port` (what a client of the
broker must be able to do), `rabbit` (the one we have), `batch` (the hot consumer) and `listener` (everything
else). A faster client may replace `rabbit` when it passes `tests/transports`.
"""
