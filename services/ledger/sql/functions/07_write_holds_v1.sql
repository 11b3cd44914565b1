-- Write holds as decided under the lock that open_checks_v1 took: new, extended, taken anew, or released
-- (with nothing held before, a released one is a tombstone). One row per (account, kind, ref).
-- A hold lasts so many seconds from its created_at; a null created_at is now. Requests are JSON texts.
-- Money is ring-fenced only where it is there: raises check_violation if an account would hold more than
-- its balance and credit limit allow. Locks: accounts in the order of account_id, held by the caller.
CREATE OR REPLACE FUNCTION ledger.write_holds_v1(
    p_account_ids text[], p_kinds text[], p_ref_ids text[], p_hold_ids text[], p_states text[],
    p_amounts bigint[], p_pool_ms bigint[], p_granted integer[], p_is_final boolean[], p_rates_usd text[],
    p_requests text[], p_created_at timestamptz[], p_lasts_seconds integer[], p_now timestamptz
) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp
-- Planning anew took longer than a lone check; a plan made while tables are small must suit large ones, too.
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET enable_material = off
AS $$
#variable_conflict use_column
DECLARE
    overheld text;
BEGIN
    PERFORM FROM accounts WHERE account_id = ANY (p_account_ids) ORDER BY account_id FOR UPDATE;
    WITH written AS (
        SELECT w.account_id, w.kind,
               CASE WHEN w.state = 'open' THEN w.amount ELSE 0 END
               - CASE WHEN h.state = 'open' THEN h.amount_micros ELSE 0 END AS held,
               CASE WHEN w.state = 'open' THEN w.pool_ms ELSE 0 END
               - CASE WHEN h.state = 'open' THEN h.pool_ms ELSE 0 END AS pool_held,
               CASE WHEN w.kind = 'call'
                   THEN (w.state = 'open')::integer - coalesce(h.state = 'open', false)::integer ELSE 0 END AS calls
        FROM unnest(p_account_ids, p_kinds, p_ref_ids, p_states, p_amounts, p_pool_ms)
             AS w (account_id, kind, ref_id, state, amount, pool_ms)
        LEFT JOIN holds AS h ON h.account_id = w.account_id AND h.kind = w.kind AND h.ref_id = w.ref_id
    ), per_account AS (
        SELECT account_id, sum(held) AS held, sum(pool_held) AS pool_held, sum(calls) AS calls
        FROM written GROUP BY account_id
    ), pooled AS (
        UPDATE pools SET held_ms = held_ms + pool_held
        FROM per_account WHERE pools.account_id = per_account.account_id AND pool_held <> 0
    ), changed AS (
        UPDATE accounts SET held_micros = held_micros + held, open_call_holds = open_call_holds + calls
        FROM per_account WHERE accounts.account_id = per_account.account_id AND (held <> 0 OR calls <> 0)
        RETURNING accounts.account_id, held > 0 AND held_micros > balance_micros + credit_limit_micros AS is_overheld
    )
    SELECT account_id INTO overheld FROM changed WHERE is_overheld LIMIT 1;
    IF overheld IS NOT NULL THEN
        RAISE check_violation USING MESSAGE = format('account %s would hold more than it has', overheld);
    END IF;
    INSERT INTO holds (
        account_id, kind, ref_id, hold_id, state, amount_micros, pool_ms, granted, is_final, rate_usd, request,
        created_at, expires_at, closed_at)
    SELECT w.account_id, w.kind, w.ref_id, w.hold_id, w.state, w.amount, w.pool_ms, w.granted, w.is_final,
           w.rate_usd, w.request::jsonb, coalesce(w.created_at, p_now),
           coalesce(w.created_at, p_now) + w.lasts_seconds * interval '1 second',
           CASE WHEN w.state <> 'open' THEN p_now END
    FROM unnest(p_account_ids, p_kinds, p_ref_ids, p_hold_ids, p_states, p_amounts, p_pool_ms, p_granted,
                p_is_final, p_rates_usd, p_requests, p_created_at, p_lasts_seconds)
         AS w (account_id, kind, ref_id, hold_id, state, amount, pool_ms, granted, is_final, rate_usd, request,
               created_at, lasts_seconds)
    ON CONFLICT (account_id, kind, ref_id) DO UPDATE SET
        hold_id = excluded.hold_id, state = excluded.state, amount_micros = excluded.amount_micros,
        pool_ms = excluded.pool_ms, granted = excluded.granted, is_final = excluded.is_final,
        rate_usd = excluded.rate_usd, request = excluded.request,
        created_at = excluded.created_at, expires_at = excluded.expires_at, closed_at = excluded.closed_at;
END $$;
