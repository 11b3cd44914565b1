-- Columns of a batch travel as lines of text: the driver's arrays took longer than deciding what is in them.

-- name: open_checks
SELECT * FROM ledger.open_checks_v1(
    string_to_array($1, E'\n'), string_to_array($2, E'\n'), string_to_array($3, E'\n'),
    string_to_array($4, E'\n', ''), string_to_array($5, E'\n', ''), $6, $7);

-- name: write_holds
SELECT ledger.write_holds_v1(
    string_to_array($1, E'\n'), string_to_array($2, E'\n'), string_to_array($3, E'\n'),
    string_to_array($4, E'\n'), string_to_array($5, E'\n'),
    string_to_array($6, E'\n')::bigint[], string_to_array($7, E'\n')::bigint[],
    string_to_array($8, E'\n')::integer[], string_to_array($9, E'\n')::boolean[],
    string_to_array($10, E'\n', ''), string_to_array($11, E'\n', ''), $12, string_to_array($13, E'\n')::integer[],
    $14);

-- name: note_integer_ids
SELECT ledger.note_integer_ids_v1($1, $2);

-- name: free_expired_holds
SELECT * FROM ledger.free_expired_holds_v1($1, $2);

-- name: append_events
SELECT ledger.append_events_v1($1, $2, $3, $4);

-- name: write_rejections
INSERT INTO gatekeeper.rejections (
    account_id, kind, ref_id, action, code, required_micros, available_micros, rejected_at)
SELECT told.*, $8 FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::bigint[])
    AS told;

-- name: forget_rejections
DELETE FROM gatekeeper.rejections WHERE rejected_at < $1;

-- name: knows_account
SELECT EXISTS (SELECT FROM ledger.tenants_v1 WHERE account_id = $1);

-- name: find_hold
SELECT * FROM ledger.holds_v1 WHERE account_id = $1 AND kind = $2 AND ref_id = $3;

-- name: find_billed
SELECT transfer_id FROM ledger.billed_usage_v1 WHERE account_id = $1 AND ref_id = $2 AND type = ANY ($3::text[]);

-- name: find_rejection
SELECT code FROM gatekeeper.rejections WHERE account_id = $1 AND kind = $2 AND ref_id = $3 ORDER BY id DESC LIMIT 1;

-- name: list_holds
SELECT *, ledger.shown_id(account_id, account_id) AS shown_account_id, ledger.shown_id(account_id, ref_id) AS shown_ref_id
FROM (
    SELECT *, CASE WHEN state = 'open' AND expires_at <= $3 THEN 'orphaned' ELSE state END AS shown_state
    FROM ledger.holds_v1 WHERE account_id = $1
) AS shown
WHERE $2::text IS NULL OR shown_state = $2
ORDER BY created_at DESC, kind, ref_id LIMIT $4 OFFSET $5;

-- name: count_holds
SELECT count(*) FROM ledger.holds_v1
WHERE account_id = $1
  AND ($2::text IS NULL OR CASE WHEN state = 'open' AND expires_at <= $3 THEN 'orphaned' ELSE state END = $2);
