-- What /metrics shows of the books. Everything here reads an index of what is unfinished, never the whole history.

-- name: unfinished
SELECT
    (SELECT count(*) FROM ledger.outbox) AS outbox,
    -- An outbox this long is late anyway; its oldest among the first ones is near enough.
    (SELECT min(events.created_at)
     FROM (SELECT account_id, seq FROM ledger.outbox LIMIT 5000) AS unsent
     JOIN ledger.events USING (account_id, seq)) AS outbox_since,
    (SELECT count(*) FROM ledger.news) AS news,
    (SELECT min(created_at) FROM ledger.news) AS news_since,
    (SELECT count(*) FROM ledger.usage_events WHERE state = 'waiting') AS waiting,
    (SELECT min(received_at) FROM ledger.usage_events WHERE state = 'waiting') AS waiting_since,
    (SELECT count(*) FROM ledger.holds WHERE state = 'open') AS open_holds,
    (SELECT min(expires_at) FROM ledger.holds WHERE state = 'open' AND expires_at < $1) AS expired_since,
    (SELECT count(*) FROM ledger.holds WHERE state = 'orphaned' AND expires_at > $1 - interval '24 hours') AS orphaned;
