-- Record usage events as decided under the lock of open_usage_v1, post what they cost, close the holds they settle.
-- Everything is one commit with the caller's: the event that makes the usage unique and the money it moves can't
-- come apart. One row per event; p_amounts is the signed effect on the wallet, null where nothing is paid;
-- p_settled_ids is null for usage that waits; p_holds_are_open says whose hold still held money when open_usage_v1
-- read it. Returns the transfers' ids, aligned with the events.
-- Locks: accounts in the order of account_id, held by the caller since open_usage_v1.
CREATE OR REPLACE FUNCTION ledger.post_usage_v1(
    p_account_ids text[], p_sources text[], p_event_ids text[], p_types text[], p_ref_ids text[],
    p_hashes bytea[], p_occurred_at timestamptz[], p_stated_at timestamptz[], p_data json[], p_number_ids text[],
    p_number_values text[], p_states text[], p_book_versions integer[], p_own_versions integer[],
    p_accepted_twins boolean[], p_settled_ids text[], p_holds_are_open boolean[], p_amounts bigint[],
    p_reasons text[], p_descriptions text[], p_reference_types text[], p_reference_ids text[], p_metadata json[],
    p_counter_account text, p_now timestamptz
) RETURNS bigint[] LANGUAGE plpgsql
-- A plan made while tables are small must suit large ones, too: one of them read every open hold for each batch.
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET enable_material = off
AS $$
DECLARE
    events integer := cardinality(p_account_ids);
    ids bigint[] := ARRAY(SELECT nextval('ledger.transfers_id_seq') FROM generate_series(1, events));
    freed_account_ids text[];
    freed_micros bigint[];
    freed_calls integer[];
BEGIN
    WITH closed AS (
        -- A hold is changed once even if two events of the batch name it, so it is freed once.
        UPDATE ledger.holds SET
            state = 'billed', closed_at = p_now,
            transfer_id = CASE WHEN told.amount IS NOT NULL THEN told.transfer_id END
        FROM unnest(p_account_ids, p_types, p_ref_ids, p_settled_ids, p_holds_are_open, p_amounts, ids)
             AS told (account_id, type, ref_id, settled_id, was_open, amount, transfer_id)
        WHERE holds.account_id = told.account_id AND holds.kind = ledger.hold_kind(told.type)
          AND holds.ref_id = told.ref_id AND settled_id IS NOT NULL
        RETURNING holds.account_id, holds.kind, holds.amount_micros, holds.pool_ms, told.was_open
    ), pooled AS (
        UPDATE ledger.pools SET held_ms = held_ms - freed.pool_ms
        FROM (SELECT account_id, sum(pool_ms) AS pool_ms FROM closed WHERE was_open AND pool_ms <> 0
              GROUP BY account_id) AS freed
        WHERE pools.account_id = freed.account_id
    )
    SELECT array_agg(account_id), array_agg(micros), array_agg(calls)
    INTO freed_account_ids, freed_micros, freed_calls
    FROM (SELECT account_id, sum(amount_micros)::bigint AS micros,
                 (count(*) FILTER (WHERE kind = 'call'))::integer AS calls
          FROM closed WHERE was_open GROUP BY account_id) AS freed;

    PERFORM ledger.move_money(
        ids, p_account_ids, array_fill('debit'::text, ARRAY[events]), p_reasons, p_amounts,
        array_fill(p_counter_account, ARRAY[events]), NULL, p_descriptions,
        p_reference_types, p_reference_ids, p_number_ids, p_number_values, p_metadata,
        freed_account_ids, freed_micros, freed_calls, p_account_ids, p_settled_ids, p_now);

    INSERT INTO ledger.usage_events (
        account_id, source, event_id, type, ref_id, content_hash, state, occurred_at, stated_at, received_at,
        book_version, own_version, data, transfer_id, is_accepted_twin)
    SELECT told.account_id, told.source, told.event_id, told.type, told.ref_id, told.hash, told.state,
           told.occurred_at, told.stated_at, p_now, told.book_version, told.own_version, told.data,
           CASE WHEN told.amount IS NOT NULL THEN told.transfer_id END, told.is_accepted_twin
    FROM unnest(p_account_ids, p_sources, p_event_ids, p_types, p_ref_ids, p_hashes, p_states,
                p_occurred_at, p_stated_at, p_book_versions, p_own_versions, p_data,
                p_accepted_twins, p_amounts, ids)
         AS told (account_id, source, event_id, type, ref_id, hash, state, occurred_at, stated_at, book_version,
                  own_version, data, is_accepted_twin, amount, transfer_id);
    RETURN ids;
END $$;
