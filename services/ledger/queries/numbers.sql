-- name: numbers
SELECT account_id, number_id, number, status, reason, rented_at, released_at, next_fee_at, per, prices_version,
       ledger.shown_id(account_id, account_id) AS shown_account_id,
       ledger.shown_id(account_id, number_id) AS shown_number_id
FROM ledger.numbers_v1
WHERE ($1::text IS NULL OR account_id = $1) AND ($2::text IS NULL OR status = $2)
ORDER BY rented_at DESC NULLS LAST, account_id DESC, number_id DESC LIMIT $3 OFFSET $4

-- name: count_numbers
SELECT count(*) FROM ledger.numbers_v1
WHERE ($1::text IS NULL OR account_id = $1) AND ($2::text IS NULL OR status = $2)

-- name: number
SELECT account_id, number_id, number, status, reason, rented_at, released_at, next_fee_at, per, prices_version,
       ledger.shown_id(account_id, account_id) AS shown_account_id,
       ledger.shown_id(account_id, number_id) AS shown_number_id
FROM ledger.numbers_v1 WHERE account_id = $1 AND number_id = $2

-- name: accounts_of_number
SELECT account_id FROM ledger.numbers WHERE number_id = $1 LIMIT 2

-- name: set_suspension
SELECT ledger.set_number_suspension_v1($1, $2, $3, $4)
