-- The only thing that moves money. Posts transfers under the ids given, in their order, frees holds, counts the
-- month's spend, settles the latches and leaves news to announce. Amounts are the signed effect on the wallet in
-- micros. p_freed_* say per account what billed holds give back; p_settled_* which calls and messages were settled.
-- A row without an amount (null) moves nothing and posts nothing. A repeated origin raises unique_violation: it has
-- moved money. Not a door: for the doors below and in post_usage_v1.
-- Locks: none of its own; the caller holds the accounts' rows.
CREATE OR REPLACE FUNCTION ledger.move_money(
    p_ids bigint[], p_account_ids text[], p_kinds text[], p_reasons text[], p_amounts bigint[],
    p_counter_accounts text[], p_origins text[], p_descriptions text[], p_reference_types text[],
    p_reference_ids text[], p_number_ids text[], p_number_values text[], p_metadata json[],
    p_freed_account_ids text[], p_freed_micros bigint[], p_freed_calls integer[],
    p_settled_account_ids text[], p_settled_ids text[], p_now timestamptz
) RETURNS void LANGUAGE plpgsql
-- A plan made while tables are small must suit large ones, too; and making it anew each time took longer than a lone
-- event.
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET enable_material = off
AS $$
DECLARE
    this_month date := date_trunc('month', p_now AT TIME ZONE 'UTC')::date;
    crossing text[];
BEGIN
    INSERT INTO ledger.transfers (
        id, account_id, seq, kind, reason, amount_micros, balance_after_micros, counter_account, origin,
        description, reference_type, reference_id, number_id, number_value, metadata, created_at)
    OVERRIDING SYSTEM VALUE
    SELECT posted.id, posted.account_id,
           accounts.entry_count + row_number() OVER chain, posted.kind, posted.reason, posted.amount,
           accounts.balance_micros + sum(posted.amount) OVER chain, posted.counter_account, posted.origin,
           posted.description, posted.reference_type, posted.reference_id, posted.number_id,
           posted.number_value, posted.metadata, p_now
    FROM unnest(p_ids, p_account_ids, p_kinds, p_reasons, p_amounts, p_counter_accounts, p_origins,
                p_descriptions, p_reference_types, p_reference_ids, p_number_ids, p_number_values, p_metadata)
         AS posted (id, account_id, kind, reason, amount, counter_account, origin, description,
                    reference_type, reference_id, number_id, number_value, metadata)
    JOIN ledger.accounts USING (account_id)
    WHERE posted.amount IS NOT NULL
    WINDOW chain AS (PARTITION BY posted.account_id ORDER BY posted.id ROWS UNBOUNDED PRECEDING);

    WITH moved AS (
        UPDATE ledger.accounts SET
            balance_micros = balance_micros + change.amount,
            held_micros = held_micros - change.freed,
            open_call_holds = open_call_holds - change.freed_calls,
            entry_count = entry_count + change.entries,
            version = version + 1,
            spend_month = this_month,
            spend_micros = CASE WHEN spend_month = this_month THEN spend_micros ELSE 0 END + change.spend
        FROM (
            SELECT account_id, sum(amount) AS amount, sum(entries) AS entries, sum(spend) AS spend,
                   sum(freed) AS freed, sum(freed_calls) AS freed_calls
            FROM (
                SELECT account_id, coalesce(amount, 0) AS amount, (amount IS NOT NULL)::integer AS entries,
                       CASE WHEN reason IN ('call', 'sms', 'chat', 'usage_adjusted') THEN -amount ELSE 0 END AS spend,
                       0::bigint AS freed, 0 AS freed_calls
                FROM unnest(p_account_ids, p_reasons, p_amounts) AS posted (account_id, reason, amount)
                UNION ALL
                SELECT account_id, 0, 0, 0, freed, calls
                FROM unnest(p_freed_account_ids, p_freed_micros, p_freed_calls)
                     AS given_back (account_id, freed, calls)
            ) AS every
            GROUP BY account_id
        ) AS change
        WHERE accounts.account_id = change.account_id
        -- Whoever may have crossed a latch; settle_latches_v1 knows for sure.
        RETURNING accounts.account_id,
                  (balance_micros < low_balance_micros) <> is_low
                  OR (balance_micros + credit_limit_micros <= 0) <> is_depleted
                  OR billing_suspension IS NOT NULL AS may_cross
    )
    SELECT array_agg(account_id) FILTER (WHERE may_cross) INTO crossing FROM moved;
    IF crossing IS NOT NULL THEN
        PERFORM ledger.settle_latches_v1(crossing, p_now);
    END IF;

    INSERT INTO ledger.news (account_id, settled, created_at)
    SELECT account_id, coalesce(array_agg(ref_id ORDER BY ordinal) FILTER (WHERE ref_id IS NOT NULL), '{}'), p_now
    FROM (
        SELECT account_id, ref_id, ordinal
        FROM unnest(p_settled_account_ids, p_settled_ids) WITH ORDINALITY AS settled (account_id, ref_id, ordinal)
        UNION ALL
        SELECT account_id, NULL, 0 FROM unnest(p_account_ids) AS each (account_id)
        WHERE p_account_ids <> p_settled_account_ids
    ) AS told
    GROUP BY account_id;
END $$;

-- The same under the accounts' locks; returns the new ids in the order given (of rows without an amount they name
-- nothing). Every account settled or freed must be among p_account_ids.
-- Locks: the accounts' rows in the order of account_id (nothing to do if the caller holds them already).
CREATE OR REPLACE FUNCTION ledger.post_transfers_v1(
    p_account_ids text[], p_kinds text[], p_reasons text[], p_amounts bigint[], p_counter_accounts text[],
    p_origins text[], p_descriptions text[], p_reference_types text[], p_reference_ids text[],
    p_number_ids text[], p_number_values text[], p_metadata json[],
    p_freed_account_ids text[], p_freed_micros bigint[], p_freed_calls integer[],
    p_settled_account_ids text[], p_settled_ids text[], p_now timestamptz
) RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
    ids bigint[] := ARRAY(SELECT nextval('ledger.transfers_id_seq') FROM generate_series(1, cardinality(p_account_ids)));
BEGIN
    PERFORM FROM ledger.accounts WHERE account_id = ANY (p_account_ids) ORDER BY account_id FOR UPDATE;
    PERFORM ledger.move_money(
        ids, p_account_ids, p_kinds, p_reasons, p_amounts, p_counter_accounts, p_origins, p_descriptions,
        p_reference_types, p_reference_ids, p_number_ids, p_number_values, p_metadata,
        p_freed_account_ids, p_freed_micros, p_freed_calls, p_settled_account_ids, p_settled_ids, p_now);
    RETURN ids;
END $$;
