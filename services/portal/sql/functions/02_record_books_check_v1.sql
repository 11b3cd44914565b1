-- Writes down how the last check of the books went. A check that began earlier changes nothing; one that seems to have
-- begun earlier by more than a check can take comes after a clock was set back, and is the last.
CREATE OR REPLACE FUNCTION portal.record_books_check_v1(p_at timestamptz, p_invariants integer, p_findings jsonb)
RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = portal, pg_temp AS $$
    INSERT INTO books_checks (checked_at, invariants, findings) VALUES (p_at, p_invariants, p_findings)
    ON CONFLICT (is_single) DO UPDATE
    SET checked_at = excluded.checked_at, invariants = excluded.invariants, findings = excluded.findings
    WHERE books_checks.checked_at <= excluded.checked_at
       OR books_checks.checked_at > excluded.checked_at + interval '15 minutes';
$$;
