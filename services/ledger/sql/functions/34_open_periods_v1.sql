-- Open a period for each of these accounts, closing the one that is open: a plan starts or renews. Included minutes
-- are granted anew; a rate of null means that nothing beyond the pools can be used, a chat_ms of null that chats are
-- paid in money. Raises unique_violation if that period of that subscription has been granted its minutes before.
-- Leaves news. set_access_v1 comes last in the caller's transaction: it settles the campaigns.
-- Locks: accounts in the order of account_id (nothing to do if the caller holds them already).
CREATE OR REPLACE FUNCTION ledger.open_periods_v1(
    p_account_ids text[], p_subscription_ids text[], p_numbers integer[], p_starts timestamptz[],
    p_ends timestamptz[], p_rates_micros bigint[], p_chat_ms bigint[], p_included_ms bigint[], p_now timestamptz
) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
#variable_conflict use_column
BEGIN
    PERFORM FROM accounts WHERE account_id = ANY (p_account_ids) ORDER BY account_id FOR UPDATE;
    INSERT INTO pools (account_id) SELECT unnest(p_account_ids) ON CONFLICT DO NOTHING;
    PERFORM close_pools_v1(p_account_ids, p_now);
    INSERT INTO plan_windows (subscription_id, account_id, counts_from, chat_ms, opened_after)
    SELECT opened.subscription_id, account_id, date_trunc('second', opened.period_start), opened.chat_ms,
           (SELECT last_value FROM transfers_id_seq)
    FROM unnest(p_account_ids, p_subscription_ids, p_starts, p_chat_ms)
         AS opened (account_id, subscription_id, period_start, chat_ms)
    JOIN pools USING (account_id)
    WHERE pools.subscription_id IS DISTINCT FROM opened.subscription_id;
    INSERT INTO pool_transfers (account_id, seq, pool, amount_ms, balance_after_ms, reason, origin, created_at)
    SELECT account_id, entry_count + 1, 'included', included, included, 'granted',
           format('included:%s:%s', opened.subscription_id, number), p_now
    FROM unnest(p_account_ids, p_subscription_ids, p_numbers, p_included_ms)
         AS opened (account_id, subscription_id, number, included)
    JOIN pools USING (account_id)
    WHERE included > 0;
    UPDATE pools SET
        counts_from = CASE WHEN pools.subscription_id = opened.subscription_id THEN counts_from
            ELSE date_trunc('second', opened.period_start) END,
        subscription_id = opened.subscription_id, period_start = opened.period_start, period_end = opened.period_end,
        rate_micros_per_minute = opened.rate, chat_ms = opened.chat_ms, wallet_used_ms = 0,
        included_granted_ms = included, included_ms = included, entry_count = entry_count + (included > 0)::integer
    FROM unnest(p_account_ids, p_subscription_ids, p_starts, p_ends, p_rates_micros, p_chat_ms, p_included_ms)
         AS opened (account_id, subscription_id, period_start, period_end, rate, chat_ms, included)
    WHERE pools.account_id = opened.account_id;
    PERFORM note_changes_v1(p_account_ids, p_now);
END $$;
