-- Free the money of these accounts' holds past their time; they show as orphaned until usage comes. Appends
-- hold_expired for each; returns the accounts of which such events are now due.
-- Locks: accounts in the order of account_id, then their holds.
CREATE OR REPLACE FUNCTION ledger.free_expired_holds_v1(p_account_ids text[], p_now timestamptz)
RETURNS SETOF text LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
#variable_conflict use_column
DECLARE
    expired_ids text[];
    expired_data jsonb[];
BEGIN
    PERFORM FROM accounts WHERE account_id = ANY (p_account_ids) ORDER BY account_id FOR UPDATE;
    WITH expired AS (
        UPDATE holds SET state = 'orphaned', closed_at = p_now
        WHERE state = 'open' AND expires_at <= p_now AND account_id = ANY (p_account_ids)
        RETURNING holds.*
    ), per_account AS (
        SELECT account_id, sum(amount_micros) AS held, sum(pool_ms) AS pool_held,
               count(*) FILTER (WHERE kind = 'call') AS calls
        FROM expired GROUP BY account_id
    ), freed AS (
        UPDATE accounts SET held_micros = held_micros - held, open_call_holds = open_call_holds - calls
        FROM per_account WHERE accounts.account_id = per_account.account_id
    ), pooled AS (
        UPDATE pools SET held_ms = held_ms - pool_held
        FROM per_account WHERE pools.account_id = per_account.account_id AND pool_held <> 0
    )
    SELECT array_agg(account_id), array_agg(jsonb_build_object(
               'hold_id', hold_id, 'kind', kind, 'id', ref_id, 'held_cents', ceil_cents(amount_micros),
               'held_usd', usd_text(ceil_cents(amount_micros)), 'granted', granted,
               'expires_at', rfc3339(expires_at)))
    INTO expired_ids, expired_data FROM expired;
    IF expired_ids IS NOT NULL THEN
        PERFORM append_events_v1(
            expired_ids, array_fill('hold_expired'::text, ARRAY[cardinality(expired_ids)]), expired_data, p_now);
    END IF;
    RETURN QUERY SELECT DISTINCT unnest(expired_ids);
END $$;
