-- What an Idempotency-Key stands for, from the first time it is seen: also when that request was refused.
CREATE TABLE payments.request_keys (
    account_id text COLLATE "C" NOT NULL,
    route text NOT NULL,
    client_key text NOT NULL,
    request_hash bytea NOT NULL,
    refusal text,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (account_id, route, client_key)
);
CREATE INDEX request_keys_by_age ON payments.request_keys (created_at);
