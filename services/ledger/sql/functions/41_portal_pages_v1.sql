-- The portal's doors for its pages: what an account is called, whether a person suspended it, what it spent by day and
-- cause. Reading only.
CREATE OR REPLACE VIEW ledger.account_titles_v1 AS
SELECT accounts.account_id, accounts.name, parents.name AS agency_name,
       accounts.manual_suspension IS NOT NULL AS is_suspended_by_hand
FROM ledger.accounts LEFT JOIN ledger.accounts AS parents ON parents.account_id = accounts.parent_id;

-- The signed effect on the wallet per UTC day and reason.
CREATE OR REPLACE FUNCTION ledger.moved_by_day_v1(p_account_id text, p_since timestamptz)
RETURNS TABLE (day date, reason text, micros bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
    SELECT (created_at AT TIME ZONE 'UTC')::date, transfers.reason, sum(amount_micros)::bigint
    FROM transfers WHERE account_id = p_account_id AND created_at >= p_since
      AND seq >= first_entry_since(p_account_id, p_since - interval '5 minutes')
    GROUP BY 1, 2 ORDER BY 1, 2;
$$;
