-- Sign-in by link: a one-use link becomes a cookie. Only hashes are kept; the link and the cookie are shown once.
-- A page asks the API with a key of its own, made of the cookie and `page_salt`: neither alone is enough to make it.
CREATE SCHEMA portal;
CREATE TABLE portal.sessions (
    session_id text PRIMARY KEY,
    kind text NOT NULL,
    account_id text COLLATE "C",
    operator text,
    link_hash bytea NOT NULL UNIQUE,
    link_expires_at timestamptz NOT NULL,
    cookie_hash bytea UNIQUE,
    page_salt bytea,
    page_key_hash bytea UNIQUE,
    csrf_token text,
    expires_at timestamptz,
    created_at timestamptz NOT NULL,
    CONSTRAINT kind_is_known CHECK (kind IN ('account', 'ops')),
    CONSTRAINT an_account_session_has_an_account CHECK ((kind = 'account') = (account_id IS NOT NULL)),
    CONSTRAINT an_ops_session_has_an_operator CHECK ((kind = 'ops') = (operator IS NOT NULL)),
    CONSTRAINT an_entered_session_is_whole CHECK (num_nulls(cookie_hash, page_salt, csrf_token, expires_at) IN (0, 4))
);
CREATE INDEX sessions_by_age ON portal.sessions (created_at);

-- What operators did on the page: who, what, why.
CREATE TABLE portal.audit_log (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    operator text NOT NULL,
    action text NOT NULL,
    reason text NOT NULL,
    detail jsonb NOT NULL,
    created_at timestamptz NOT NULL
);
