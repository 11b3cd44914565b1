-- Record usage events as decided under the lock of open_usage_v1, post what they cost, close the holds they settle.
-- Everything is one commit with the caller's: the event that makes the usage unique and the money it moves can't
-- come apart. Each event and each hold may name the transfer that pays for it by its place in the transfer arrays
-- (1-based; null where nothing is paid). Returns the transfers' ids.
-- Locks: accounts in the order of account_id, held by the caller.
CREATE OR REPLACE FUNCTION ledger.post_usage_v1(
    p_event_account_ids text[], p_sources text[], p_event_ids text[], p_types text[], p_ref_ids text[],
    p_hashes bytea[], p_states text[], p_occurred_at timestamptz[], p_stated_at timestamptz[],
    p_book_versions integer[], p_own_versions integer[], p_data jsonb[],
    p_accepted_twins boolean[], p_transfer_places integer[],
    p_account_ids text[], p_kinds text[], p_reasons text[], p_amounts bigint[], p_counter_accounts text[],
    p_descriptions text[], p_reference_types text[], p_reference_ids text[],
    p_number_ids text[], p_number_values text[], p_metadata jsonb[],
    p_hold_account_ids text[], p_hold_kinds text[], p_hold_refs text[], p_hold_transfer_places integer[],
    p_settled_account_ids text[], p_settled_ids text[], p_now timestamptz
) RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
    freed_account_ids text[];
    freed_micros bigint[];
    freed_calls integer[];
    ids bigint[];
BEGIN
    WITH closing AS (
        SELECT h.account_id, h.amount_micros, h.pool_ms, h.kind
        FROM unnest(p_hold_account_ids, p_hold_kinds, p_hold_refs) AS settled (account_id, kind, ref_id)
        JOIN ledger.holds AS h USING (account_id, kind, ref_id)
        WHERE h.state = 'open'
    ), pooled AS (
        UPDATE ledger.pools SET held_ms = held_ms - freed.pool_ms
        FROM (SELECT account_id, sum(pool_ms) AS pool_ms FROM closing GROUP BY account_id) AS freed
        WHERE pools.account_id = freed.account_id AND freed.pool_ms <> 0
    )
    SELECT array_agg(account_id), array_agg(micros), array_agg(calls)
    INTO freed_account_ids, freed_micros, freed_calls
    FROM (SELECT account_id, sum(amount_micros)::bigint AS micros,
                 (count(*) FILTER (WHERE kind = 'call'))::integer AS calls
          FROM closing GROUP BY account_id) AS freed;

    ids := ledger.post_transfers_v1(
        p_account_ids, p_kinds, p_reasons, p_amounts, p_counter_accounts,
        array_fill(NULL::text, ARRAY[cardinality(p_account_ids)]), p_descriptions, p_reference_types,
        p_reference_ids, p_number_ids, p_number_values, p_metadata,
        coalesce(freed_account_ids, '{}'), coalesce(freed_micros, '{}'), coalesce(freed_calls, '{}'),
        p_settled_account_ids, p_settled_ids, p_now);

    UPDATE ledger.holds SET state = 'billed', closed_at = p_now, transfer_id = ids[settled.place]
    FROM unnest(p_hold_account_ids, p_hold_kinds, p_hold_refs, p_hold_transfer_places)
         AS settled (account_id, kind, ref_id, place)
    WHERE holds.account_id = settled.account_id AND holds.kind = settled.kind AND holds.ref_id = settled.ref_id;

    INSERT INTO ledger.usage_events (
        account_id, source, event_id, type, ref_id, content_hash, state, occurred_at, stated_at, received_at,
        book_version, own_version, data, transfer_id, is_accepted_twin)
    SELECT told.account_id, told.source, told.event_id, told.type, told.ref_id, told.hash, told.state,
           told.occurred_at, told.stated_at, p_now, told.book_version, told.own_version, told.data,
           ids[told.place], told.is_accepted_twin
    FROM unnest(p_event_account_ids, p_sources, p_event_ids, p_types, p_ref_ids, p_hashes, p_states,
                p_occurred_at, p_stated_at, p_book_versions, p_own_versions, p_data,
                p_accepted_twins, p_transfer_places)
         AS told (account_id, source, event_id, type, ref_id, hash, state, occurred_at, stated_at, book_version,
                  own_version, data, is_accepted_twin, place);
    RETURN ids;
END $$;
