-- Shapes of money and ids, the one place where SQL writes what the outside reads (contract §0).

-- Micros to whole cents, towards minus infinity: a balance is never shown larger than it is.
CREATE OR REPLACE FUNCTION ledger.floor_cents(micros bigint) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (micros - ((micros % 10000) + 10000) % 10000) / 10000;

-- Micros to whole cents, towards plus infinity: what is held or required is never shown smaller than it is.
CREATE OR REPLACE FUNCTION ledger.ceil_cents(micros bigint) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN -((-micros - ((-micros % 10000) + 10000) % 10000) / 10000);

-- -16 cents to '-0.16'. Its parameter stands there once: else the planner would not put the text of it in the place of
-- a call.
CREATE OR REPLACE FUNCTION ledger.usd_text(cents bigint) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (cents * 0.01)::text;

CREATE OR REPLACE FUNCTION ledger.rfc3339(instant timestamptz) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
RETURN to_char(instant AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"');

-- Prefix, 48 bits of milliseconds, 80 bits of chance: sorts by time.
CREATE OR REPLACE FUNCTION ledger.new_id(prefix text, p_now timestamptz) RETURNS text LANGUAGE sql VOLATILE
RETURN prefix || '_' || lpad(to_hex((extract(epoch FROM p_now) * 1000)::bigint), 12, '0')
    || left(encode(uuid_send(gen_random_uuid()), 'hex'), 6) || right(encode(uuid_send(gen_random_uuid()), 'hex'), 14);

-- An id as its caller sent it: a JSON integer where it came as one. `shown_id` asks only where the text could be one.
CREATE OR REPLACE FUNCTION ledger.sent_id_v1(p_account_id text, p_id text) RETURNS json
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp
RETURN CASE WHEN EXISTS (SELECT FROM ledger.integer_ids WHERE account_id = p_account_id AND id = p_id)
    THEN p_id::json ELSE to_json(p_id) END;

CREATE OR REPLACE FUNCTION ledger.shown_id(p_account_id text, p_id text) RETURNS json LANGUAGE sql STABLE
RETURN CASE WHEN p_id ~ '^-?[0-9]+$' THEN ledger.sent_id_v1(p_account_id, p_id) ELSE to_json(p_id) END;

-- What an event tells, its ids as they were sent.
CREATE OR REPLACE FUNCTION ledger.with_sent_ids(p_account_id text, p_data jsonb) RETURNS jsonb LANGUAGE sql STABLE
RETURN jsonb_build_object('account_id', ledger.shown_id(p_account_id, p_account_id)) || p_data || coalesce((
    SELECT jsonb_object_agg(key, ledger.shown_id(p_account_id, value #>> '{}'))
    FROM jsonb_each(p_data)
    WHERE key IN ('account_id', 'call_id', 'message_id', 'chat_id', 'number_id', 'id')
      AND jsonb_typeof(value) = 'string'), '{}');

CREATE OR REPLACE FUNCTION ledger.account_status(account ledger.accounts) RETURNS text LANGUAGE sql STABLE
RETURN CASE
    WHEN account.disabled THEN 'disabled'
    WHEN account.manual_suspension IS NOT NULL OR account.billing_suspension IS NOT NULL THEN 'suspended'
    ELSE 'active' END;

CREATE OR REPLACE FUNCTION ledger.pools_json(wanted text) RETURNS jsonb LANGUAGE sql STABLE
RETURN (
    SELECT jsonb_build_object(
        'included_seconds', included_ms / 1000, 'wallet_seconds', wallet_ms / 1000,
        'billable_seconds', billable_ms / 1000, 'held_seconds', (held_ms + 999) / 1000)
    FROM ledger.pools WHERE pools.account_id = wanted);

-- The state of a balance as events and notices show it.
CREATE OR REPLACE FUNCTION ledger.balance_json(account ledger.accounts) RETURNS jsonb LANGUAGE sql STABLE
RETURN jsonb_build_object(
    'account_id', ledger.shown_id(account.account_id, account.account_id),
    'version', account.version,
    'balance_cents', ledger.floor_cents(account.balance_micros),
    'balance_usd', ledger.usd_text(ledger.floor_cents(account.balance_micros)),
    'held_cents', ledger.ceil_cents(account.held_micros),
    'available_cents',
    ledger.floor_cents(account.balance_micros + account.credit_limit_micros - account.held_micros),
    'available_usd', ledger.usd_text(
        ledger.floor_cents(account.balance_micros + account.credit_limit_micros - account.held_micros)),
    'minute_pools', ledger.pools_json(account.account_id),
    'status', ledger.account_status(account));

-- Under which kind the gate would hold for usage of this type; null where it holds nothing.
CREATE OR REPLACE FUNCTION ledger.hold_kind(type text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE type WHEN 'call.ended' THEN 'call' WHEN 'sms.sent' THEN 'sms' WHEN 'sms.received' THEN 'sms'
    WHEN 'chat.message' THEN 'chat' END;
