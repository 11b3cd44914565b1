-- The last check of the books, for the operators' page: one row.
CREATE TABLE portal.books_checks (
    is_single boolean PRIMARY KEY DEFAULT true,
    checked_at timestamptz NOT NULL,
    invariants integer NOT NULL,
    findings jsonb NOT NULL,
    CONSTRAINT there_is_one_row CHECK (is_single)
);
