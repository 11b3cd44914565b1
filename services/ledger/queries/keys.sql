-- name: add_key
INSERT INTO ledger.api_keys (key_id, account_id, kind, secret_hash, hint, name, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (secret_hash) DO NOTHING

-- name: replace_configured_keys
UPDATE ledger.api_keys SET revoked_at = $4, name = $3
WHERE kind = 'platform' AND name = $2 AND secret_hash <> $1 AND revoked_at IS NULL

-- name: configure_key
INSERT INTO ledger.api_keys (key_id, kind, secret_hash, hint, name, created_at)
VALUES ($1, 'platform', $2, $3, $4, $6)
ON CONFLICT (secret_hash) DO UPDATE SET revoked_at = NULL, name = excluded.name WHERE api_keys.name = $5

-- name: keys
SELECT key_id, hint, name, created_at, revoked_at FROM ledger.api_keys
WHERE account_id = $1 ORDER BY created_at DESC, key_id DESC LIMIT $2 OFFSET $3

-- name: count_keys
SELECT count(*) FROM ledger.api_keys WHERE account_id = $1

-- name: revoke_key
UPDATE ledger.api_keys SET revoked_at = coalesce(revoked_at, $3)
WHERE account_id = $1 AND key_id = $2 RETURNING true
