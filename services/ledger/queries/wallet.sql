-- name: balance
SELECT balance_micros, held_micros, credit_limit_micros
FROM ledger.accounts WHERE account_id = $1

-- name: moved_by_day
SELECT (created_at AT TIME ZONE 'UTC')::date AS day, reason, count(*) AS count, sum(amount_micros)::bigint AS micros
FROM ledger.transfers WHERE account_id = $1 AND created_at >= $2
  AND seq >= ledger.first_entry_since($1, $2 - interval '5 minutes')
GROUP BY day, reason ORDER BY day DESC, reason
