"""The operator's commands, one module per group; `services/__main__.py` puts them together.

Exit codes, the same everywhere: 0 done, 1 refused or found wanting, 2 could not (wrong usage, a server out of reach).
"""
