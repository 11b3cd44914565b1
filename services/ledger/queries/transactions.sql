-- name: transactions
SELECT entry.seq, ledger.transaction_json(entry) AS transaction
FROM ledger.transactions_v1 AS entry
WHERE account_id = $1
  AND ($2::text[] IS NULL OR reason = ANY ($2))
  AND ($3::timestamptz IS NULL OR created_at >= $3)
  AND ($4::timestamptz IS NULL OR created_at < $4)
  AND ($5::bigint IS NULL OR seq < $5)
ORDER BY seq DESC LIMIT $6 OFFSET $7
