-- name: open_session
INSERT INTO portal.sessions (session_id, kind, account_id, operator, link_hash, link_expires_at, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7);

-- name: enter
UPDATE portal.sessions
SET cookie_hash = $2, page_salt = $3, page_key_hash = $4, csrf_token = $5, expires_at = $6,
    link_expires_at = '-infinity'
WHERE link_hash = $1 AND link_expires_at > $7
RETURNING kind, account_id;

-- name: books_check
SELECT checked_at, invariants, findings::text AS findings FROM portal.books_checks;

-- name: write_audit
INSERT INTO portal.audit_log (operator, action, reason, detail, created_at) VALUES ($1, $2, $3, $4, $5);

-- name: audit_log
SELECT operator, action, reason, detail::text AS detail, created_at FROM portal.audit_log ORDER BY id DESC LIMIT $1;

-- name: rejections
SELECT account_id, kind, ref_id, code, required_micros, available_micros, rejected_at
FROM gatekeeper.rejections_v1 ORDER BY id DESC LIMIT $1;

-- name: open_charges
SELECT attempt_id, account_id, kind, amount_cents, state, failure_message, created_at, next_check_at
FROM payments.open_charges_v1 WHERE (created_at < $1 AND state <> 'requires_action') OR state = 'unknown'
ORDER BY created_at LIMIT $2;

-- name: orphaned_holds
SELECT account_id, kind, ref_id, amount_micros, created_at, expires_at FROM ledger.holds_v1
WHERE state = 'orphaned' OR (state = 'open' AND expires_at < $1) ORDER BY expires_at DESC LIMIT $2;

-- name: ticks
SELECT name, last_due_at, published_at FROM scheduler.ticks ORDER BY name;

-- name: leave
DELETE FROM portal.sessions WHERE cookie_hash = $1;

-- name: page_salt
SELECT page_salt FROM portal.sessions WHERE cookie_hash = $1;

-- name: forget_sessions
DELETE FROM portal.sessions WHERE created_at < $1;

-- name: tenant
SELECT account_id, parent_id, is_agency FROM ledger.tenants_v1 WHERE account_id = $1;

-- name: present_balance
SELECT seq, data::text AS data FROM ledger.present_balance_v1($1);

-- name: events_after
SELECT account_id, seq, id, type, data::text AS data, created_at FROM ledger.events_v1
WHERE account_id = $1 AND seq > $2 AND created_at >= $3 ORDER BY seq LIMIT $4;

-- name: title
SELECT name, agency_name FROM ledger.account_titles_v1 WHERE account_id = $1;

-- name: moved_by_day
SELECT day, reason, micros FROM ledger.moved_by_day_v1($1, $2);

-- name: present_status
SELECT present.data ->> 'status' AS status, titles.is_suspended_by_hand
FROM ledger.account_titles_v1 AS titles, ledger.present_balance_v1($1) AS present WHERE titles.account_id = $1;

-- name: needing_an_eye
SELECT
    (SELECT count(*) FROM payments.open_charges_v1
     WHERE (created_at < $2 AND state <> 'requires_action') OR state = 'unknown') AS charges,
    (SELECT count(*) FROM gatekeeper.rejections_v1 WHERE rejected_at >= $3) AS rejections,
    orphans.holds, orphans.held_micros
FROM (
    SELECT count(*) AS holds, coalesce(sum(amount_micros), 0)::bigint AS held_micros FROM ledger.holds_v1
    WHERE state = 'orphaned' OR (state = 'open' AND expires_at < $1)
) AS orphans;
