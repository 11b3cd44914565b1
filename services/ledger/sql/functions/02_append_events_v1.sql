-- Append outward events, numbered per account, and put them in the outbox, due at once.
-- The accounts must exist. Locks: the accounts' rows (in the order of account_id, if not locked already).
CREATE OR REPLACE FUNCTION ledger.append_events_v1(
    p_account_ids text[], p_types text[], p_data jsonb[], p_now timestamptz
) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
BEGIN
    PERFORM FROM accounts WHERE account_id = ANY (p_account_ids) ORDER BY account_id FOR UPDATE;
    INSERT INTO events (account_id, seq, id, type, data, created_at)
    SELECT told.account_id,
           accounts.event_seq + row_number() OVER (PARTITION BY told.account_id ORDER BY told.ordinal),
           new_id('evt', p_now), told.type,
           with_sent_ids(told.account_id, told.data), p_now
    FROM unnest(p_account_ids, p_types, p_data) WITH ORDINALITY AS told (account_id, type, data, ordinal)
    JOIN accounts USING (account_id);
    INSERT INTO outbox (account_id, seq, leased_until)
    SELECT told.account_id,
           accounts.event_seq + row_number() OVER (PARTITION BY told.account_id ORDER BY told.ordinal),
           '-infinity'
    FROM unnest(p_account_ids) WITH ORDINALITY AS told (account_id, ordinal)
    JOIN accounts USING (account_id);
    UPDATE accounts SET event_seq = event_seq + told.count
    FROM (SELECT account_id, count(*) FROM unnest(p_account_ids) AS each (account_id) GROUP BY account_id) AS told
    WHERE accounts.account_id = told.account_id;
END $$;

-- The same for one event.
CREATE OR REPLACE FUNCTION ledger.append_event_v1(
    p_account_id text, p_type text, p_data jsonb, p_now timestamptz
) RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
    SELECT append_events_v1(ARRAY[p_account_id], ARRAY[p_type], ARRAY[p_data], p_now);
$$;
