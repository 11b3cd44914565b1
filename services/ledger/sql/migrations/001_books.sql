-- The books: accounts, transfers, holds, usage, prices, numbers, pools, outward events.
-- Amounts are bigint micros (1e-6 dollar), never numeric (it accepts NaN) and never float.

CREATE SCHEMA ledger;

-- Terms and present state of a customer in one row: whoever locks it has read both.
CREATE TABLE ledger.accounts (
    account_id text COLLATE "C" PRIMARY KEY,
    parent_id text COLLATE "C" REFERENCES ledger.accounts,
    is_agency boolean NOT NULL DEFAULT false,
    name text NOT NULL,
    email text,
    timezone text NOT NULL DEFAULT 'UTC',
    created_at timestamptz NOT NULL,
    credit_limit_micros bigint NOT NULL DEFAULT 0,
    inbound_policy text NOT NULL DEFAULT 'reject',
    auto_charge boolean NOT NULL DEFAULT false,
    settle_negative boolean NOT NULL DEFAULT false,
    low_balance_micros bigint NOT NULL,
    monthly_spend_limit_micros bigint,
    max_concurrent_calls integer,
    disabled boolean NOT NULL DEFAULT false,
    prices_version integer NOT NULL DEFAULT 0,
    manual_suspension text,
    billing_suspension text,
    access_refusal text,
    balance_micros bigint NOT NULL DEFAULT 0,
    held_micros bigint NOT NULL DEFAULT 0,
    open_call_holds integer NOT NULL DEFAULT 0,
    version bigint NOT NULL DEFAULT 0,
    entry_count bigint NOT NULL DEFAULT 0,
    announced_count bigint NOT NULL DEFAULT 0,
    event_seq bigint NOT NULL DEFAULT 0,
    is_low boolean NOT NULL DEFAULT false,
    is_depleted boolean NOT NULL DEFAULT false,
    spend_month date NOT NULL DEFAULT '-infinity',
    spend_micros bigint NOT NULL DEFAULT 0,
    CONSTRAINT credit_limit_is_not_negative CHECK (credit_limit_micros >= 0),
    CONSTRAINT held_is_not_negative CHECK (held_micros >= 0),
    CONSTRAINT open_call_holds_is_not_negative CHECK (open_call_holds >= 0),
    CONSTRAINT announced_does_not_run_ahead CHECK (announced_count <= entry_count),
    CONSTRAINT inbound_policy_is_known CHECK (inbound_policy IN ('reject', 'allow')),
    CONSTRAINT access_refusal_is_known
        CHECK (access_refusal IN ('subscription_blocked', 'payment_overdue', 'no_subscription')),
    CONSTRAINT billing_suspension_is_known
        CHECK (billing_suspension IN ('balance_depleted', 'payment_failed'))
) WITH (fillfactor = 50);
CREATE INDEX accounts_by_parent ON ledger.accounts (parent_id) WHERE parent_id IS NOT NULL;

CREATE TABLE ledger.api_keys (
    key_id text PRIMARY KEY,
    account_id text COLLATE "C" REFERENCES ledger.accounts,
    kind text NOT NULL,
    secret_hash bytea NOT NULL UNIQUE,
    hint text NOT NULL,
    name text,
    created_at timestamptz NOT NULL,
    revoked_at timestamptz,
    CONSTRAINT kind_is_known CHECK (kind IN ('platform', 'account')),
    CONSTRAINT only_a_platform_key_has_no_account CHECK ((kind = 'platform') = (account_id IS NULL))
);
CREATE INDEX api_keys_by_account ON ledger.api_keys (account_id);

-- One row is one balanced transfer: amount_micros moves from counter_account to the wallet (negative: the other way).
-- transfers, holds and usage_events name their account without a foreign key: every door locks the account's row
-- and joins it before it writes, accounts are never deleted, and the check per row cost a quarter of a posting.
CREATE TABLE ledger.transfers (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id text COLLATE "C" NOT NULL,
    seq bigint NOT NULL,
    kind text NOT NULL,
    reason text NOT NULL,
    amount_micros bigint NOT NULL,
    balance_after_micros bigint NOT NULL,
    counter_account text NOT NULL,
    origin text,
    description text NOT NULL,
    reference_type text NOT NULL,
    reference_id text NOT NULL,
    number_id text,
    number_value text,
    metadata jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT kind_is_known CHECK (kind IN ('credit', 'debit', 'adjustment', 'refund')),
    CONSTRAINT a_debit_takes CHECK (kind <> 'debit' OR amount_micros <= 0),
    CONSTRAINT a_credit_gives CHECK (kind <> 'credit' OR amount_micros >= 0),
    CONSTRAINT reference_type_is_known
        CHECK (reference_type IN ('call', 'message', 'chat', 'number', 'payment', 'event'))
);
CREATE UNIQUE INDEX transfers_are_a_chain ON ledger.transfers (account_id, seq);
-- What is not usage (payments, fees, adjustments, refunds) names its cause, and each cause moves money once for ever.
CREATE UNIQUE INDEX an_origin_moves_money_once ON ledger.transfers (origin) WHERE origin IS NOT NULL;

CREATE INDEX number_fees ON ledger.transfers (account_id, number_id) WHERE reason = 'number_fee';

CREATE FUNCTION ledger.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% are kept for ever: nothing is deleted, a mistake is corrected by another transfer', TG_TABLE_NAME;
END $$;
CREATE TRIGGER accounts_are_never_deleted BEFORE DELETE OR TRUNCATE ON ledger.accounts
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
CREATE TRIGGER transfers_are_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.transfers
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();

-- A hold is a pending transfer: billed by usage, voided by release or expiry. Without an amount it is a tombstone.
CREATE TABLE ledger.holds (
    account_id text COLLATE "C" NOT NULL,
    kind text NOT NULL,
    ref_id text COLLATE "C" NOT NULL,
    hold_id text NOT NULL,
    state text NOT NULL,
    amount_micros bigint NOT NULL,
    pool_ms bigint NOT NULL DEFAULT 0,
    granted integer NOT NULL,
    is_final boolean NOT NULL,
    rate_usd text,
    request jsonb,
    request_hash bytea,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    closed_at timestamptz,
    transfer_id bigint,
    PRIMARY KEY (account_id, kind, ref_id),
    CONSTRAINT kind_is_known CHECK (kind IN ('call', 'sms', 'chat')),
    CONSTRAINT state_is_known CHECK (state IN ('open', 'billed', 'released', 'orphaned')),
    CONSTRAINT amount_is_not_negative CHECK (amount_micros >= 0 AND pool_ms >= 0),
    CONSTRAINT open_means_not_closed CHECK ((state = 'open') = (closed_at IS NULL))
) WITH (fillfactor = 70);
CREATE INDEX holds_that_are_open ON ledger.holds (expires_at) WHERE state = 'open';

-- Every usage event ever accepted, kept for ever: what makes it unique, and what it was.
CREATE TABLE ledger.usage_events (
    account_id text COLLATE "C" NOT NULL,
    source text COLLATE "C" NOT NULL,
    event_id text COLLATE "C" NOT NULL,
    type text NOT NULL,
    ref_id text COLLATE "C",
    content_hash bytea NOT NULL,
    state text NOT NULL,
    occurred_at timestamptz NOT NULL,
    stated_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    book_version integer,
    own_version integer,
    data jsonb NOT NULL,
    transfer_id bigint,
    refers_to_source text COLLATE "C",
    refers_to_id text COLLATE "C",
    is_accepted_twin boolean NOT NULL DEFAULT false,
    PRIMARY KEY (account_id, source, event_id),
    CONSTRAINT state_is_known CHECK (state IN ('posted', 'free', 'waiting', 'superseded'))
);
CREATE UNIQUE INDEX usage_is_told_once ON ledger.usage_events (account_id, type, ref_id)
    WHERE ref_id IS NOT NULL AND NOT is_accepted_twin;
CREATE INDEX usage_corrections ON ledger.usage_events (account_id, refers_to_source, refers_to_id)
    WHERE refers_to_id IS NOT NULL;

CREATE TABLE ledger.price_books (
    version integer PRIMARY KEY,
    effective_at timestamptz NOT NULL,
    book jsonb NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE TABLE ledger.account_prices (
    account_id text COLLATE "C" NOT NULL REFERENCES ledger.accounts,
    version integer NOT NULL,
    effective_at timestamptz NOT NULL,
    items jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (account_id, version)
);

CREATE TABLE ledger.numbers (
    account_id text COLLATE "C" NOT NULL REFERENCES ledger.accounts,
    number_id text COLLATE "C" NOT NULL,
    number text NOT NULL,
    suspended_by_hand boolean NOT NULL DEFAULT false,
    suspended_by_billing boolean NOT NULL DEFAULT false,
    PRIMARY KEY (account_id, number_id)
);
CREATE INDEX numbers_by_value ON ledger.numbers (account_id, number);

-- What was told of a number, and the rentals that follow from it whatever the order it was told in.
CREATE TABLE ledger.number_changes (
    account_id text COLLATE "C" NOT NULL,
    number_id text COLLATE "C" NOT NULL,
    at timestamptz NOT NULL,
    change text NOT NULL,
    PRIMARY KEY (account_id, number_id, at, change),
    CONSTRAINT change_is_known CHECK (change IN ('rented', 'released'))
);
CREATE TABLE ledger.rentals (
    account_id text COLLATE "C" NOT NULL,
    number_id text COLLATE "C" NOT NULL,
    rented_at timestamptz NOT NULL,
    released_at timestamptz,
    per text NOT NULL,
    next_fee_at timestamptz,
    PRIMARY KEY (account_id, number_id, rented_at),
    FOREIGN KEY (account_id, number_id) REFERENCES ledger.numbers,
    CONSTRAINT per_is_known CHECK (per IN ('30d', 'month'))
);
CREATE INDEX rentals_with_a_fee_due ON ledger.rentals (next_fee_at) WHERE next_fee_at IS NOT NULL;

-- Outward events, numbered per account, kept 30 days; the outbox names those not yet confirmed by the broker.
CREATE TABLE ledger.events (
    account_id text COLLATE "C" NOT NULL,
    seq bigint NOT NULL,
    id text NOT NULL,
    type text NOT NULL,
    data jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (account_id, seq)
);
CREATE INDEX events_by_age ON ledger.events USING brin (created_at);
CREATE TABLE ledger.outbox (
    account_id text COLLATE "C" NOT NULL,
    seq bigint NOT NULL,
    leased_until timestamptz NOT NULL,
    PRIMARY KEY (account_id, seq)
);
-- A change of balance still to be announced; `settled` are the calls and messages it settled.
CREATE TABLE ledger.news (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id text COLLATE "C" NOT NULL,
    settled text[] NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE INDEX news_by_account ON ledger.news (account_id);

CREATE TABLE ledger.idempotency_keys (
    account_id text NOT NULL,
    route text NOT NULL,
    key text NOT NULL,
    request_hash bytea NOT NULL,
    status integer,
    answer jsonb,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (account_id, route, key)
);
CREATE INDEX idempotency_keys_by_age ON ledger.idempotency_keys (created_at);

-- The test clock: what every service adds to the machine's clock.
CREATE TABLE ledger.clock_offset (
    is_the_only_row boolean PRIMARY KEY DEFAULT true CHECK (is_the_only_row),
    microseconds bigint NOT NULL
);
INSERT INTO ledger.clock_offset (microseconds) VALUES (0);
