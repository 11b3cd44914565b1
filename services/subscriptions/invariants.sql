-- What must always be true of subscriptions. Each query returns what is not: (subject, detail), nothing when all is
-- right. Read by `ringfence audit` and by the audit tick, all in one snapshot.

-- name: periods_tile_time
SELECT subscription_id AS subject,
       format('period %s begins at %s, it should at %s', number, period_start, expected_start) AS detail
FROM (
    SELECT subscription_id, number, p.period_start, row_number() OVER life AS expected_number,
           coalesce(lag(p.period_end) OVER life, started_at) AS expected_start
    FROM subscriptions.periods AS p JOIN subscriptions.subscriptions USING (subscription_id)
    WINDOW life AS (PARTITION BY subscription_id ORDER BY number)
) AS period
WHERE number <> expected_number OR period_start <> expected_start;

-- name: a_subscription_is_in_its_last_period
SELECT s.subscription_id AS subject, format('period %s is shown, %s is the last', period_number, number) AS detail
FROM subscriptions.subscriptions AS s
JOIN LATERAL (
    SELECT number, period_start, period_end, closed_at FROM subscriptions.periods
    WHERE periods.subscription_id = s.subscription_id ORDER BY number DESC LIMIT 1
) AS newest ON true
WHERE (period_number, s.period_start, s.period_end) IS DISTINCT FROM (number, newest.period_start, newest.period_end)
   OR (status = 'canceled') <> (closed_at IS NOT NULL);

-- name: each_period_asks_for_its_fee_once
SELECT p.subscription_id AS subject, format('period %s has %s requests for its fee', number, made.count) AS detail
FROM subscriptions.periods AS p
JOIN subscriptions.subscriptions AS s USING (subscription_id)
JOIN LATERAL (
    SELECT count(*) FROM subscriptions.payment_requests AS r
    WHERE r.subscription_id = p.subscription_id AND r.period_number = p.number AND kind = 'recurring'
      AND amount_cents = (terms ->> 'recurring_fee_cents')::bigint
) AS made ON true
WHERE made.count <> CASE WHEN (terms ->> 'recurring_fee_cents')::bigint > 0 THEN 1 ELSE 0 END;

-- name: each_closed_period_asks_for_its_usage_once
SELECT p.subscription_id AS subject,
       format('period %s was billable for %s ms, %s cents are asked for, not %s', number, billable_ms, asked.cents, due.cents)
       AS detail
FROM subscriptions.periods AS p
JOIN subscriptions.subscriptions AS s USING (subscription_id)
JOIN LATERAL (
    SELECT coalesce(sum(amount_cents), 0) AS cents FROM subscriptions.payment_requests AS r
    WHERE r.subscription_id = p.subscription_id AND r.period_number = p.number AND kind = 'usage'
) AS asked ON true
JOIN LATERAL (
    SELECT round(coalesce(billable_ms, 0) * coalesce((terms ->> 'minute_rate_usd')::numeric, 0) * 100 / 60000) AS cents
) AS due ON true
WHERE asked.cents <> due.cents;

-- name: a_running_plan_has_its_pools
SELECT account_id AS subject, format('%s is %s, the pools are those of %s', s.subscription_id, status,
       coalesce(pools.subscription_id, 'none')) AS detail
FROM subscriptions.subscriptions AS s LEFT JOIN ledger.pools USING (account_id)
WHERE status <> 'canceled'
  AND ((s.subscription_id, s.period_start) IS DISTINCT FROM (pools.subscription_id, pools.period_start)
       OR (status <> 'blocked' AND s.period_end <> pools.period_end));

-- name: pools_without_a_running_plan
SELECT account_id AS subject, format('the pools are those of %s, which does not run', pools.subscription_id) AS detail
FROM ledger.pools
WHERE subscription_id IS NOT NULL AND NOT EXISTS (
    SELECT FROM subscriptions.subscriptions AS s
    WHERE s.subscription_id = pools.subscription_id AND s.account_id = pools.account_id AND status <> 'canceled');

-- name: the_gate_refuses_what_the_status_says
SELECT clients.account_id AS subject, format('refused for %s, should be for %s', access_refusal, wanted.refusal) AS detail
FROM subscriptions.clients
JOIN ledger.accounts USING (account_id)
LEFT JOIN subscriptions.subscriptions AS s ON s.account_id = clients.account_id AND s.status <> 'canceled'
JOIN LATERAL (
    SELECT CASE
        WHEN s.status = 'blocked' THEN 'subscription_blocked'
        WHEN s.status = 'past_due' THEN 'payment_overdue'
        WHEN s.status IS NULL AND clients.plan_id IS NOT NULL THEN 'no_subscription' END AS refusal
) AS wanted ON true
WHERE access_refusal IS DISTINCT FROM wanted.refusal;

-- name: each_pack_request_has_granted_its_minutes
SELECT r.account_id AS subject, format('pack request %s granted no minutes', request_id) AS detail
FROM subscriptions.payment_requests AS r
WHERE type = 'pack' AND NOT EXISTS (
    SELECT FROM ledger.pool_transfers AS granted
    WHERE granted.origin = 'pack:' || request_id AND granted.account_id = r.account_id AND granted.pool = 'wallet');

-- name: minutes_granted_have_their_cause
SELECT account_id AS subject, format('%s ms were granted for %s, which is not there', amount_ms, origin) AS detail
FROM ledger.pool_transfers AS granted
WHERE reason = 'granted' AND pool = 'wallet' AND origin LIKE 'pack:%' AND NOT EXISTS (
    SELECT FROM subscriptions.payment_requests AS r WHERE granted.origin = 'pack:' || r.request_id);

-- name: the_books_know_when_each_plan_ran
SELECT account_id AS subject, format('%s ran from %s to %s, the books say from %s to %s', subscription_id, started_at,
       canceled_at, counts_from, stopped_at) AS detail
FROM subscriptions.subscriptions AS s LEFT JOIN ledger.plan_windows AS ran USING (subscription_id, account_id)
WHERE ran.counts_from IS NULL OR (canceled_at IS NULL) <> (stopped_at IS NULL)
   OR counts_from > started_at OR stopped_at > greatest(canceled_at, counts_from);

-- name: late_usage_is_asked_for_under_its_subscription
SELECT r.subscription_id AS subject, format('%s supplements period %s, the last is %s', request_id, r.period_number,
       s.period_number) AS detail
FROM subscriptions.payment_requests AS r JOIN subscriptions.subscriptions AS s USING (subscription_id)
WHERE supplement > 0 AND (s.status <> 'canceled' OR r.period_number <> s.period_number);

-- name: a_request_is_the_sum_of_its_lines
SELECT request_id AS subject, format('%s cents, its lines come to %s', amount_cents, lines.cents) AS detail
FROM subscriptions.payment_requests
JOIN LATERAL (
    SELECT coalesce(sum((line ->> 'amount_cents')::bigint), 0) AS cents FROM jsonb_array_elements(line_items) AS line
) AS lines ON true
WHERE amount_cents <> lines.cents;
