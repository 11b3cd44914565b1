-- Compose what is to be told of these accounts: one balance_changed each where money news waits (the latest state,
-- at most 500 of its transactions and all settled ids), and claim it with everything else their outbox holds.
-- Returns the events to publish, in their order; after the broker has confirmed, call published_v1. What is not
-- confirmed by p_lease_until may be claimed again; a lease that ends later than one taken now was written by a clock
-- that has been set back since, and is none. `data` is JSON as text: it is passed on, not looked into; is_part says
-- that there is more to tell of the account. Locks: accounts in the order of account_id.
CREATE OR REPLACE FUNCTION ledger.announce_v1(p_account_ids text[], p_now timestamptz, p_lease_until timestamptz)
RETURNS TABLE (account_id text, seq bigint, id text, type text, data text, created_at timestamptz, is_part boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp
-- Else half of the calls, which come one by one, plan these statements anew: that took longer than running them.
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET enable_material = off
AS $$
#variable_conflict use_column
BEGIN
    PERFORM FROM accounts WHERE account_id = ANY (p_account_ids) ORDER BY account_id FOR UPDATE;

    WITH heard AS (
        DELETE FROM news WHERE account_id = ANY (p_account_ids) RETURNING account_id, id, settled
    ), state AS (
        SELECT accounts AS account, least(entry_count, announced_count + 500) AS upto, refs.settled
        FROM (
            SELECT account_id,
                   coalesce(
                       json_agg(shown_id(account_id, ref) ORDER BY heard.id, place) FILTER (WHERE ref IS NOT NULL),
                       '[]') AS settled
            FROM heard LEFT JOIN LATERAL unnest(settled) WITH ORDINALITY AS ref_of (ref, place) ON true
            GROUP BY account_id
        ) AS refs
        JOIN accounts USING (account_id)
    ), composed AS (
        INSERT INTO events (account_id, seq, id, type, data, created_at)
        SELECT (account).account_id, (account).event_seq + 1, new_id('evt', p_now), 'balance_changed',
               -- The transactions are long, and texts already: appended as they are.
               (left((balance_json(account) || jsonb_build_object('settled', settled))::text, -1)
                || ', "transactions": [' || coalesce((
                       SELECT string_agg(entry.told::text, ', ' ORDER BY entry.seq)
                       FROM transactions_v1 AS entry
                       WHERE entry.account_id = (account).account_id
                         AND entry.seq > (account).announced_count AND entry.seq <= upto), '') || ']}')::json,
               p_now
        FROM state
        RETURNING account_id, seq
    ), posted AS (
        INSERT INTO outbox (account_id, seq, leased_until)
        SELECT account_id, seq, '-infinity' FROM composed
    ), rest AS (
        -- More than one event can carry: the remainder waits as news of its own.
        INSERT INTO news (account_id, settled, created_at)
        SELECT (account).account_id, '{}', p_now FROM state WHERE upto < (account).entry_count
    )
    UPDATE accounts SET event_seq = event_seq + 1, announced_count = state.upto
    FROM state WHERE accounts.account_id = (state.account).account_id;

    RETURN QUERY
    WITH claimed AS (
        UPDATE outbox SET leased_until = p_lease_until
        WHERE account_id = ANY (p_account_ids) AND (leased_until < p_now OR leased_until > p_lease_until)
        RETURNING account_id, seq
    )
    SELECT events.account_id, events.seq, events.id, events.type, events.data::text, events.created_at,
           (SELECT true FROM news WHERE news.account_id = events.account_id LIMIT 1) IS NOT NULL
    FROM claimed JOIN events USING (account_id, seq) ORDER BY account_id, seq;
END $$;

-- These events have been confirmed by the broker.
CREATE OR REPLACE FUNCTION ledger.published_v1(p_account_ids text[], p_seqs bigint[])
RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
    DELETE FROM outbox USING unnest(p_account_ids, p_seqs) AS sent (account_id, seq)
    WHERE outbox.account_id = sent.account_id AND outbox.seq = sent.seq;
$$;

-- Accounts of which something should have been published by now: what a crash left, or a clock set back since: no lease
-- is as long as a minute, and no news is of tomorrow.
CREATE OR REPLACE FUNCTION ledger.unannounced_v1(p_now timestamptz, p_news_before timestamptz, p_limit integer)
RETURNS SETOF text LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
    SELECT account_id FROM (
        SELECT account_id FROM outbox WHERE leased_until < p_now OR leased_until > p_now + interval '1 minute'
        UNION
        SELECT account_id FROM news WHERE created_at < p_news_before OR created_at > p_now
    ) AS left_over LIMIT p_limit;
$$;
