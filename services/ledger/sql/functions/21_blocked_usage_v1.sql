-- Failed calls are rare among usage; the notice asks for the newest of one account.
CREATE INDEX IF NOT EXISTS usage_that_failed ON ledger.usage_events (account_id, received_at)
    WHERE type = 'call.ended' AND (data ->> 'failure_reason') IS NOT NULL;

-- When usage of the account was last blocked for want of money or standing, since p_since; null when it was not:
-- any *_rejected_* event, or a failed call whose failure_reason is one of p_reasons (contract §5, notice).
CREATE OR REPLACE FUNCTION ledger.last_blocked_usage_v1(p_account_id text, p_since timestamptz, p_reasons text[])
RETURNS timestamptz LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
    SELECT greatest(
        (SELECT max(created_at) FROM events
         WHERE account_id = p_account_id AND created_at > p_since AND type LIKE '%\_rejected\_%'),
        (SELECT max(received_at) FROM usage_events
         WHERE account_id = p_account_id AND received_at > p_since AND type = 'call.ended'
           AND (data ->> 'failure_reason') IS NOT NULL
           AND data ->> 'status' = 'failed' AND data ->> 'failure_reason' = ANY (p_reasons)));
$$;
