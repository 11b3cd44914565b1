-- A chat's metadata with its id as it was sent, like the one it refers to. Asked only where the text could be a number.
CREATE OR REPLACE FUNCTION ledger.with_sent_chat_id(p_account_id text, p_chat_id text, metadata json) RETURNS json
LANGUAGE sql STABLE
RETURN (
    SELECT json_object_agg(key, CASE key WHEN 'chat_id' THEN ledger.shown_id(p_account_id, p_chat_id) ELSE value END)
    FROM json_each(metadata));

-- A transfer as customers read it (contract §5, transactions): the only place that gives it this shape. `told` is all of
-- it as JSON. It is an expression of the view, not a function of its row: that would be called for each row, and took
-- longer than what it does.
CREATE OR REPLACE VIEW ledger.transactions_v1 AS
SELECT
    entry.*,
    json_build_object(
        'id', entry.id, 'kind', entry.kind, 'reason', entry.reason, 'description', entry.description,
        'amount_cents', entry.amount_cents, 'amount_usd', entry.amount_usd, 'amount_micros', entry.amount_micros,
        'balance_after_usd', entry.balance_after_usd, 'balance_after_micros', entry.balance_after_micros,
        'call_id', ledger.shown_id(entry.account_id, entry.call_id),
        'phone_number_id', ledger.shown_id(entry.account_id, entry.phone_number_id),
        'phone_number_value', entry.phone_number_value,
        'reference', json_build_object(
            'type', entry.reference_type, 'id', ledger.shown_id(entry.account_id, entry.reference_id)),
        'metadata', CASE WHEN entry.reference_type = 'chat' AND entry.reference_id ~ '^-?[0-9]+$'
            THEN ledger.with_sent_chat_id(entry.account_id, entry.reference_id, entry.metadata) ELSE entry.metadata END,
        'has_receipt', entry.has_receipt,
        'created_at', ledger.rfc3339(entry.created_at)) AS told
FROM (
    SELECT
        id,
        account_id,
        seq,
        kind,
        reason,
        description,
        ledger.floor_cents(balance_after_micros)
        - ledger.floor_cents(balance_after_micros - amount_micros) AS amount_cents,
        ledger.usd_text(
            ledger.floor_cents(balance_after_micros)
            - ledger.floor_cents(balance_after_micros - amount_micros)) AS amount_usd,
        amount_micros,
        ledger.usd_text(ledger.floor_cents(balance_after_micros)) AS balance_after_usd,
        balance_after_micros,
        CASE reference_type WHEN 'call' THEN reference_id END AS call_id,
        number_id AS phone_number_id,
        number_value AS phone_number_value,
        reference_type,
        reference_id,
        metadata,
        coalesce((metadata ->> 'has_receipt')::boolean, false) AS has_receipt,
        created_at
    FROM ledger.transfers
) AS entry;

-- Each transfer's two legs: they sum to zero, whatever was posted.
CREATE OR REPLACE VIEW ledger.entries_v1 AS
SELECT id AS transfer_id, account_id, 'wallet:' || account_id AS book_account, amount_micros, created_at
FROM ledger.transfers
UNION ALL
SELECT id, account_id, counter_account, -amount_micros, created_at
FROM ledger.transfers;
