-- Money in, or back out, for a cause that names itself: a payment, a refund, a dispute, an adjustment.
-- The cause moves money once for ever: posted again it changes nothing and returns the first transfer's id with
-- is_new = false. Raises foreign_key_violation for an account that does not exist.
-- Locks: the account's row.
CREATE OR REPLACE FUNCTION ledger.post_credit_v1(
    p_account_id text, p_kind text, p_reason text, p_amount_micros bigint, p_counter_account text,
    p_origin text, p_description text, p_reference_type text, p_reference_id text, p_metadata jsonb,
    p_now timestamptz, OUT transfer_id bigint, OUT is_new boolean
) LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
BEGIN
    PERFORM FROM accounts WHERE account_id = p_account_id FOR UPDATE;
    IF NOT FOUND THEN
        RAISE foreign_key_violation USING MESSAGE = format('there is no account %s', p_account_id);
    END IF;
    SELECT id INTO transfer_id FROM transfers WHERE origin = p_origin;
    is_new := transfer_id IS NULL;
    IF is_new THEN
        transfer_id := (post_transfers_v1(
            ARRAY[p_account_id], ARRAY[p_kind], ARRAY[p_reason], ARRAY[p_amount_micros], ARRAY[p_counter_account],
            ARRAY[p_origin], ARRAY[p_description], ARRAY[p_reference_type], ARRAY[p_reference_id],
            ARRAY[NULL::text], ARRAY[NULL::text], ARRAY[p_metadata::json],
            '{}', '{}', '{}', '{}', '{}', p_now))[1];
    END IF;
END $$;
