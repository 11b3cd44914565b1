-- What payments reads of an account before it touches a card: the balance and what may be done when it is low.
CREATE OR REPLACE VIEW ledger.payable_accounts_v1 AS
SELECT account_id, name, email, balance_micros, credit_limit_micros, held_micros, auto_charge, settle_negative,
       low_balance_micros, monthly_spend_limit_micros, spend_month, spend_micros, entry_count,
       manual_suspension, billing_suspension
FROM ledger.accounts;

-- Whether the balance is the sum of the entries. Entries never change, so those up to p_seq, whose sum was
-- p_balance_micros, need not be added again; the first time ask with 0 and 0. Returns the new end and its sum.
CREATE OR REPLACE FUNCTION ledger.verify_balance_v1(
    p_account_id text, p_seq bigint, p_balance_micros bigint,
    OUT agrees boolean, OUT seq bigint, OUT balance_micros bigint
) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
    SELECT coalesce(a.balance_micros = p_balance_micros + new.amount
                    AND a.entry_count = new.last_seq
                    AND a.balance_micros = last.balance_after_micros, a.balance_micros = 0 AND a.entry_count = 0),
           new.last_seq, p_balance_micros + new.amount
    FROM accounts AS a,
         LATERAL (SELECT coalesce(sum(t.amount_micros), 0)::bigint AS amount,
                         greatest(coalesce(max(t.seq), 0), p_seq) AS last_seq
                  FROM transfers AS t WHERE t.account_id = p_account_id AND t.seq > p_seq) AS new
         LEFT JOIN LATERAL (SELECT t.balance_after_micros FROM transfers AS t
                            WHERE t.account_id = p_account_id AND t.seq = new.last_seq) AS last ON true
    WHERE a.account_id = p_account_id;
$$;

-- What payments has moved, and what refunds and disputes took: the side of the books that the audit compares.
CREATE OR REPLACE VIEW ledger.payment_transfers_v1 AS
SELECT id, account_id, kind, reason, amount_micros, origin, reference_id, created_at
FROM ledger.transfers
WHERE counter_account = 'clearing:stripe';
