-- What must always be true of charges. Each query returns what is not: (subject, detail), nothing when all is right.
-- Whether the provider agrees is compared in invariants.py: PostgreSQL can't see that.

-- name: a_succeeded_charge_has_its_credit
SELECT attempt_id AS subject, format('%s cents, transfer %s of %s micros', amount_cents, transfer_id, amount_micros) AS detail
FROM payments.attempts LEFT JOIN ledger.transfers ON transfers.id = transfer_id
WHERE state = 'succeeded'
  AND (transfers.id IS NULL OR transfers.account_id <> attempts.account_id
       OR amount_micros <> amount_cents * 10000 OR reason <> attempts.kind
       OR origin <> attempts.provider || ':' || payment_id);

-- name: a_credit_from_a_card_has_its_charge
SELECT transfers.id::text AS subject, format('%s of %s micros has no succeeded charge', origin, amount_micros) AS detail
FROM ledger.transfers
WHERE counter_account = 'clearing:stripe' AND kind = 'credit'
  AND NOT EXISTS (SELECT FROM payments.attempts WHERE transfer_id = transfers.id AND state = 'succeeded');

-- name: refunds_are_never_more_than_the_payment
SELECT payment_id AS subject, format('%s cents refunded of %s', refunded, amount_cents) AS detail
FROM (
    SELECT payment_id, sum(amount_cents) AS refunded FROM payments.refunds WHERE state = 'refunded' GROUP BY payment_id
) AS given_back
JOIN payments.attempts USING (payment_id)
WHERE refunded > amount_cents;

-- name: a_refund_has_its_debit
SELECT refund_id AS subject, format('%s cents, transfer %s of %s micros', amount_cents, refund_transfer_id, amount_micros)
       AS detail
FROM payments.refunds LEFT JOIN ledger.transfers ON transfers.id = refund_transfer_id
WHERE state = 'refunded'
  AND (transfers.id IS NULL OR transfers.account_id <> refunds.account_id
       OR amount_micros <> -amount_cents * 10000 OR transfers.reason <> 'refund');

-- name: a_dispute_has_taken_its_amount
SELECT dispute_id AS subject, format('%s cents, the books moved %s micros', disputes.amount_cents, moved.micros) AS detail
FROM payments.disputes
JOIN payments.attempts USING (payment_id)
JOIN LATERAL (
    SELECT coalesce(sum(amount_micros), 0) AS micros FROM ledger.transfers
    WHERE transfers.origin IN (provider || ':' || dispute_id, provider || ':' || dispute_id || ':won')
) AS moved ON true
WHERE moved.micros <> CASE WHEN is_taken AND NOT is_returned THEN -disputes.amount_cents * 10000 ELSE 0 END;
