-- Columns of a batch travel as one text each, its values apart by the text that comes last: see store.py.

-- name: open_usage
SELECT * FROM ledger.open_usage_v1(
    string_to_array($1, $6), string_to_array($2, $6), string_to_array($3, $6), string_to_array($4, $6),
    string_to_array($5, $6, ''));

-- name: post_usage
SELECT ledger.post_usage_v1(
    string_to_array($1, $24), string_to_array($2, $24), string_to_array($3, $24), string_to_array($4, $24),
    string_to_array($5, $24, ''), string_to_array($6, $24)::bytea[], string_to_array($7, $24)::timestamptz[],
    string_to_array($8, $24)::timestamptz[], string_to_array($9, $24)::json[], string_to_array($10, $24, ''),
    string_to_array($11, $24, ''), string_to_array($12, $24), string_to_array($13, $24, '')::integer[],
    string_to_array($14, $24, '')::integer[], string_to_array($15, $24)::boolean[], string_to_array($16, $24, ''),
    string_to_array($17, $24)::boolean[], string_to_array($18, $24, '')::bigint[], string_to_array($19, $24, ''),
    string_to_array($20, $24, ''), string_to_array($21, $24, ''), string_to_array($22, $24, ''),
    string_to_array($23, $24, '')::json[], $25, $26);

-- name: note_integer_ids
SELECT ledger.note_integer_ids_v1($1, $2);

-- name: post_transfers
SELECT ledger.post_transfers_v1(
    $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, '{}', '{}', '{}', $13, $14, $15);

-- name: lock_account
SELECT account_id, prices_version, billing_suspension IS NOT NULL AS is_suspended_by_billing
FROM ledger.accounts WHERE account_id = $1 FOR UPDATE;

-- name: find_usage
SELECT source, event_id, type, content_hash, state, occurred_at, stated_at, received_at, book_version, own_version, data,
       transfer_id
FROM ledger.usage_events WHERE account_id = $1 AND source = $2 AND event_id = $3;

-- name: corrections_of
SELECT source, event_id, stated_at, data, state, transfer_id
FROM ledger.usage_events WHERE account_id = $1 AND refers_to_source = $2 AND refers_to_id = $3;

-- name: amounts_of
SELECT coalesce(sum(amount_micros), 0)::bigint FROM ledger.transfers WHERE id = ANY ($1);

-- name: record_usage
INSERT INTO ledger.usage_events (
    account_id, source, event_id, type, content_hash, state, occurred_at, stated_at, received_at, data,
    transfer_id, refers_to_source, refers_to_id)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13);

-- name: set_usage_state
UPDATE ledger.usage_events SET state = $4, transfer_id = coalesce($5, transfer_id)
WHERE account_id = $1 AND source = $2 AND event_id = $3;

-- name: forget_usage
DELETE FROM ledger.usage_events WHERE account_id = $1 AND source = $2 AND event_id = $3;

-- name: upsert_number
INSERT INTO ledger.numbers (account_id, number_id, number, suspended_by_billing) VALUES ($1, $2, $3, $4)
ON CONFLICT (account_id, number_id) DO UPDATE SET number = excluded.number;

-- name: insert_number_change
INSERT INTO ledger.number_changes (account_id, number_id, at, change) VALUES ($1, $2, $3, $4)
ON CONFLICT DO NOTHING;

-- name: number_changes
SELECT at, change FROM ledger.number_changes WHERE account_id = $1 AND number_id = $2;

-- name: forget_rentals
DELETE FROM ledger.rentals WHERE account_id = $1 AND number_id = $2 RETURNING rented_at, per;

-- name: insert_rental
INSERT INTO ledger.rentals (account_id, number_id, rented_at, released_at, per, next_fee_at)
VALUES ($1, $2, $3, $4, $5, $6);

-- name: fees_after
SELECT id, amount_micros, origin, metadata FROM ledger.transfers
WHERE account_id = $1 AND number_id = $2 AND reason = 'number_fee' AND kind = 'debit'
  AND (metadata ->> 'mark')::timestamptz >= $3 AND ($4::timestamptz IS NULL OR (metadata ->> 'mark')::timestamptz < $4);

-- name: accounts_with_a_fee_due
SELECT DISTINCT account_id FROM (
    SELECT account_id FROM ledger.rentals WHERE next_fee_at <= $1 ORDER BY next_fee_at LIMIT $2) AS due;

-- name: lock_accounts
SELECT account_id, prices_version, true AS is_known_account,
       (SELECT max(version) FROM ledger.price_books) AS book_version
FROM ledger.accounts WHERE account_id = ANY ($1) ORDER BY account_id FOR UPDATE;

-- name: rentals_with_a_fee_due
SELECT account_id, number_id, number, rented_at, released_at, per, next_fee_at
FROM ledger.rentals JOIN ledger.numbers USING (account_id, number_id)
WHERE account_id = ANY ($1) AND next_fee_at <= $2 ORDER BY account_id, next_fee_at, number_id;

-- name: known_origins
SELECT origin FROM ledger.transfers WHERE origin = ANY ($1);

-- name: set_next_fee
UPDATE ledger.rentals SET next_fee_at = due.next_fee_at
FROM unnest($1::text[], $2::text[], $3::timestamptz[], $4::timestamptz[])
     AS due (account_id, number_id, rented_at, next_fee_at)
WHERE rentals.account_id = due.account_id AND rentals.number_id = due.number_id AND rentals.rented_at = due.rented_at;

-- name: append_events
SELECT ledger.append_events_v1($1, $2, $3, $4);

-- name: expire_holds
SELECT ledger.expire_holds_v1($1, $2) AS account_id;

-- name: forget_old_events
DELETE FROM ledger.events WHERE created_at < $1;

-- name: forget_old_idempotency_keys
DELETE FROM ledger.idempotency_keys WHERE created_at < $1 AND status >= 400;

-- name: set_suspension
SELECT ledger.set_suspension_v1($1, $2, $3, $4);

-- name: insert_news
INSERT INTO ledger.news (account_id, settled, created_at) VALUES ($1, '{}', $2);
