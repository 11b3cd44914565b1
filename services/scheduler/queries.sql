-- name: try_lead
SELECT pg_try_advisory_lock(hashtext(current_database()), 8403);

-- name: still_there
SELECT true;

-- name: last_ticks
SELECT name, last_due_at FROM scheduler.ticks;

-- name: record_tick
INSERT INTO scheduler.ticks (name, last_due_at, published_at) VALUES ($1, $2, $2)
ON CONFLICT (name) DO UPDATE SET last_due_at = excluded.last_due_at, published_at = excluded.published_at;
