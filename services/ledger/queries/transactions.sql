-- name: transactions
-- An account's entries lie in the order of time but for what clocks of several replicas differ by: the dates bound the
-- part of its sequence to look at, found by halving, with more room than clocks ever differ; then they are compared.
SELECT entry.seq, entry.told AS transaction
FROM ledger.transactions_v1 AS entry
WHERE account_id = $1
  AND ($2::text[] IS NULL OR reason = ANY ($2))
  AND ($3::timestamptz IS NULL OR created_at >= $3)
  AND ($4::timestamptz IS NULL OR created_at < $4)
  AND ($5::bigint IS NULL OR seq < $5)
  AND seq >= CASE WHEN $3 IS NULL THEN 1 ELSE ledger.first_entry_since($1, $3 - interval '5 minutes') END
  AND seq < CASE WHEN $4 IS NULL THEN 9223372036854775807
                 ELSE ledger.first_entry_since($1, $4 + interval '5 minutes') END
ORDER BY seq DESC LIMIT $6 OFFSET $7
