-- Holds and their tombstones, and what was billed, as the gate's reads show them.
CREATE OR REPLACE VIEW ledger.holds_v1 AS
SELECT account_id, kind, ref_id, hold_id, state, amount_micros, pool_ms, granted, is_final, rate_usd, created_at,
       expires_at, closed_at, transfer_id
FROM ledger.holds;

-- Usage that was charged, under the id that a check of it would have; kind as the gate calls it.
CREATE OR REPLACE VIEW ledger.billed_usage_v1 AS
SELECT account_id, ref_id, transfer_id, received_at, type,
       CASE type WHEN 'call.ended' THEN 'call' WHEN 'chat.message' THEN 'chat' ELSE 'sms' END AS kind
FROM ledger.usage_events
WHERE ref_id IS NOT NULL AND NOT is_accepted_twin
  AND type IN ('call.ended', 'sms.sent', 'sms.received', 'chat.message');
