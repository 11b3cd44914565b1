-- Open an account for a client of an agency, with its first key. No sign-up credit (contract §4). Returns false when
-- the id is taken. Locks: the agency's row, for share; the new account's.
CREATE OR REPLACE FUNCTION ledger.open_client_v1(
    p_agency_id text, p_account_id text, p_name text, p_email text, p_low_balance_micros bigint, p_auto_charge boolean,
    p_key_id text, p_secret_hash bytea, p_hint text, p_now timestamptz
) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
BEGIN
    PERFORM FROM accounts WHERE account_id = p_agency_id AND is_agency FOR KEY SHARE;
    IF NOT FOUND THEN
        RAISE foreign_key_violation USING MESSAGE = format('%s is not an agency', p_agency_id);
    END IF;
    INSERT INTO accounts (
        account_id, parent_id, name, email, low_balance_micros, auto_charge, settle_negative, created_at)
    VALUES (p_account_id, p_agency_id, p_name, p_email, p_low_balance_micros, p_auto_charge, p_auto_charge, p_now)
    ON CONFLICT (account_id) DO NOTHING;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    INSERT INTO api_keys (key_id, account_id, kind, secret_hash, hint, name, created_at)
    VALUES (p_key_id, p_account_id, 'account', p_secret_hash, p_hint, 'first key', p_now);
    PERFORM append_event_v1(
        account_id, 'account_opened',
        balance_json(accounts) || jsonb_build_object('name', name, 'parent_id', parent_id, 'agency', is_agency), p_now)
    FROM accounts WHERE account_id = p_account_id;
    RETURN true;
END $$;

-- Accounts as their agency sees them: who they are, and whether they may come in.
CREATE OR REPLACE VIEW ledger.clients_v1 AS
SELECT account_id, parent_id AS agency_id, name, email, disabled, access_refusal, campaigns_paused, created_at
FROM ledger.accounts WHERE parent_id IS NOT NULL;

-- An agency's own settings that its clients' billing follows.
CREATE OR REPLACE VIEW ledger.agencies_v1 AS
SELECT account_id AS agency_id, name, timezone FROM ledger.accounts WHERE is_agency;

-- What is in the minute pools, and what the open period has granted and used.
CREATE OR REPLACE VIEW ledger.plan_usage_v1 AS
SELECT account_id, subscription_id, rate_micros_per_minute, chat_ms, included_granted_ms, included_ms, wallet_ms,
       billable_ms, held_ms
FROM ledger.pools;
