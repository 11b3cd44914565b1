-- The clock: what is due, and writing what came of it.

-- name: claim_due
SELECT * FROM subscriptions.subscriptions
WHERE next_at <= $1 ORDER BY next_at LIMIT $2 FOR UPDATE SKIP LOCKED

-- name: lock_running
SELECT * FROM subscriptions.subscriptions WHERE account_id = $1 AND status <> 'canceled' FOR UPDATE

-- name: lock_subscription
SELECT * FROM subscriptions.subscriptions WHERE subscription_id = $1 FOR UPDATE

-- name: unpaid_requests
SELECT * FROM subscriptions.payment_requests
WHERE subscription_id = ANY ($1) AND type = 'cycle' AND status IN ('pending', 'overdue', 'failed')

-- name: lock_plans
SELECT * FROM ledger.lock_plans_v1($1)

-- name: insert_subscription
INSERT INTO subscriptions.subscriptions (
    subscription_id, account_id, plan_id, status, terms, started_at, period_number, period_start, period_end,
    period_end_index, next_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)

-- name: save_subscriptions
UPDATE subscriptions.subscriptions AS s SET
    status = now.status, period_number = now.number, period_start = now.period_start, period_end = now.period_end,
    period_end_index = now.end_index, canceled_at = now.canceled_at, next_at = now.next_at
FROM unnest($1::text[], $2::text[], $3::integer[], $4::timestamptz[], $5::timestamptz[], $6::integer[],
            $7::timestamptz[], $8::timestamptz[])
     AS now (subscription_id, status, number, period_start, period_end, end_index, canceled_at, next_at)
WHERE s.subscription_id = now.subscription_id

-- name: insert_periods
INSERT INTO subscriptions.periods (subscription_id, number, period_start, period_end, follows)
SELECT subscription_id, number, period_start, period_end, CASE WHEN number > 1 THEN period_start END
FROM unnest($1::text[], $2::integer[], $3::timestamptz[], $4::timestamptz[])
     AS opened (subscription_id, number, period_start, period_end)

-- name: close_periods
UPDATE subscriptions.periods AS p SET closed_at = closed.at, billable_ms = closed.billable_ms
FROM unnest($1::text[], $2::integer[], $3::timestamptz[], $4::bigint[])
     AS closed (subscription_id, number, at, billable_ms)
WHERE p.subscription_id = closed.subscription_id AND p.number = closed.number

-- name: insert_requests
INSERT INTO subscriptions.payment_requests (
    request_id, account_id, agency_id, subscription_id, period_number, type, kind, status, currency, amount_cents,
    line_items, period_start, period_end, created_at, due_at, grace_until, paid_at, external_reference, supplement)
SELECT request_id, account_id, agency_id, subscription_id, period_number, type, kind, status, currency, amount_cents,
       line_items, period_start, period_end, created_at, due_at, grace_until, paid_at, external_reference, supplement
FROM unnest($1::text[], $2::text[], $3::text[], $4::integer[], $5::text[], $6::text[], $7::text[], $8::text[],
            $9::bigint[], $10::jsonb[], $11::timestamptz[], $12::timestamptz[], $13::timestamptz[],
            $14::timestamptz[], $15::timestamptz[], $16::timestamptz[], $17::text[], $18::integer[])
     AS made (request_id, account_id, subscription_id, period_number, type, kind, status, currency, amount_cents,
              line_items, period_start, period_end, created_at, due_at, grace_until, paid_at, external_reference,
              supplement)
JOIN subscriptions.clients USING (account_id)

-- name: save_requests
UPDATE subscriptions.payment_requests AS r SET
    status = now.status, paid_at = now.paid_at, external_reference = now.external_reference
FROM unnest($1::text[], $2::text[], $3::timestamptz[], $4::text[])
     AS now (request_id, status, paid_at, external_reference)
WHERE r.request_id = now.request_id

-- name: open_periods
SELECT ledger.open_periods_v1($1, $2, $3, $4, $5, $6, $7, $8, $9)

-- name: stop_plans
SELECT ledger.stop_plans_v1($1, $2)

-- name: hold_periods_open
SELECT ledger.hold_periods_open_v1($1)

-- name: claim_late_usage
SELECT s.* FROM ledger.late_usage_v1 AS late JOIN subscriptions.subscriptions AS s USING (subscription_id)
ORDER BY subscription_id LIMIT $1 FOR UPDATE OF s SKIP LOCKED

-- name: usage_asked_for
SELECT p.subscription_id, p.billable_ms, max(r.supplement) AS supplements
FROM subscriptions.subscriptions AS s
JOIN subscriptions.periods AS p ON p.subscription_id = s.subscription_id AND p.number = s.period_number
LEFT JOIN subscriptions.payment_requests AS r
    ON r.subscription_id = p.subscription_id AND r.period_number = p.number AND r.kind = 'usage'
WHERE s.subscription_id = ANY ($1) GROUP BY p.subscription_id, p.number

-- name: invoice_late_usage
SELECT * FROM ledger.invoice_late_usage_v1($1, $2)

-- name: add_late_usage
UPDATE subscriptions.periods AS p SET billable_ms = p.billable_ms + late.ms
FROM unnest($1::text[], $2::integer[], $3::bigint[]) AS late (subscription_id, number, ms)
WHERE p.subscription_id = late.subscription_id AND p.number = late.number

-- name: set_access
SELECT ledger.set_access_v1($1, $2, $3)

-- name: append_events
SELECT ledger.append_events_v1($1, $2, $3, $4)

-- name: grant_minutes
SELECT ledger.grant_minutes_v1($1, $2, $3, $4)

-- name: pass_due_dates_of_loose_requests
WITH due AS (
    SELECT request_id FROM subscriptions.payment_requests AS r
    WHERE status = 'pending' AND due_at <= $1
      AND NOT EXISTS (
          SELECT FROM subscriptions.subscriptions AS s
          WHERE r.type = 'cycle' AND s.subscription_id = r.subscription_id AND s.status IN ('active', 'past_due'))
    ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED
)
UPDATE subscriptions.payment_requests AS r SET status = 'overdue'
FROM due WHERE r.request_id = due.request_id RETURNING r.*

-- Reading and setting what an agency has.

-- name: tenant
SELECT account_id, parent_id, is_agency FROM ledger.tenants_v1 WHERE account_id = $1

-- name: agency_timezone
SELECT timezone FROM ledger.agencies_v1 WHERE agency_id = $1

-- name: insert_plan
INSERT INTO subscriptions.plans (
    plan_id, agency_id, name, status, currency, recurring_fee_cents, minute_rate_usd, included_minutes, rhythm,
    rhythm_count, due_days, grace_days, packs_allowed, client_may_start, chats_per_minute, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
RETURNING *

-- name: save_plan
UPDATE subscriptions.plans SET
    name = $3, status = $4, currency = $5, recurring_fee_cents = $6, minute_rate_usd = $7, included_minutes = $8,
    rhythm = $9, rhythm_count = $10, due_days = $11, grace_days = $12, packs_allowed = $13, client_may_start = $14,
    chats_per_minute = $15
WHERE plan_id = $1 AND agency_id = $2
RETURNING *

-- name: plan
SELECT * FROM subscriptions.plans WHERE plan_id = $1 AND agency_id = $2

-- name: lock_plan
SELECT * FROM subscriptions.plans WHERE plan_id = $1 AND agency_id = $2 FOR UPDATE

-- name: share_plan
SELECT * FROM subscriptions.plans WHERE plan_id = $1 AND agency_id = $2 FOR SHARE

-- name: plan_is_running
SELECT EXISTS (SELECT FROM subscriptions.subscriptions WHERE plan_id = $1 AND status <> 'canceled')

-- name: plans
SELECT * FROM subscriptions.plans WHERE agency_id = $1 AND ($2::text IS NULL OR status = $2)
ORDER BY created_at DESC, plan_id DESC LIMIT $3 OFFSET $4

-- name: count_plans
SELECT count(*) FROM subscriptions.plans WHERE agency_id = $1 AND ($2::text IS NULL OR status = $2)

-- name: insert_pack
INSERT INTO subscriptions.packs (pack_id, agency_id, name, minutes, price_cents, currency, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7)
RETURNING *

-- name: save_pack
UPDATE subscriptions.packs SET name = $3, minutes = $4, price_cents = $5, currency = $6
WHERE pack_id = $1 AND agency_id = $2
RETURNING *

-- name: pack
SELECT * FROM subscriptions.packs WHERE pack_id = $1 AND agency_id = $2

-- name: lock_pack
SELECT * FROM subscriptions.packs WHERE pack_id = $1 AND agency_id = $2 FOR UPDATE

-- name: packs
SELECT * FROM subscriptions.packs WHERE agency_id = $1
ORDER BY created_at DESC, pack_id DESC LIMIT $2 OFFSET $3

-- name: count_packs
SELECT count(*) FROM subscriptions.packs WHERE agency_id = $1

-- Clients.

-- name: open_client
SELECT ledger.open_client_v1($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)

-- name: note_integer_id
SELECT ledger.note_integer_ids_v1(ARRAY[$1::text], ARRAY[$1::text])

-- name: know_client
INSERT INTO subscriptions.clients (account_id, agency_id) VALUES ($1, $2) ON CONFLICT (account_id) DO NOTHING

-- The key never changes, and a renewal that writes a request of this client while it holds the subscription we are
-- about to lock must not wait for us.
-- name: lock_client
SELECT * FROM subscriptions.clients WHERE account_id = $1 FOR NO KEY UPDATE

-- name: client
SELECT * FROM subscriptions.clients WHERE account_id = $1

-- name: set_plan
UPDATE subscriptions.clients SET plan_id = $2 WHERE account_id = $1

-- name: forget_packs
DELETE FROM subscriptions.client_packs WHERE account_id = $1

-- name: assign_packs
INSERT INTO subscriptions.client_packs (account_id, pack_id, place)
SELECT $1, pack_id, place FROM unnest($2::text[]) WITH ORDINALITY AS assigned (pack_id, place)

-- name: packs_of_agency
SELECT pack_id FROM subscriptions.packs WHERE pack_id = ANY ($1) AND agency_id = $2

-- name: assigned_packs
SELECT packs.* FROM subscriptions.client_packs JOIN subscriptions.packs USING (pack_id)
WHERE account_id = $1 ORDER BY place

-- name: set_disabled
SELECT ledger.set_disabled_v1($1, $2, $3)

-- name: latest_subscription
SELECT * FROM subscriptions.subscriptions WHERE account_id = $1
ORDER BY (status <> 'canceled') DESC, started_at DESC, subscription_id DESC LIMIT 1

-- name: clients
SELECT known.*, ledger.shown_id(known.account_id, known.account_id) AS shown_id,
       ledger.shown_id(known.agency_id, known.agency_id) AS shown_agency_id,
       clients.plan_id, plans.name AS plan_name, latest.subscription_id, latest.status AS subscription_status,
       ARRAY(SELECT pack_id FROM subscriptions.client_packs
             WHERE client_packs.account_id = known.account_id ORDER BY place) AS pack_ids
FROM ledger.clients_v1 AS known
LEFT JOIN subscriptions.clients ON clients.account_id = known.account_id
LEFT JOIN subscriptions.plans USING (plan_id)
LEFT JOIN LATERAL (
    SELECT subscription_id, status FROM subscriptions.subscriptions AS s WHERE s.account_id = known.account_id
    ORDER BY (status <> 'canceled') DESC, started_at DESC, subscription_id DESC LIMIT 1
) AS latest ON true
WHERE known.agency_id = $1 AND ($2::text IS NULL OR known.account_id = $2)
ORDER BY known.created_at DESC, known.account_id DESC LIMIT $3 OFFSET $4

-- name: count_clients
SELECT count(*) FROM ledger.clients_v1 WHERE agency_id = $1

-- name: access
SELECT disabled, access_refusal, campaigns_paused FROM ledger.clients_v1 WHERE account_id = $1

-- name: usage
SELECT rate_micros_per_minute, chat_ms, included_granted_ms, included_ms, wallet_ms, billable_ms, subscription_id
FROM ledger.plan_usage_v1 WHERE account_id = $1

-- Payment requests.

-- name: request
SELECT * FROM subscriptions.payment_requests WHERE request_id = $1

-- name: lock_request
SELECT * FROM subscriptions.payment_requests WHERE request_id = $1 FOR UPDATE

-- name: requests
SELECT * FROM subscriptions.payment_requests
WHERE agency_id = $1 AND ($2::text IS NULL OR account_id = $2) AND ($3::text IS NULL OR status = $3)
  AND ($4::text IS NULL OR type = $4)
ORDER BY created_at DESC, request_id DESC LIMIT $5 OFFSET $6

-- name: count_requests
SELECT count(*) FROM subscriptions.payment_requests
WHERE agency_id = $1 AND ($2::text IS NULL OR account_id = $2) AND ($3::text IS NULL OR status = $3)
  AND ($4::text IS NULL OR type = $4)

-- name: forget_old_idempotency_keys
DELETE FROM subscriptions.idempotency_keys WHERE created_at < $1 AND status >= 400
