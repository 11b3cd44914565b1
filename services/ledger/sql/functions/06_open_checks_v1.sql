-- What a decision on these checks needs, read under lock: the account, the hold that may be there, the number.
-- One row per check in the order given; the account's columns are null where there is none.
-- A check finds its number by id, else by value; a suspension by hand refuses, one by billing is the account's.
-- Locks first, reads second: accounts in the order of account_id, kept until the caller commits. Waits half a
-- second at most, then raises lock_not_available; with p_skips_locked it doesn't wait, and the checks of accounts
-- that somebody else has locked come back as is_locked_out.
CREATE OR REPLACE FUNCTION ledger.open_checks_v1(
    p_account_ids text[], p_kinds text[], p_ref_ids text[], p_number_ids text[], p_numbers text[],
    p_skips_locked boolean, p_now timestamptz
) RETURNS TABLE (
    account_id text, disabled boolean, access_refusal text, manual_suspension text, billing_suspension text,
    inbound_policy text, credit_limit_micros bigint, balance_micros bigint, held_micros bigint,
    open_call_holds integer, max_concurrent_calls integer, monthly_spend_limit_micros bigint,
    month_spend_micros bigint, prices_version integer,
    has_plan boolean, plan_rate_micros bigint, chat_ms bigint, pool_available_ms bigint,
    hold_id text, hold_state text, hold_amount_micros bigint, hold_pool_ms bigint, hold_granted integer,
    hold_is_final boolean, hold_rate_usd text, hold_request jsonb,
    hold_created_at timestamptz, hold_expires_at timestamptz, hold_transfer_id bigint,
    is_billed boolean, number_is_suspended boolean, book_version integer, is_locked_out boolean
) LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp
-- Planning anew took longer than a lone check; a plan made while tables are small must suit large ones, too.
SET lock_timeout = '500ms'
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET enable_material = off
AS $$
#variable_conflict use_column
DECLARE
    ours text[];
    newest_book integer := (SELECT max(version) FROM price_books);
    this_month date := date_trunc('month', p_now AT TIME ZONE 'UTC')::date;
BEGIN
    IF p_skips_locked THEN
        ours := ARRAY(
            SELECT account_id FROM accounts WHERE account_id = ANY (p_account_ids)
            ORDER BY account_id FOR UPDATE SKIP LOCKED);
    ELSE
        PERFORM FROM accounts WHERE account_id = ANY (p_account_ids) ORDER BY account_id FOR UPDATE;
    END IF;
    RETURN QUERY
    SELECT a.account_id, a.disabled, a.access_refusal, a.manual_suspension, a.billing_suspension,
           a.inbound_policy, a.credit_limit_micros, a.balance_micros, a.held_micros, a.open_call_holds,
           a.max_concurrent_calls, a.monthly_spend_limit_micros,
           CASE WHEN a.spend_month = this_month THEN a.spend_micros ELSE 0 END, a.prices_version,
           pools.subscription_id IS NOT NULL, pools.rate_micros_per_minute, pools.chat_ms,
           coalesce(pools.included_ms + pools.wallet_ms - pools.held_ms, 0),
           h.hold_id, h.state, h.amount_micros, h.pool_ms, h.granted, h.is_final, h.rate_usd, h.request,
           h.created_at, h.expires_at, h.transfer_id,
           -- EXISTS might be planned as a table of all there are, made anew for each call.
           (SELECT true
            FROM unnest(CASE asked.kind WHEN 'call' THEN ARRAY['call.ended']
                        WHEN 'sms' THEN ARRAY['sms.sent', 'sms.received'] ELSE ARRAY['chat.message'] END) AS used_as (type)
            JOIN usage_events AS used
                ON used.account_id = asked.account_id AND used.type = used_as.type AND used.ref_id = asked.ref_id
                AND NOT used.is_accepted_twin
            LIMIT 1) IS NOT NULL,
           (SELECT true FROM numbers
            WHERE numbers.account_id = asked.account_id AND suspended_by_hand
              AND CASE WHEN asked.number_id IS NOT NULL THEN numbers.number_id = asked.number_id
                  ELSE numbers.number = asked.number END
            LIMIT 1) IS NOT NULL,
           newest_book, p_skips_locked AND a.account_id IS NOT NULL AND a.account_id <> ALL (ours)
    FROM unnest(p_account_ids, p_kinds, p_ref_ids, p_number_ids, p_numbers)
         WITH ORDINALITY AS asked (account_id, kind, ref_id, number_id, number, ordinal)
    LEFT JOIN accounts AS a ON a.account_id = asked.account_id
    LEFT JOIN pools ON pools.account_id = asked.account_id
    LEFT JOIN holds AS h
        ON h.account_id = asked.account_id AND h.kind = asked.kind AND h.ref_id = asked.ref_id
    ORDER BY asked.ordinal;
END $$;
