-- Spend of one account for its owner's eyes, in micros: what usage and fees took since p_since, and this UTC
-- month's usage. Entries lie in the order of time, so the first one of the period is found by halving.
CREATE OR REPLACE FUNCTION ledger.spend_v1(
    p_account_id text, p_since timestamptz, p_now timestamptz, OUT since_micros bigint, OUT month_micros bigint
) LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
    first_seq bigint;
BEGIN
    SELECT CASE WHEN spend_month = date_trunc('month', p_now AT TIME ZONE 'UTC')::date THEN spend_micros ELSE 0 END
    INTO month_micros FROM accounts WHERE account_id = p_account_id;
    first_seq := first_entry_since(p_account_id, p_since);
    SELECT coalesce(-sum(amount_micros), 0) INTO since_micros FROM transfers
    WHERE account_id = p_account_id AND seq >= first_seq
      AND reason IN ('call', 'sms', 'chat', 'number_fee', 'usage_adjusted');
END $$;

-- The number of the first entry at or after an instant (one past the last when there is none).
CREATE OR REPLACE FUNCTION ledger.first_entry_since(p_account_id text, p_since timestamptz)
RETURNS bigint LANGUAGE plpgsql STABLE SET search_path = ledger, pg_temp AS $$
DECLARE
    low bigint := 1;
    high bigint := (SELECT entry_count + 1 FROM accounts WHERE account_id = p_account_id);
    middle bigint;
BEGIN
    WHILE low < high LOOP
        middle := (low + high) / 2;
        IF (SELECT created_at >= p_since FROM transfers WHERE account_id = p_account_id AND seq = middle) THEN
            high := middle;
        ELSE
            low := middle + 1;
        END IF;
    END LOOP;
    RETURN low;
END $$;
