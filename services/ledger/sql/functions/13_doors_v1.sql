-- Small views for the other services.

-- Who holds an API key, by the hash of its secret; revoked keys are not here.
CREATE OR REPLACE VIEW ledger.key_owners_v1 AS
SELECT api_keys.secret_hash, api_keys.key_id, api_keys.kind, api_keys.account_id,
       coalesce(accounts.is_agency, false) AS is_agency
FROM ledger.api_keys LEFT JOIN ledger.accounts USING (account_id)
WHERE api_keys.revoked_at IS NULL;

-- What the test clock adds to the machine's.
CREATE OR REPLACE VIEW ledger.clock_offset_v1 AS SELECT microseconds FROM ledger.clock_offset;

-- Whose account it is: the account itself and its agency.
CREATE OR REPLACE VIEW ledger.tenants_v1 AS SELECT account_id, parent_id, is_agency FROM ledger.accounts;

-- Every price book and every account's own prices, by version.
CREATE OR REPLACE VIEW ledger.price_books_v1 AS SELECT version, effective_at, book FROM ledger.price_books;
CREATE OR REPLACE VIEW ledger.account_prices_v1 AS
SELECT account_id, version, effective_at, items FROM ledger.account_prices;
