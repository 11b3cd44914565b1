-- name: account_of_transaction
SELECT account_id FROM ledger.transfers WHERE id = $1

-- name: refund_debit
SELECT outcome, transfer_id, left_micros FROM ledger.refund_debit_v1($1, $2, $3, $4)
