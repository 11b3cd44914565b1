-- name: moved_no_money
SELECT * FROM (
    SELECT CASE state WHEN 'waiting' THEN 'usage that waits for its period or its original'
                      WHEN 'superseded' THEN 'corrections overtaken by a later one'
                      ELSE 'usage that costs nothing' END AS what,
           'ledger.usage_events' AS place, count(*) AS count
    FROM ledger.usage_events WHERE state IN ('waiting', 'superseded', 'free') GROUP BY state
    UNION ALL
    SELECT 'holds open', 'ledger.holds', count(*) FROM ledger.holds WHERE state = 'open'
    UNION ALL
    SELECT 'holds expired without usage', 'ledger.holds', count(*) FROM ledger.holds WHERE state = 'orphaned'
    UNION ALL
    SELECT 'events not yet confirmed by the broker', 'ledger.outbox', count(*) FROM ledger.outbox
    UNION ALL
    SELECT 'balances still to be announced', 'ledger.news', count(DISTINCT account_id) FROM ledger.news
) AS counted
WHERE count > 0
ORDER BY place, what

-- name: clock_offset
SELECT microseconds FROM ledger.clock_offset_v1

-- name: usage_not_in_books
SELECT account_id, source, event_id FROM unnest($1::text[], $2::text[], $3::text[]) AS told (account_id, source, event_id)
WHERE NOT EXISTS (
    SELECT FROM ledger.usage_events AS known
    WHERE known.account_id = told.account_id AND known.source = told.source AND known.event_id = told.event_id);
