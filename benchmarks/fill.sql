-- Consistent books of a size, made at once: so many calls a wallet, each with its hold, its event and its transfer.
-- $1 how many calls each account gets, $2 the number of the first of them, $3 now.
WITH made AS (
    SELECT account_id, balance_micros, entry_count, place,
           nextval('ledger.transfers_id_seq') AS id, 'old-' || account_id || '-' || place AS call_id,
           $3::timestamptz AS at
    FROM ledger.accounts, generate_series($2::integer, $2::integer + $1::integer - 1) AS place
), transfers AS (
    INSERT INTO ledger.transfers (
        id, account_id, seq, kind, reason, amount_micros, balance_after_micros, counter_account, description,
        reference_type, reference_id, metadata, created_at)
    OVERRIDING SYSTEM VALUE
    SELECT id, account_id, entry_count + place - $2 + 1, 'debit', 'call', -360000,
           balance_micros - 360000 * (place - $2 + 1), 'revenue', 'Call billing: 2 minutes × $0.18', 'call', call_id,
           ('{"components":[{"item":"voice","billed":2,"unit":"minute","price_usd":"0.10","per":"minute",'
            '"amount_usd":"0.20","increment_seconds":60},{"item":"telephony","billed":2,"unit":"minute",'
            '"price_usd":"0.08","per":"minute","amount_usd":"0.16","increment_seconds":60}],"total_usd":"0.36",'
            '"direction":"outbound","from":"+15550100","to":"+4930123456","status":"completed","duration_seconds":90,'
            '"started_at":"2026-01-01T00:00:00+00:00","ended_at":"2026-01-01T00:01:34+00:00"}')::json, at
    FROM made
), holds AS (
    INSERT INTO ledger.holds (
        account_id, kind, ref_id, hold_id, state, amount_micros, granted, is_final, rate_usd, request, created_at,
        expires_at, closed_at, transfer_id)
    SELECT account_id, 'call', call_id, 'hold_' || call_id, 'billed', 360000, 180, false, '0.18',
           '{"to": "+4930123456", "from": "+15550100", "direction": "outbound"}', at, at + interval '5 minutes', at, id
    FROM made
), events AS (
    INSERT INTO ledger.usage_events (
        account_id, source, event_id, type, ref_id, content_hash, state, occurred_at, stated_at, received_at,
        book_version, data, transfer_id)
    SELECT account_id, 'sip/edge-1', 'evt-' || call_id, 'call.ended', call_id, decode(md5(call_id), 'hex'), 'posted',
           at, at, at, 1,
           json_build_object(
               'account_id', account_id, 'call_id', call_id, 'direction', 'outbound', 'from', '+15550100',
               'to', '+4930123456', 'status', 'completed', 'started_at', '2026-01-01T00:00:00.000Z',
               'answered_at', '2026-01-01T00:00:04.000Z', 'ended_at', '2026-01-01T00:01:34.000Z',
               'duration_seconds', 90),
           id
    FROM made
)
UPDATE ledger.accounts SET
    balance_micros = balance_micros - 360000 * $1::bigint, entry_count = entry_count + $1, version = version + 1,
    announced_count = entry_count + $1,
    spend_month = date_trunc('month', $3::timestamptz AT TIME ZONE 'UTC')::date,
    spend_micros = CASE WHEN spend_month = date_trunc('month', $3::timestamptz AT TIME ZONE 'UTC')::date
        THEN spend_micros ELSE 0 END + 360000 * $1::bigint;
