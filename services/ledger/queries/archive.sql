-- A row travels as the text of its JSON. A migration that changes these tables must keep what is on files restorable:
-- tests/commands/test_archive.py restores one of each format.

-- name: was_archived
SELECT EXISTS (
    SELECT FROM ledger.usage_events WHERE json_typeof(data) = 'null' AND received_at >= $1 AND received_at < $2);

-- name: billed_holds
-- Open, released and orphaned holds stay: a late check or late usage may still ask for them. They are few.
SELECT row_to_json(holds)::text FROM ledger.holds
WHERE state = 'billed' AND closed_at >= $1 AND closed_at < $2;

-- name: told_usage
SELECT row_to_json(usage_events)::text FROM ledger.usage_events
WHERE state IN ('posted', 'free') AND type = ANY ($3::text[]) AND json_typeof(data) = 'object'
  AND received_at >= $1 AND received_at < $2;

-- name: lock_accounts_of
SELECT FROM ledger.accounts
WHERE account_id IN (SELECT line::json ->> 'account_id' FROM unnest($1::text[]) AS line)
ORDER BY account_id FOR UPDATE;

-- name: remove_holds
-- Only what is there exactly as it was written down.
WITH kept AS (
    SELECT line, account_id, kind, ref_id
    FROM unnest($1::text[]) AS line, json_populate_record(NULL::ledger.holds, line::json)
)
DELETE FROM ledger.holds USING kept
WHERE holds.account_id = kept.account_id AND holds.kind = kept.kind AND holds.ref_id = kept.ref_id
  AND row_to_json(holds)::text = kept.line;

-- name: remove_told_usage
-- What makes the event unique, and what it cost, stays for ever.
WITH kept AS (
    SELECT account_id, source, event_id, data
    FROM unnest($1::text[]) AS line, json_populate_record(NULL::ledger.usage_events, line::json)
)
UPDATE ledger.usage_events SET data = 'null' FROM kept
WHERE usage_events.account_id = kept.account_id AND usage_events.source = kept.source
  AND usage_events.event_id = kept.event_id AND usage_events.data::text = kept.data::text;

-- name: restore_holds
-- Only beside the usage that it was billed by: another installation's file puts nothing into these books.
INSERT INTO ledger.holds
SELECT kept.* FROM unnest($1::text[]) AS line, json_populate_record(NULL::ledger.holds, line::json) AS kept
WHERE EXISTS (
    SELECT FROM ledger.billed_usage_v1 AS used
    WHERE used.account_id = kept.account_id AND used.kind = kept.kind AND used.ref_id = kept.ref_id)
ON CONFLICT DO NOTHING;

-- name: restore_told_usage
WITH kept AS (
    SELECT account_id, source, event_id, content_hash, data
    FROM unnest($1::text[]) AS line, json_populate_record(NULL::ledger.usage_events, line::json)
)
UPDATE ledger.usage_events SET data = kept.data FROM kept
WHERE usage_events.account_id = kept.account_id AND usage_events.source = kept.source
  AND usage_events.event_id = kept.event_id AND usage_events.content_hash = kept.content_hash
  AND json_typeof(usage_events.data) = 'null';
