-- Say low, depleted and recovered once each time the balance crosses, and not again until it has recovered.
-- Low: below low_balance. Depleted: balance + credit limit <= 0. Recovered: 10 % above low_balance (contract §3).
-- Locks: none of its own; the caller holds the accounts' rows.
CREATE OR REPLACE FUNCTION ledger.settle_latches_v1(p_account_ids text[], p_now timestamptz)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    crossed record;
BEGIN
    FOR crossed IN
        SELECT account_id, is_low, is_depleted, low_now, depleted_now, recovered_now
        FROM ledger.accounts,
             LATERAL (SELECT balance_micros < low_balance_micros AS low_now,
                             balance_micros + credit_limit_micros <= 0 AS depleted_now) AS present,
             LATERAL (SELECT balance_micros * 10 >= low_balance_micros * 11
                             AND NOT low_now AND NOT depleted_now AS recovered_now) AS again
        WHERE account_id = ANY (p_account_ids)
          AND ((low_now AND NOT is_low) OR (depleted_now AND NOT is_depleted)
               OR (recovered_now AND (is_low OR is_depleted)))
    LOOP
        UPDATE ledger.accounts
        SET is_low = (is_low OR crossed.low_now) AND NOT crossed.recovered_now,
            is_depleted = (is_depleted OR crossed.depleted_now) AND NOT crossed.recovered_now
        WHERE account_id = crossed.account_id;
        PERFORM ledger.append_event_v1(accounts.account_id, news.type, ledger.balance_json(accounts), p_now)
        FROM ledger.accounts,
             (VALUES (1, 'balance_low', crossed.low_now AND NOT crossed.is_low),
                     (2, 'balance_depleted', crossed.depleted_now AND NOT crossed.is_depleted),
                     (3, 'balance_recovered', crossed.recovered_now)) AS news (place, type, is_due)
        WHERE accounts.account_id = crossed.account_id AND news.is_due;
    END LOOP;
    -- What brings balance + credit limit to zero or above lifts a billing suspension in the same commit (contract §5).
    PERFORM ledger.set_suspension_v1(account_id, 'billing', NULL, p_now)
    FROM ledger.accounts
    WHERE account_id = ANY (p_account_ids) AND billing_suspension IS NOT NULL
      AND balance_micros + credit_limit_micros >= 0;
END $$;
