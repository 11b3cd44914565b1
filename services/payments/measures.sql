-- What /metrics shows of payments. Everything here reads an index of what is unfinished, or a table that stays small.

-- name: charges
SELECT state, count(*) AS charges, min(created_at) AS since
FROM payments.attempts WHERE state IN ('created', 'submitting', 'unknown', 'requires_action', 'processing')
GROUP BY state;

-- name: unfinished
SELECT
    (SELECT count(*) FROM payments.refunds WHERE state IN ('created', 'submitting', 'unknown')) AS refunds,
    (SELECT min(created_at) FROM payments.refunds WHERE state IN ('created', 'submitting', 'unknown')) AS refunds_since,
    (SELECT count(*) FROM payments.inbox WHERE processed_at IS NULL) AS inbox,
    (SELECT min(received_at) FROM payments.inbox WHERE processed_at IS NULL) AS inbox_since,
    (SELECT coalesce(held_until > $1, false) FROM payments.brake) AS is_held,
    (SELECT min(read_until) FROM payments.event_pull) AS read_until;

-- name: open_alerts
SELECT kind, count(*) AS alerts FROM payments.alerts WHERE cleared_at IS NULL GROUP BY kind;
