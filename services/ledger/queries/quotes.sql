-- name: prices_versions
SELECT account_id, prices_version FROM ledger.accounts WHERE account_id = ANY ($1::text[])
