-- name: balance_of_locked
SELECT balance_micros FROM ledger.accounts WHERE account_id = $1 FOR UPDATE

-- name: transaction
SELECT ledger.transaction_json(entry) FROM ledger.transactions_v1 AS entry WHERE id = $1
