-- name: lock_price_books
SELECT pg_advisory_xact_lock(8402, 1)

-- name: publish_book
INSERT INTO ledger.price_books (version, effective_at, book, created_at)
SELECT coalesce(max(version), 0) + 1, $1, $2, $3 FROM ledger.price_books
RETURNING version, effective_at, book, created_at

-- name: publish_first_book
INSERT INTO ledger.price_books (version, effective_at, book, created_at) VALUES (1, $1, $2, $3)
ON CONFLICT (version) DO NOTHING

-- name: book_of_version
SELECT version, effective_at, book, created_at FROM ledger.price_books WHERE version = $1

-- name: book_in_force
SELECT version, effective_at, book, created_at FROM ledger.price_books
WHERE effective_at <= $1 ORDER BY effective_at DESC, version DESC LIMIT 1

-- name: zones_of_newest_book
SELECT book -> 'zones' FROM ledger.price_books ORDER BY version DESC LIMIT 1

-- name: prices_version_of_locked
SELECT prices_version FROM ledger.accounts WHERE account_id = $1 FOR UPDATE

-- name: publish_account_prices
INSERT INTO ledger.account_prices (account_id, version, effective_at, items, created_at)
VALUES ($1, $2, $3, $4, $5)
RETURNING account_id, version, effective_at, items, created_at

-- name: set_prices_version
UPDATE ledger.accounts SET prices_version = $2, version = version + 1 WHERE account_id = $1

-- name: account_prices_of_version
SELECT account_id, version, effective_at, items, created_at FROM ledger.account_prices
WHERE account_id = $1 AND version = $2

-- name: account_prices_in_force
SELECT account_id, version, effective_at, items, created_at FROM ledger.account_prices
WHERE account_id = $1 AND effective_at <= $2 ORDER BY effective_at DESC, version DESC LIMIT 1
