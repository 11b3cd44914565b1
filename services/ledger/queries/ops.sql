-- name: claim_command
INSERT INTO ledger.ops_commands (source, command_id, content_hash, obeyed_at) VALUES ($1, $2, $3, $4)
ON CONFLICT DO NOTHING RETURNING true

-- name: hash_of_command
SELECT content_hash FROM ledger.ops_commands WHERE source = $1 AND command_id = $2

-- name: forget_command
DELETE FROM ledger.ops_commands WHERE source = $1 AND command_id = $2

-- name: account_exists
SELECT EXISTS (SELECT FROM ledger.accounts WHERE account_id = $1)
