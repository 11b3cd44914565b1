-- Plans, packs, subscriptions with their periods, and payment requests. Minutes and access are in the ledger's books.

CREATE SCHEMA subscriptions;

CREATE TABLE subscriptions.plans (
    plan_id text PRIMARY KEY,
    agency_id text COLLATE "C" NOT NULL,
    name text NOT NULL,
    status text NOT NULL,
    currency text NOT NULL,
    recurring_fee_cents bigint,
    minute_rate_usd text,
    included_minutes integer NOT NULL,
    rhythm text NOT NULL,
    rhythm_count integer NOT NULL,
    due_days integer NOT NULL,
    grace_days integer NOT NULL,
    packs_allowed boolean NOT NULL,
    client_may_start boolean NOT NULL,
    chats_per_minute integer,
    created_at timestamptz NOT NULL,
    CONSTRAINT status_is_known CHECK (status IN ('active', 'archived')),
    CONSTRAINT rhythm_is_known CHECK (rhythm IN ('daily', 'weekly', 'monthly', 'yearly')),
    CONSTRAINT a_plan_has_a_fee_or_a_rate CHECK (recurring_fee_cents IS NOT NULL OR minute_rate_usd IS NOT NULL),
    CONSTRAINT no_number_is_negative
        CHECK (recurring_fee_cents >= 0 AND included_minutes >= 0 AND due_days >= 0 AND grace_days >= 0),
    CONSTRAINT counts_are_positive CHECK (rhythm_count > 0 AND chats_per_minute > 0)
);
CREATE INDEX plans_by_agency ON subscriptions.plans (agency_id, created_at);

CREATE TABLE subscriptions.packs (
    pack_id text PRIMARY KEY,
    agency_id text COLLATE "C" NOT NULL,
    name text NOT NULL,
    minutes integer NOT NULL,
    price_cents bigint NOT NULL,
    currency text NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT a_pack_holds_minutes CHECK (minutes > 0),
    CONSTRAINT price_is_not_negative CHECK (price_cents >= 0)
);
CREATE INDEX packs_by_agency ON subscriptions.packs (agency_id, created_at);

-- What an agency has set for a client. The row is the client's lock: whoever changes what it may do holds it.
CREATE TABLE subscriptions.clients (
    account_id text COLLATE "C" PRIMARY KEY,
    agency_id text COLLATE "C" NOT NULL,
    plan_id text REFERENCES subscriptions.plans
);
CREATE INDEX clients_by_plan ON subscriptions.clients (plan_id) WHERE plan_id IS NOT NULL;

CREATE TABLE subscriptions.client_packs (
    account_id text COLLATE "C" NOT NULL REFERENCES subscriptions.clients,
    pack_id text NOT NULL REFERENCES subscriptions.packs,
    place integer NOT NULL,
    PRIMARY KEY (account_id, pack_id)
);

-- `terms` are the plan's as they stood at the start. `next_at` is when something falls due by the clock; null when
-- nothing does. `period_*` is the open period, or the last one of a canceled subscription.
CREATE TABLE subscriptions.subscriptions (
    subscription_id text PRIMARY KEY,
    account_id text COLLATE "C" NOT NULL REFERENCES subscriptions.clients,
    plan_id text NOT NULL REFERENCES subscriptions.plans,
    status text NOT NULL,
    terms jsonb NOT NULL,
    started_at timestamptz NOT NULL,
    period_number integer NOT NULL,
    period_start timestamptz NOT NULL,
    period_end timestamptz NOT NULL,
    period_end_index integer NOT NULL,
    canceled_at timestamptz,
    next_at timestamptz,
    CONSTRAINT status_is_known CHECK (status IN ('active', 'past_due', 'blocked', 'canceled')),
    CONSTRAINT canceled_means_over CHECK ((status = 'canceled') = (canceled_at IS NOT NULL)),
    CONSTRAINT what_renews_has_a_next_moment CHECK ((status IN ('active', 'past_due')) = (next_at IS NOT NULL)),
    CONSTRAINT a_period_has_a_length CHECK (period_start < period_end)
) WITH (fillfactor = 70);
CREATE UNIQUE INDEX a_client_runs_one_subscription ON subscriptions.subscriptions (account_id)
    WHERE status <> 'canceled';
CREATE INDEX subscriptions_by_account ON subscriptions.subscriptions (account_id, started_at);
CREATE INDEX subscriptions_by_plan ON subscriptions.subscriptions (plan_id) WHERE status <> 'canceled';
CREATE INDEX subscriptions_with_something_due ON subscriptions.subscriptions (next_at) WHERE next_at IS NOT NULL;

-- Periods tile time: each but the first begins where the one before it ends, and each is followed at most once.
CREATE TABLE subscriptions.periods (
    subscription_id text NOT NULL REFERENCES subscriptions.subscriptions,
    number integer NOT NULL,
    period_start timestamptz NOT NULL,
    period_end timestamptz NOT NULL,
    follows timestamptz,
    closed_at timestamptz,
    billable_ms bigint,
    PRIMARY KEY (subscription_id, number),
    CONSTRAINT periods_end_once UNIQUE (subscription_id, period_end),
    CONSTRAINT periods_are_followed_once UNIQUE (subscription_id, follows),
    CONSTRAINT periods_follow_another FOREIGN KEY (subscription_id, follows)
        REFERENCES subscriptions.periods (subscription_id, period_end),
    CONSTRAINT only_the_first_follows_none CHECK ((number = 1) = (follows IS NULL)),
    CONSTRAINT a_period_begins_where_the_last_ends CHECK (follows = period_start),
    CONSTRAINT a_period_has_a_length CHECK (period_start < period_end),
    CONSTRAINT closed_with_what_was_billable CHECK ((closed_at IS NULL) = (billable_ms IS NULL))
);

CREATE TABLE subscriptions.payment_requests (
    request_id text PRIMARY KEY,
    account_id text COLLATE "C" NOT NULL REFERENCES subscriptions.clients,
    agency_id text COLLATE "C" NOT NULL,
    subscription_id text REFERENCES subscriptions.subscriptions,
    period_number integer,
    type text NOT NULL,
    kind text,
    status text NOT NULL,
    currency text NOT NULL,
    amount_cents bigint NOT NULL,
    line_items jsonb NOT NULL,
    period_start timestamptz,
    period_end timestamptz,
    created_at timestamptz NOT NULL,
    due_at timestamptz NOT NULL,
    grace_until timestamptz,
    paid_at timestamptz,
    external_reference text,
    CONSTRAINT type_is_known CHECK (type IN ('cycle', 'pack')),
    CONSTRAINT kind_is_known CHECK (kind IN ('recurring', 'usage')),
    CONSTRAINT status_is_known CHECK (status IN ('pending', 'paid', 'overdue', 'failed', 'canceled')),
    CONSTRAINT a_cycle_request_has_its_period CHECK (
        (type = 'cycle') = (kind IS NOT NULL)
        AND (type = 'pack' OR (subscription_id IS NOT NULL AND period_number IS NOT NULL))),
    CONSTRAINT only_cycle_requests_have_grace CHECK ((type = 'cycle') = (grace_until IS NOT NULL)),
    CONSTRAINT paid_means_when CHECK ((status = 'paid') = (paid_at IS NOT NULL)),
    CONSTRAINT amount_is_not_negative CHECK (amount_cents >= 0),
    FOREIGN KEY (subscription_id, period_number) REFERENCES subscriptions.periods
) WITH (fillfactor = 80);
CREATE UNIQUE INDEX a_period_asks_once ON subscriptions.payment_requests (subscription_id, period_number, kind)
    WHERE type = 'cycle';
CREATE INDEX requests_by_agency ON subscriptions.payment_requests (agency_id, created_at);
CREATE INDEX requests_by_account ON subscriptions.payment_requests (account_id, created_at);
CREATE INDEX requests_unpaid ON subscriptions.payment_requests (subscription_id)
    WHERE type = 'cycle' AND status IN ('pending', 'overdue', 'failed');
CREATE INDEX requests_pending ON subscriptions.payment_requests (due_at) WHERE status = 'pending';

CREATE TABLE subscriptions.idempotency_keys (
    account_id text NOT NULL,
    route text NOT NULL,
    key text NOT NULL,
    request_hash bytea NOT NULL,
    status integer,
    answer jsonb,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (account_id, route, key)
);
