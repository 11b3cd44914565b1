-- Numbers as they are now: the latest rental, whether and by whom suspended (contract §4, Numbers).
CREATE OR REPLACE VIEW ledger.numbers_v1 AS
SELECT
    numbers.account_id,
    numbers.number_id,
    numbers.number,
    CASE
        WHEN latest.rented_at IS NULL OR latest.released_at IS NOT NULL THEN 'released'
        WHEN numbers.suspended_by_hand OR numbers.suspended_by_billing THEN 'suspended'
        ELSE 'active'
    END AS status,
    CASE
        WHEN latest.rented_at IS NULL OR latest.released_at IS NOT NULL THEN NULL
        WHEN numbers.suspended_by_hand THEN 'manual'
        WHEN numbers.suspended_by_billing THEN 'billing'
    END AS reason,
    latest.rented_at,
    latest.released_at,
    latest.next_fee_at,
    latest.per,
    accounts.prices_version
FROM ledger.numbers
JOIN ledger.accounts USING (account_id)
LEFT JOIN LATERAL (
    SELECT rentals.rented_at, rentals.released_at, rentals.next_fee_at, rentals.per
    FROM ledger.rentals
    WHERE rentals.account_id = numbers.account_id AND rentals.number_id = numbers.number_id
    ORDER BY rentals.rented_at DESC LIMIT 1) AS latest ON true;

-- Suspend a number by hand or lift that. Says number_suspended / number_reinstated where the number's state changes:
-- one that billing has suspended as well stays suspended. Returns false when the account has no such number.
-- Locks: the account's row.
CREATE OR REPLACE FUNCTION ledger.set_number_suspension_v1(
    p_account_id text, p_number_id text, p_is_suspended boolean, p_now timestamptz
) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    changed ledger.numbers;
    is_known boolean;
BEGIN
    PERFORM FROM ledger.accounts WHERE account_id = p_account_id FOR UPDATE;
    UPDATE ledger.numbers SET suspended_by_hand = p_is_suspended
    WHERE account_id = p_account_id AND number_id = p_number_id AND suspended_by_hand <> p_is_suspended
    RETURNING * INTO changed;
    IF FOUND AND NOT changed.suspended_by_billing THEN
        PERFORM ledger.append_event_v1(
            p_account_id, CASE WHEN p_is_suspended THEN 'number_suspended' ELSE 'number_reinstated' END,
            jsonb_build_object('number_id', changed.number_id, 'number', changed.number, 'by', 'manual'), p_now);
    END IF;
    SELECT true INTO is_known FROM ledger.numbers WHERE account_id = p_account_id AND number_id = p_number_id;
    RETURN coalesce(is_known, false);
END $$;
