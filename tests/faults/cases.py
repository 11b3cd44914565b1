"""Every case, in the order in which they run."""

from tests.faults import cases_clock, cases_crashes, cases_links, cases_servers

CASES = (*cases_crashes.CASES, *cases_links.CASES, *cases_servers.CASES, *cases_clock.CASES)
