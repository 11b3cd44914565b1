"""The portal's statements."""

from pathlib import Path

from shared.postgres.queries import Queries

QUERIES = Queries.load(Path(__file__).with_name("queries.sql"))
