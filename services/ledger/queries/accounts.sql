-- name: account
SELECT ledger.account_json(accounts) FROM ledger.accounts WHERE account_id = $1

-- name: lock_account
SELECT true FROM ledger.accounts WHERE account_id = $1 FOR UPDATE

-- name: accounts
SELECT ledger.account_json(accounts) AS account FROM ledger.accounts
WHERE $1::text IS NULL OR parent_id = $1
ORDER BY created_at DESC, account_id DESC LIMIT $2 OFFSET $3

-- name: count_accounts
SELECT count(*) FROM ledger.accounts WHERE $1::text IS NULL OR parent_id = $1

-- name: is_agency
SELECT is_agency FROM ledger.accounts WHERE account_id = $1 FOR KEY SHARE

-- name: open_account
INSERT INTO ledger.accounts (
    account_id, parent_id, is_agency, name, email, timezone, credit_limit_micros, inbound_policy, auto_charge,
    settle_negative, low_balance_micros, monthly_spend_limit_micros, max_concurrent_calls, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
ON CONFLICT (account_id) DO NOTHING
RETURNING true

-- name: set_terms
UPDATE ledger.accounts SET
    name = $2, email = $3, timezone = $4, credit_limit_micros = $5, inbound_policy = $6, auto_charge = $7,
    settle_negative = $8, low_balance_micros = $9, monthly_spend_limit_micros = $10, max_concurrent_calls = $11,
    disabled = $12, version = version + 1
WHERE account_id = $1

-- name: settle_latches
SELECT ledger.settle_latches_v1(ARRAY[$1::text], $2)

-- name: settle_campaigns
SELECT ledger.settle_campaigns_v1(ARRAY[$1::text], $2)

-- name: leave_news
INSERT INTO ledger.news (account_id, settled, created_at) VALUES ($1, '{}', $2)

-- name: say_opened
SELECT ledger.append_event_v1(
    account_id, 'account_opened',
    ledger.balance_json(accounts) || jsonb_build_object('name', name, 'parent_id', ledger.shown_id(parent_id, parent_id), 'agency', is_agency), $2)
FROM ledger.accounts WHERE account_id = $1

-- name: set_suspension
SELECT ledger.set_suspension_v1($1, $2, $3, $4)
