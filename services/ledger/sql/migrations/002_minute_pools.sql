-- Minute pools: accounts in milliseconds. Included lasts one period, the wallet never expires, billable only grows.

CREATE TABLE ledger.pools (
    account_id text COLLATE "C" PRIMARY KEY REFERENCES ledger.accounts,
    subscription_id text,
    period_start timestamptz,
    period_end timestamptz,
    rate_micros_per_minute bigint,
    chat_ms bigint,
    included_granted_ms bigint NOT NULL DEFAULT 0,
    included_ms bigint NOT NULL DEFAULT 0,
    wallet_ms bigint NOT NULL DEFAULT 0,
    billable_ms bigint NOT NULL DEFAULT 0,
    held_ms bigint NOT NULL DEFAULT 0,
    entry_count bigint NOT NULL DEFAULT 0,
    is_nearly_used boolean NOT NULL DEFAULT false,
    CONSTRAINT no_pool_is_negative
        CHECK (included_ms >= 0 AND wallet_ms >= 0 AND billable_ms >= 0 AND held_ms >= 0),
    CONSTRAINT included_is_what_was_granted CHECK (included_ms <= included_granted_ms),
    CONSTRAINT a_subscription_has_a_period
        CHECK (subscription_id IS NULL OR (period_start < period_end))
) WITH (fillfactor = 70);

CREATE TABLE ledger.pool_transfers (
    account_id text COLLATE "C" NOT NULL REFERENCES ledger.accounts,
    seq bigint NOT NULL,
    pool text NOT NULL,
    amount_ms bigint NOT NULL,
    balance_after_ms bigint NOT NULL,
    reason text NOT NULL,
    origin text,
    transfer_id bigint,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (account_id, seq),
    CONSTRAINT pool_is_known CHECK (pool IN ('included', 'wallet', 'billable')),
    CONSTRAINT reason_is_known
        CHECK (reason IN ('granted', 'used', 'expired', 'invoiced', 'corrected'))
);
CREATE UNIQUE INDEX an_origin_grants_once ON ledger.pool_transfers (origin) WHERE origin IS NOT NULL;
CREATE TRIGGER pool_transfers_are_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.pool_transfers
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
