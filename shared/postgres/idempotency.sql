-- name: claim
SELECT pg_try_advisory_xact_lock(hashtextextended($1 || ' ' || $2 || ' ' || $3, 8402))

-- name: find
SELECT request_hash, status, answer, created_at FROM idempotency_keys WHERE account_id = $1 AND route = $2 AND key = $3

-- name: keep
INSERT INTO idempotency_keys (account_id, route, key, request_hash, status, answer, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (account_id, route, key) DO UPDATE SET
    request_hash = excluded.request_hash, status = excluded.status, answer = excluded.answer,
    created_at = excluded.created_at
