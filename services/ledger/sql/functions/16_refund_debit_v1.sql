-- Give a debit back to the wallet it was taken from: a transfer of kind refund, positive, tied to what the debit was.
-- p_amount_micros null: all that is left, which is the debit less earlier refunds and what corrections gave back.
-- Outcomes: refunded (transfer_id is set), not_found, not_refundable (no debit, or refunded too often),
-- exceeds_original (nothing or not so much is left: left_micros). Locks: the account's row.
CREATE OR REPLACE FUNCTION ledger.refund_debit_v1(
    p_transaction_id bigint, p_amount_micros bigint, p_reason text, p_now timestamptz,
    OUT outcome text, OUT transfer_id bigint, OUT left_micros bigint
) LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
    -- Refunds are found by their numbered origins, without an index of their own.
    refunds_max CONSTANT integer := 100;
    original transfers;
    refunds bigint;
BEGIN
    SELECT * INTO original FROM transfers WHERE id = p_transaction_id;
    IF NOT FOUND THEN
        outcome := 'not_found';
        RETURN;
    END IF;
    PERFORM FROM accounts WHERE account_id = original.account_id FOR UPDATE;
    SELECT count(*), -original.amount_micros - coalesce(sum(amount_micros), 0) INTO refunds, left_micros
    FROM transfers
    WHERE origin IN (SELECT 'refund:' || p_transaction_id || ':' || place FROM generate_series(1, refunds_max) AS place);
    IF original.kind <> 'debit' OR refunds = refunds_max THEN
        outcome := 'not_refundable';
        RETURN;
    END IF;
    left_micros := greatest(left_micros - greatest(given_back_v1(original), 0), 0);
    IF coalesce(p_amount_micros, left_micros) NOT BETWEEN 1 AND left_micros THEN
        outcome := 'exceeds_original';
        RETURN;
    END IF;
    transfer_id := (post_transfers_v1(
        ARRAY[original.account_id], ARRAY['refund'], ARRAY['refund'], ARRAY[coalesce(p_amount_micros, left_micros)],
        ARRAY[original.counter_account], ARRAY['refund:' || p_transaction_id || ':' || refunds + 1],
        ARRAY['Refund: ' || original.description], ARRAY[original.reference_type], ARRAY[original.reference_id],
        ARRAY[original.number_id], ARRAY[original.number_value],
        ARRAY[json_build_object('refunds_transaction', p_transaction_id, 'to', 'wallet', 'reason', p_reason)],
        '{}', '{}', '{}', '{}', '{}', p_now))[1];
    outcome := 'refunded';
END $$;

-- What corrections of the same usage, or a number's late release, gave back of a debit. Locks: none.
CREATE OR REPLACE FUNCTION ledger.given_back_v1(original ledger.transfers) RETURNS bigint LANGUAGE sql STABLE
RETURN (
    SELECT coalesce(sum(other.amount_micros), 0)::bigint FROM (
        SELECT correction.amount_micros FROM ledger.transfers AS correction
        WHERE correction.account_id = original.account_id AND correction.reference_id = original.reference_id
          AND correction.reason = 'usage_adjusted'
          AND (correction.metadata -> 'corrects_transactions')::jsonb @> to_jsonb(original.id)
        UNION ALL
        SELECT fee.amount_micros FROM ledger.transfers AS fee WHERE fee.origin = 'given_back:' || original.origin
    ) AS other);
