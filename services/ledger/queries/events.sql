-- name: seq_of_event
SELECT seq FROM ledger.events WHERE account_id = $1 AND id = $2

-- name: newest_events
SELECT account_id, seq, id, type, data, created_at FROM ledger.events
WHERE account_id = $1 AND ($2::text IS NULL OR type = $2)
ORDER BY seq DESC LIMIT $3 OFFSET $4

-- name: events_after
SELECT account_id, seq, id, type, data, created_at FROM ledger.events
WHERE account_id = $1 AND ($2::text IS NULL OR type = $2) AND seq > $3
ORDER BY seq LIMIT $4 OFFSET $5

-- name: count_events
SELECT count(*) FROM ledger.events
WHERE account_id = $1 AND ($2::text IS NULL OR type = $2) AND seq > $3
