-- Cards, charges and what the provider told us. Money itself is the ledger's; here are the attempts to get it.
-- Amounts are whole cents: cards know nothing smaller.

CREATE SCHEMA payments;

-- Two installations may share one provider account: what is not marked as ours is left alone.
CREATE TABLE payments.installation (
    is_the_only_row boolean PRIMARY KEY DEFAULT true CHECK (is_the_only_row),
    installation_id text NOT NULL DEFAULT gen_random_uuid()::text
);
INSERT INTO payments.installation DEFAULT VALUES;

CREATE TABLE payments.customers (
    account_id text COLLATE "C" PRIMARY KEY,
    provider text NOT NULL,
    customer_id text NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT a_customer_is_one_account UNIQUE (provider, customer_id)
);

CREATE TABLE payments.cards (
    payment_method_id text PRIMARY KEY,
    account_id text COLLATE "C" NOT NULL,
    brand text,
    last4 text,
    exp_month integer,
    exp_year integer,
    attached_at timestamptz NOT NULL
);
CREATE INDEX cards_by_account ON payments.cards (account_id);

-- What the customer agreed to when a card was saved: automatic charges need it.
CREATE TABLE payments.consents (
    account_id text COLLATE "C" NOT NULL,
    payment_method_id text NOT NULL,
    agreed_at timestamptz NOT NULL,
    way text NOT NULL,
    terms text NOT NULL,
    PRIMARY KEY (account_id, payment_method_id, agreed_at)
);

-- One row per account: its default card, its reload policy, and where its automatic charges stand.
-- Its lock is taken before the ledger's account row, by everything that charges or credits.
CREATE TABLE payments.profiles (
    account_id text COLLATE "C" PRIMARY KEY,
    default_card_id text,
    default_since timestamptz,
    reload_enabled boolean NOT NULL DEFAULT false,
    reload_minimum_cents bigint,
    reload_amount_cents bigint,
    reload_monthly_limit_cents bigint,
    declines integer NOT NULL DEFAULT 0,
    failed_amount_cents bigint,
    failed_at timestamptz,
    failure_code text,
    failure_message text,
    next_try_at timestamptz,
    stopped text,
    capped_month date,
    topup_error text,
    topup_payment_id text,
    dispute_debt_micros bigint NOT NULL DEFAULT 0,
    pardoned_balance_micros bigint,
    settles_until_charged boolean NOT NULL DEFAULT false,
    is_below boolean NOT NULL DEFAULT false,
    crossed_at timestamptz,
    verified_seq bigint NOT NULL DEFAULT 0,
    verified_balance_micros bigint NOT NULL DEFAULT 0,
    CONSTRAINT an_enabled_reload_is_complete CHECK (
        NOT reload_enabled
        OR (default_card_id IS NOT NULL AND reload_minimum_cents >= 0 AND reload_amount_cents > 0)),
    CONSTRAINT stopped_is_known CHECK (stopped IN ('declines', 'hard_decline', 'authentication_required', 'dispute')),
    CONSTRAINT dispute_debt_is_not_negative CHECK (dispute_debt_micros >= 0)
);
CREATE INDEX profiles_that_crossed ON payments.profiles (crossed_at) WHERE crossed_at IS NOT NULL;

-- One charge. Its id is the provider's idempotency key; it and the parameters never change once it is committed.
CREATE TABLE payments.attempts (
    attempt_id text PRIMARY KEY,
    account_id text COLLATE "C" NOT NULL,
    kind text NOT NULL,
    provider text NOT NULL,
    customer_id text NOT NULL,
    card_id text NOT NULL,
    amount_cents bigint NOT NULL,
    cap_month date NOT NULL,
    route text,
    client_key text,
    request_hash bytea,
    asked_card text,
    state text NOT NULL,
    payment_id text,
    provider_status text,
    client_secret text,
    failure_class text,
    failure_code text,
    decline_code text,
    failure_message text,
    sends integer NOT NULL DEFAULT 0,
    first_sent_at timestamptz,
    lease_until timestamptz,
    next_check_at timestamptz,
    is_answered boolean NOT NULL DEFAULT false,
    asked_action boolean NOT NULL DEFAULT false,
    transfer_id bigint,
    created_at timestamptz NOT NULL,
    closed_at timestamptz,
    CONSTRAINT amount_is_positive CHECK (amount_cents > 0),
    CONSTRAINT kind_is_known CHECK (kind IN ('topup', 'auto_reload', 'auto_charge', 'settle_negative')),
    CONSTRAINT state_is_known CHECK (state IN (
        'created', 'submitting', 'unknown', 'requires_action', 'processing', 'succeeded', 'failed', 'error', 'canceled')),
    CONSTRAINT succeeded_means_credited CHECK ((state = 'succeeded') = (transfer_id IS NOT NULL)),
    CONSTRAINT a_payment_is_one_attempt UNIQUE (provider, payment_id)
);
CREATE UNIQUE INDEX one_automatic_charge_in_flight ON payments.attempts (account_id)
    WHERE kind <> 'topup' AND state IN ('created', 'submitting', 'unknown', 'processing');
CREATE INDEX attempts_by_account ON payments.attempts (account_id, created_at);
CREATE INDEX attempts_by_key ON payments.attempts (account_id, route, client_key) WHERE client_key IS NOT NULL;
CREATE INDEX attempts_that_are_open ON payments.attempts (next_check_at)
    WHERE state IN ('created', 'submitting', 'unknown', 'requires_action', 'processing');
CREATE UNIQUE INDEX a_credit_is_one_attempt ON payments.attempts (transfer_id) WHERE transfer_id IS NOT NULL;

CREATE TABLE payments.refunds (
    refund_id text PRIMARY KEY,
    account_id text COLLATE "C" NOT NULL,
    payment_id text NOT NULL,
    transfer_id bigint NOT NULL,
    amount_cents bigint NOT NULL,
    reason text NOT NULL,
    client_key text,
    request_hash bytea,
    state text NOT NULL,
    provider_refund_id text UNIQUE,
    failure text,
    refund_transfer_id bigint,
    lease_until timestamptz,
    next_check_at timestamptz,
    first_sent_at timestamptz,
    created_at timestamptz NOT NULL,
    CONSTRAINT amount_is_positive CHECK (amount_cents > 0),
    CONSTRAINT state_is_known CHECK (state IN ('created', 'submitting', 'unknown', 'refunded', 'failed', 'error'))
);
CREATE INDEX refunds_by_payment ON payments.refunds (payment_id);
CREATE INDEX refunds_by_key ON payments.refunds (account_id, client_key) WHERE client_key IS NOT NULL;
CREATE INDEX refunds_that_are_open ON payments.refunds (next_check_at)
    WHERE state IN ('created', 'submitting', 'unknown');

-- Keys of refunds to the wallet, which the ledger makes at once.
CREATE TABLE payments.wallet_refund_keys (
    account_id text COLLATE "C" NOT NULL,
    client_key text NOT NULL,
    request_hash bytea NOT NULL,
    transfer_id bigint NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (account_id, client_key)
);

CREATE TABLE payments.disputes (
    dispute_id text PRIMARY KEY,
    account_id text COLLATE "C" NOT NULL,
    payment_id text NOT NULL,
    amount_cents bigint NOT NULL,
    status text NOT NULL,
    is_taken boolean NOT NULL DEFAULT false,
    is_returned boolean NOT NULL DEFAULT false,
    opened_at timestamptz NOT NULL
);

-- Webhooks and pulled events, each once; "processed" is written after the effect, whose own key stops a second one.
CREATE TABLE payments.inbox (
    event_id text PRIMARY KEY,
    type text NOT NULL,
    object_id text NOT NULL,
    parent_id text,
    received_at timestamptz NOT NULL,
    processed_at timestamptz,
    tries integer NOT NULL DEFAULT 0,
    next_try_at timestamptz NOT NULL,
    error text
);
CREATE INDEX inbox_unprocessed ON payments.inbox (next_try_at) WHERE processed_at IS NULL;
CREATE INDEX inbox_by_age ON payments.inbox USING brin (received_at);

-- How far the provider's event list has been read.
CREATE TABLE payments.event_pull (
    provider text PRIMARY KEY,
    read_until timestamptz NOT NULL
);

-- When set, no card is touched until held_until, or until an operator releases it. Crossings up to counted_until
-- have had their say and don't pull it again.
CREATE TABLE payments.brake (
    is_the_only_row boolean PRIMARY KEY DEFAULT true CHECK (is_the_only_row),
    pulled_at timestamptz,
    held_until timestamptz,
    counted_until timestamptz NOT NULL DEFAULT '-infinity',
    reason text
);
INSERT INTO payments.brake DEFAULT VALUES;

-- What a person should look at; the pages and the audit show it.
CREATE TABLE payments.alerts (
    kind text NOT NULL,
    subject text NOT NULL,
    account_id text COLLATE "C",
    detail text NOT NULL,
    first_at timestamptz NOT NULL,
    last_at timestamptz NOT NULL,
    times bigint NOT NULL DEFAULT 1,
    cleared_at timestamptz,
    PRIMARY KEY (kind, subject)
);
