-- Suspend or reinstate an account: 'manual' by an operator, 'billing' for want of money. The two are kept apart,
-- a payment lifts the billing one only. A reason of null lifts. A billing suspension takes the account's numbers
-- with it and brings them back (of a released number nothing is said). Says account_suspended / account_reinstated and number_* only where something
-- changed; returns whether it did. Locks: the account's row.
CREATE OR REPLACE FUNCTION ledger.set_suspension_v1(p_account_id text, p_by text, p_reason text, p_now timestamptz)
RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
    account accounts;
    was_suspended boolean;
    is_suspended boolean;
    turned text;
    flipped_numbers jsonb[];
BEGIN
    SELECT * INTO account FROM accounts WHERE account_id = p_account_id FOR UPDATE;
    IF NOT FOUND THEN
        RAISE foreign_key_violation USING MESSAGE = format('there is no account %s', p_account_id);
    END IF;
    IF p_reason IS NOT DISTINCT FROM
        (CASE p_by WHEN 'manual' THEN account.manual_suspension ELSE account.billing_suspension END) THEN
        RETURN false;
    END IF;
    was_suspended := coalesce(account.manual_suspension, account.billing_suspension) IS NOT NULL;
    UPDATE accounts SET
        manual_suspension = CASE p_by WHEN 'manual' THEN p_reason ELSE manual_suspension END,
        billing_suspension = CASE p_by WHEN 'billing' THEN p_reason ELSE billing_suspension END,
        version = version + 1
    WHERE account_id = p_account_id RETURNING * INTO account;
    is_suspended := coalesce(account.manual_suspension, account.billing_suspension) IS NOT NULL;
    IF is_suspended <> was_suspended THEN
        PERFORM append_event_v1(
            p_account_id, CASE WHEN is_suspended THEN 'account_suspended' ELSE 'account_reinstated' END,
            balance_json(account) || jsonb_build_object(
                'reason', coalesce(account.manual_suspension, account.billing_suspension, p_reason), 'by', p_by),
            p_now);
    END IF;
    IF p_by = 'billing' THEN
        turned := CASE WHEN p_reason IS NULL THEN 'number_reinstated' ELSE 'number_suspended' END;
        WITH flipped AS (
            UPDATE numbers SET suspended_by_billing = p_reason IS NOT NULL
            WHERE account_id = p_account_id AND suspended_by_billing <> (p_reason IS NOT NULL)
            RETURNING number_id, number, suspended_by_hand
        )
        SELECT array_agg(jsonb_build_object('number_id', number_id, 'number', number, 'by', 'billing'))
        INTO flipped_numbers FROM flipped
        WHERE NOT suspended_by_hand AND EXISTS (
            SELECT FROM rentals WHERE rentals.account_id = p_account_id AND rentals.number_id = flipped.number_id
              AND rentals.released_at IS NULL);
        IF flipped_numbers IS NOT NULL THEN
            PERFORM append_events_v1(
                array_fill(p_account_id, ARRAY[cardinality(flipped_numbers)]),
                array_fill(turned, ARRAY[cardinality(flipped_numbers)]), flipped_numbers, p_now);
        END IF;
    END IF;
    RETURN true;
END $$;
