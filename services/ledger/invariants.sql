-- What must always be true of the ledger. Each query returns what is not: (subject, detail), nothing when all is right.
-- Read by `ringfence audit` and by the audit tick, all in one snapshot.

-- name: balances_form_an_unbroken_chain
SELECT account_id AS subject,
       format('transfer %s: entry %s should be %s, balance after %s should be %s', id, seq, expected_seq,
              balance_after_micros, expected_balance) AS detail
FROM (
    SELECT id, account_id, seq, balance_after_micros,
           row_number() OVER chain AS expected_seq,
           coalesce(lag(balance_after_micros) OVER chain, 0) + amount_micros AS expected_balance
    FROM ledger.transfers WINDOW chain AS (PARTITION BY account_id ORDER BY seq)
) AS entry
WHERE seq <> expected_seq OR balance_after_micros <> expected_balance;

-- name: balance_is_the_sum_of_its_entries
SELECT account_id AS subject,
       format('balance %s, sum of entries %s, entries %s counted as %s', balance_micros, coalesce(total, 0),
              coalesce(entries, 0), entry_count) AS detail
FROM ledger.accounts
LEFT JOIN (
    SELECT account_id, sum(amount_micros) AS total, count(*) AS entries FROM ledger.transfers GROUP BY account_id
) AS summed USING (account_id)
WHERE balance_micros <> coalesce(total, 0) OR entry_count <> coalesce(entries, 0);

-- name: held_is_the_sum_of_open_holds
SELECT account_id AS subject,
       format('held %s, open holds %s; calls %s, open call holds %s', held_micros, coalesce(total, 0),
              open_call_holds, coalesce(calls, 0)) AS detail
FROM ledger.accounts
LEFT JOIN (
    SELECT account_id, sum(amount_micros) AS total, count(*) FILTER (WHERE kind = 'call') AS calls
    FROM ledger.holds WHERE state = 'open' GROUP BY account_id
) AS open USING (account_id)
WHERE held_micros <> coalesce(total, 0) OR open_call_holds <> coalesce(calls, 0);

-- name: usage_moves_money_at_most_once
SELECT usage_events.account_id AS subject, format('transfer %s is named by %s usage events', transfer_id, count(*)) AS detail
FROM ledger.usage_events WHERE transfer_id IS NOT NULL
GROUP BY usage_events.account_id, transfer_id HAVING count(*) > 1;

-- name: posted_usage_has_its_transfer
SELECT usage_events.account_id AS subject, format('%s of %s names transfer %s, which is not there or not its own',
       usage_events.type, event_id, transfer_id) AS detail
FROM ledger.usage_events LEFT JOIN ledger.transfers ON transfers.id = usage_events.transfer_id
WHERE (transfer_id IS NOT NULL
       AND (transfers.id IS NULL OR transfers.account_id <> usage_events.account_id
            OR transfers.reason NOT IN ('call', 'sms', 'chat', 'usage_adjusted')))
   OR (usage_events.state = 'posted' AND transfer_id IS NULL
       AND type IN ('call.ended', 'sms.sent', 'sms.received', 'chat.message'));

-- name: money_for_usage_has_its_event
SELECT transfers.account_id AS subject, format('transfer %s (%s) has no usage event', id, reason) AS detail
FROM ledger.transfers
WHERE reason IN ('call', 'sms', 'chat')
  AND NOT EXISTS (
      SELECT FROM ledger.usage_events
      WHERE usage_events.account_id = transfers.account_id AND usage_events.transfer_id = transfers.id);

-- name: a_charge_is_the_sum_of_its_components
-- The same components at the same prices come again and again: each is added up once.
SELECT account_id AS subject,
       format('transfer %s took %s, its components come to %s; as do those of %s others', id, -amount_micros, total,
              others) AS detail
FROM (
    SELECT min(id) AS id, (metadata -> 'components')::text AS components, amount_micros AS amount, count(*) - 1 AS others
    FROM ledger.transfers WHERE kind = 'debit' GROUP BY (metadata -> 'components')::text, amount_micros
) AS alike
CROSS JOIN LATERAL (
    SELECT coalesce(sum((component ->> 'amount_usd')::numeric * 1000000), 0) AS total
    FROM json_array_elements(components::json) AS component) AS summed
JOIN ledger.transfers USING (id)
WHERE components IS NOT NULL AND total <> -amount;

-- name: billed_holds_have_usage
SELECT account_id AS subject, format('hold for %s %s is billed, but no usage names it', kind, ref_id) AS detail
FROM ledger.holds
WHERE state = 'billed' AND NOT EXISTS (
    SELECT FROM ledger.usage_events WHERE usage_events.account_id = holds.account_id AND ref_id = holds.ref_id);

-- name: used_calls_hold_nothing
SELECT account_id AS subject, format('%s %s is over, but its hold is open', kind, ref_id) AS detail
FROM ledger.holds
WHERE state = 'open' AND EXISTS (
    SELECT FROM ledger.usage_events
    WHERE usage_events.account_id = holds.account_id AND usage_events.ref_id = holds.ref_id
      AND usage_events.state <> 'waiting'
      AND usage_events.type = ANY (CASE holds.kind WHEN 'call' THEN ARRAY['call.ended']
          WHEN 'sms' THEN ARRAY['sms.sent', 'sms.received'] ELSE ARRAY['chat.message'] END));

-- name: minutes_form_an_unbroken_chain
SELECT account_id AS subject, format('pool entry %s (%s): %s should be %s', seq, pool, balance_after_ms, expected) AS detail
FROM (
    SELECT account_id, seq, pool, balance_after_ms,
           coalesce(lag(balance_after_ms) OVER chain, 0) + amount_ms AS expected
    FROM ledger.pool_transfers WINDOW chain AS (PARTITION BY account_id, pool ORDER BY seq)
) AS entry
WHERE balance_after_ms <> expected;

-- name: pools_are_the_sum_of_their_entries
SELECT account_id AS subject,
       format('included %s of %s, wallet %s of %s, billable %s of %s, late %s of %s', included_ms, coalesce(included, 0),
              wallet_ms, coalesce(wallet, 0), billable_ms, coalesce(billable, 0), late_ms, coalesce(late, 0)) AS detail
FROM ledger.pools
LEFT JOIN (
    SELECT account_id,
           sum(amount_ms) FILTER (WHERE pool = 'included') AS included,
           sum(amount_ms) FILTER (WHERE pool = 'wallet') AS wallet,
           sum(amount_ms) FILTER (WHERE pool = 'billable') AS billable,
           sum(amount_ms) FILTER (WHERE pool = 'late') AS late
    FROM ledger.pool_transfers GROUP BY account_id
) AS summed USING (account_id)
WHERE included_ms <> coalesce(included, 0) OR wallet_ms <> coalesce(wallet, 0) OR billable_ms <> coalesce(billable, 0)
   OR late_ms <> coalesce(late, 0);

-- name: late_minutes_are_those_of_stopped_plans
SELECT account_id AS subject, format('late %s ms, of stopped plans %s ms', late_ms, coalesce(total, 0)) AS detail
FROM ledger.pools
LEFT JOIN (
    SELECT account_id, sum(late_ms) AS total FROM ledger.plan_windows GROUP BY account_id
) AS stopped USING (account_id)
WHERE late_ms <> coalesce(total, 0);

-- name: pools_are_those_of_the_plan_that_runs
SELECT account_id AS subject, format('the pools are those of %s, %s runs', coalesce(pools.subscription_id, 'none'),
       coalesce(running.subscription_id, 'none')) AS detail
FROM ledger.pools
FULL JOIN (SELECT account_id, subscription_id FROM ledger.plan_windows WHERE stopped_at IS NULL) AS running
    USING (account_id)
WHERE pools.subscription_id IS DISTINCT FROM running.subscription_id;

-- name: usage_is_counted_by_the_plan_that_ran
-- Calls and chats that ended while a plan ran took minutes and no money, however late they came; all others took none.
-- Usage whose words are in an archive was looked at before.
WITH usage AS (
    SELECT account_id, type, event_id, transfer_id, book_version, CASE
        WHEN type = 'chat.message' THEN occurred_at
        WHEN json_typeof(data -> 'ended_at') = 'number' THEN to_timestamp((data ->> 'ended_at')::float8)
        ELSE replace(upper(data ->> 'ended_at'), ',', '.')::timestamptz END AS ended_at
    FROM ledger.usage_events
    WHERE type IN ('call.ended', 'chat.message') AND transfer_id IS NOT NULL AND json_typeof(data) = 'object'
      AND account_id IN (SELECT account_id FROM ledger.pools)
)
SELECT account_id AS subject, format('%s %s ended while %s ran, but took money', type, event_id, subscription_id) AS detail
FROM usage JOIN ledger.plan_windows AS ran USING (account_id)
WHERE book_version IS NOT NULL AND (type = 'call.ended' OR chat_ms IS NOT NULL) AND transfer_id > opened_after
  AND ended_at >= counts_from AND (stopped_at IS NULL OR ended_at < stopped_at)
UNION ALL
SELECT account_id, format('%s %s took minutes, but no plan ran as it ended', type, event_id)
FROM usage
WHERE book_version IS NULL AND NOT EXISTS (
    SELECT FROM ledger.plan_windows AS ran WHERE ran.account_id = usage.account_id AND ended_at >= counts_from);

-- name: held_minutes_are_those_of_open_holds
SELECT account_id AS subject, format('held %s ms, open holds %s ms', held_ms, coalesce(total, 0)) AS detail
FROM ledger.pools
LEFT JOIN (
    SELECT account_id, sum(pool_ms) AS total FROM ledger.holds WHERE state = 'open' GROUP BY account_id
) AS open USING (account_id)
WHERE held_ms <> coalesce(total, 0);

-- name: events_are_numbered_without_gaps
SELECT account_id AS subject, format('%s events counted, the last is %s', event_seq, last) AS detail
FROM ledger.accounts
JOIN (SELECT account_id, max(seq) AS last FROM ledger.events GROUP BY account_id) AS told USING (account_id)
WHERE event_seq <> last;

-- name: the_months_spend_is_the_sum_of_its_debits
SELECT account_id AS subject, format('spend %s, debits less corrections %s', spend_micros, coalesce(total, 0)) AS detail
FROM ledger.accounts
LEFT JOIN LATERAL (
    SELECT -sum(amount_micros) AS total FROM ledger.transfers
    WHERE transfers.account_id = accounts.account_id
      AND reason IN ('call', 'sms', 'chat', 'usage_adjusted')
      AND date_trunc('month', created_at AT TIME ZONE 'UTC')::date = spend_month
) AS summed ON true
WHERE spend_month > '-infinity' AND spend_micros <> coalesce(total, 0);

-- name: everything_belongs_to_an_account
SELECT account_id AS subject, format('%s rows of %s, but no such account', rows, what) AS detail
FROM (
    SELECT account_id, 'transfers' AS what, count(*) AS rows FROM ledger.transfers GROUP BY account_id
    UNION ALL SELECT account_id, 'holds', count(*) FROM ledger.holds GROUP BY account_id
    UNION ALL SELECT account_id, 'usage_events', count(*) FROM ledger.usage_events GROUP BY account_id
) AS owned
WHERE NOT EXISTS (SELECT FROM ledger.accounts WHERE accounts.account_id = owned.account_id);
