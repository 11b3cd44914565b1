-- What posting these usage events needs, read under lock: is the account there, is the event known, is there a twin,
-- which hold waits for it, which minutes are there, does a correction wait. One row per event in the order given.
-- wallet_ms is null for an account that never had minutes; which plan ran before the present one is a question of its
-- own (plans.sql), for few events.
-- Locks first, reads second: accounts in the order of account_id, kept until the caller commits.
CREATE OR REPLACE FUNCTION ledger.open_usage_v1(
    p_account_ids text[], p_sources text[], p_event_ids text[], p_types text[], p_ref_ids text[]
) RETURNS TABLE (
    is_known_account boolean, prices_version integer, known_hash bytea, has_twin boolean,
    hold_state text, hold_amount_micros bigint, subscription_id text, period_end timestamptz,
    chat_ms bigint, included_ms bigint, wallet_ms bigint, counts_from timestamptz,
    has_correction boolean, book_version integer
) LANGUAGE plpgsql
-- A plan made while tables are small must suit large ones, too.
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET enable_material = off
AS $$
DECLARE
    newest_book integer := (SELECT max(version) FROM ledger.price_books);
BEGIN
    PERFORM FROM ledger.accounts WHERE account_id = ANY (p_account_ids) ORDER BY account_id FOR UPDATE;
    RETURN QUERY
    SELECT a.account_id IS NOT NULL, a.prices_version, known.content_hash, twin.event_id IS NOT NULL,
           h.state, h.amount_micros, pools.subscription_id, pools.period_end, pools.chat_ms,
           pools.included_ms, pools.wallet_ms, pools.counts_from,
           -- EXISTS might be planned as a table of all corrections, made anew for each call.
           (SELECT true FROM ledger.usage_events AS waiting
            WHERE waiting.account_id = told.account_id AND waiting.refers_to_source = told.source
              AND waiting.refers_to_id = told.event_id LIMIT 1) IS NOT NULL,
           newest_book
    FROM unnest(p_account_ids, p_sources, p_event_ids, p_types, p_ref_ids)
         WITH ORDINALITY AS told (account_id, source, event_id, type, ref_id, ordinal)
    LEFT JOIN ledger.accounts AS a ON a.account_id = told.account_id
    LEFT JOIN ledger.usage_events AS known
        ON known.account_id = told.account_id AND known.source = told.source AND known.event_id = told.event_id
    LEFT JOIN ledger.usage_events AS twin
        ON twin.account_id = told.account_id AND twin.type = told.type AND twin.ref_id = told.ref_id
        AND twin.ref_id IS NOT NULL AND NOT twin.is_accepted_twin
    LEFT JOIN ledger.holds AS h
        ON h.account_id = told.account_id AND h.kind = ledger.hold_kind(told.type) AND h.ref_id = told.ref_id
    LEFT JOIN ledger.pools ON pools.account_id = told.account_id
    ORDER BY told.ordinal;
END $$;
