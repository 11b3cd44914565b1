-- name: balance_of_locked
SELECT balance_micros FROM ledger.accounts WHERE account_id = $1 FOR UPDATE

-- name: transaction
SELECT told FROM ledger.transactions_v1 WHERE id = $1
