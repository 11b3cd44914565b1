-- name: installation_id
SELECT installation_id FROM payments.installation

-- name: payable_account
SELECT * FROM ledger.payable_accounts_v1 WHERE account_id = $1

-- name: ensure_profile
INSERT INTO profiles (account_id) VALUES ($1) ON CONFLICT DO NOTHING

-- name: lock_profile
SELECT * FROM profiles WHERE account_id = $1 FOR UPDATE

-- name: find_profile
SELECT * FROM profiles WHERE account_id = $1

-- name: find_customer
SELECT customer_id FROM customers WHERE account_id = $1

-- name: account_of_customer
SELECT account_id FROM customers WHERE provider = $1 AND customer_id = $2

-- name: keep_customer
WITH kept AS (
    INSERT INTO customers (account_id, provider, customer_id, created_at) VALUES ($1, $2, $3, $4)
    ON CONFLICT DO NOTHING RETURNING customer_id
)
SELECT customer_id FROM kept UNION ALL SELECT customer_id FROM customers WHERE account_id = $1 LIMIT 1

-- name: cards_of
SELECT cards.*, cards.payment_method_id = profiles.default_card_id AS is_default
FROM cards LEFT JOIN profiles USING (account_id)
WHERE account_id = $1 ORDER BY attached_at DESC, payment_method_id

-- name: find_card
SELECT * FROM cards WHERE payment_method_id = $1

-- name: keep_card
INSERT INTO cards (payment_method_id, account_id, brand, last4, exp_month, exp_year, attached_at)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (payment_method_id) DO UPDATE SET
    brand = excluded.brand, last4 = excluded.last4, exp_month = excluded.exp_month, exp_year = excluded.exp_year
WHERE cards.account_id = excluded.account_id
RETURNING xmax = 0 AS is_new

-- name: drop_card
DELETE FROM cards WHERE payment_method_id = $1 AND account_id = $2 RETURNING brand, last4

-- name: keep_consent
INSERT INTO consents (account_id, payment_method_id, agreed_at, way, terms) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT DO NOTHING

-- name: set_default_card
UPDATE profiles SET default_card_id = $2, default_since = $3, pardoned_balance_micros = $4, settles_until_charged = $5
WHERE account_id = $1

-- name: clear_default_card
UPDATE profiles SET default_card_id = NULL, default_since = NULL, reload_enabled = false WHERE account_id = $1

-- name: reset_charging
UPDATE profiles SET declines = 0, failed_amount_cents = NULL, failed_at = NULL, failure_code = NULL,
    failure_message = NULL, next_try_at = NULL, stopped = NULL, capped_month = NULL
WHERE account_id = $1

-- name: set_policy
UPDATE profiles SET reload_enabled = $2, reload_minimum_cents = $3, reload_amount_cents = $4,
    reload_monthly_limit_cents = $5
WHERE account_id = $1

-- name: record_decline
UPDATE profiles SET declines = $2, next_try_at = $3, stopped = $4, failed_amount_cents = $5, failed_at = $6,
    failure_code = $7, failure_message = $8
WHERE account_id = $1

-- name: record_success
UPDATE profiles SET declines = 0, failed_amount_cents = NULL, failed_at = NULL, failure_code = NULL,
    failure_message = NULL, next_try_at = NULL, stopped = NULLIF(stopped, NULLIF(stopped, 'dispute')), is_below = false,
    settles_until_charged = false, pardoned_balance_micros = NULL
WHERE account_id = $1

-- name: record_topup_outcome
UPDATE profiles SET topup_error = $2, topup_payment_id = coalesce($3, topup_payment_id) WHERE account_id = $1

-- name: stop_charging
UPDATE profiles SET stopped = $2, next_try_at = NULL WHERE account_id = $1

-- name: resume_after_dispute
UPDATE profiles SET stopped = NULL WHERE account_id = $1 AND stopped = 'dispute'

-- name: set_dispute_debt
UPDATE profiles SET dispute_debt_micros = $2 WHERE account_id = $1

-- name: set_capped
UPDATE profiles SET capped_month = $2 WHERE account_id = $1

-- name: set_recovered
UPDATE profiles SET is_below = false, pardoned_balance_micros = NULL, settles_until_charged = false
WHERE account_id = $1 AND (is_below OR pardoned_balance_micros IS NOT NULL OR settles_until_charged)

-- name: set_crossed
UPDATE profiles SET is_below = true, crossed_at = $2 WHERE account_id = $1 AND NOT is_below

-- name: set_verified
UPDATE profiles SET verified_seq = $2, verified_balance_micros = $3 WHERE account_id = $1

-- name: verify_balance
SELECT agrees, seq, balance_micros FROM ledger.verify_balance_v1($1, $2, $3)

-- name: crossings
-- Nothing later than $2 counts: it was written before the clock was set back.
SELECT count(*) FROM profiles
WHERE crossed_at > greatest($1, (SELECT counted_until FROM brake WHERE counted_until <= $2)) AND crossed_at <= $2
  AND default_card_id IS NOT NULL

-- name: accounts_with_card
SELECT count(*) FROM profiles WHERE default_card_id IS NOT NULL

-- name: find_brake
SELECT pulled_at, held_until, reason FROM brake

-- name: pull_brake
UPDATE brake SET pulled_at = $1, held_until = $2, reason = $3, counted_until = $1
WHERE held_until IS NULL OR held_until <= $1 RETURNING true

-- name: release_brake
UPDATE brake SET held_until = NULL, counted_until = $1 WHERE held_until IS NOT NULL RETURNING true

-- name: raise_alert
INSERT INTO alerts (kind, subject, account_id, detail, first_at, last_at) VALUES ($1, $2, $3, $4, $5, $5)
ON CONFLICT (kind, subject) DO UPDATE SET
    detail = excluded.detail, last_at = excluded.last_at, times = alerts.times + 1, cleared_at = NULL
RETURNING times

-- name: clear_alert
UPDATE alerts SET cleared_at = $3 WHERE kind = $1 AND subject = $2 AND cleared_at IS NULL

-- name: open_alerts
SELECT kind, subject, account_id, detail, first_at, last_at, times FROM alerts WHERE cleared_at IS NULL
ORDER BY last_at DESC, kind, subject

-- name: clock_offset
SELECT microseconds FROM ledger.clock_offset_v1

-- name: month_spend
SELECT coalesce(sum(amount_cents), 0)::bigint FROM attempts
WHERE account_id = $1 AND kind = 'auto_reload' AND cap_month = $2
  AND state IN ('created', 'submitting', 'unknown', 'processing', 'requires_action', 'succeeded')

-- name: has_automatic_in_flight
SELECT EXISTS (SELECT FROM attempts WHERE account_id = $1 AND kind <> 'topup'
               AND state IN ('created', 'submitting', 'unknown', 'processing'))

-- name: last_payments
SELECT DISTINCT ON (kind = 'topup') kind = 'topup' AS is_manual, amount_cents, closed_at
FROM attempts WHERE account_id = $1 AND state = 'succeeded'
ORDER BY kind = 'topup', closed_at DESC

-- name: unpaid_automatic
SELECT * FROM attempts
WHERE account_id = $1 AND kind <> 'topup' AND state = 'failed' AND payment_id IS NOT NULL
  AND provider_status <> 'canceled' AND failure_class = 'authentication'

-- name: insert_attempt
INSERT INTO attempts (
    attempt_id, account_id, kind, provider, customer_id, card_id, amount_cents, cap_month, route, client_key,
    request_hash, asked_card, state, next_check_at, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, 'created', $13, $14)
RETURNING *

-- name: rebuild_attempt
INSERT INTO attempts (
    attempt_id, account_id, kind, provider, customer_id, card_id, amount_cents, cap_month, state, sends,
    first_sent_at, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'failed', 1, $9, $9)
ON CONFLICT DO NOTHING

-- name: find_attempt
SELECT * FROM attempts WHERE attempt_id = $1

-- name: find_attempt_of_payment
SELECT * FROM attempts WHERE provider = $1 AND payment_id = $2

-- name: attempt_of_transfer
SELECT * FROM attempts WHERE account_id = $1 AND transfer_id = $2

-- name: attempts_by_key
SELECT * FROM attempts WHERE account_id = $1 AND route = $2 AND client_key = $3 ORDER BY attempt_id DESC LIMIT 1

-- name: lock_key
SELECT pg_advisory_xact_lock(hashtextextended($1 || ' ' || $2 || ' ' || $3, 8403))

-- name: adoptable_attempt
SELECT * FROM attempts
WHERE account_id = $1 AND kind = 'topup' AND client_key IS NULL AND NOT is_answered AND amount_cents = $2
  AND asked_card IS NOT DISTINCT FROM $3
  AND (state IN ('created', 'submitting', 'unknown', 'requires_action', 'processing') AND created_at > $4
       OR state = 'succeeded' AND created_at > $5)
ORDER BY attempt_id DESC LIMIT 1

-- name: lease_attempt
-- A lease that ends later than one taken now was written before the clock was set back, and is none.
UPDATE attempts SET state = 'submitting', lease_until = $3, next_check_at = $3, sends = sends + 1,
    first_sent_at = coalesce(first_sent_at, $2)
WHERE attempt_id = $1 AND state IN ('created', 'submitting', 'unknown')
  AND (lease_until IS NULL OR lease_until <= $2 OR lease_until > $3)
RETURNING *

-- name: set_unknown
UPDATE attempts SET state = 'unknown', lease_until = NULL, next_check_at = $2, failure_message = $3
WHERE attempt_id = $1 AND state IN ('submitting', 'unknown', 'created')

-- name: set_error
UPDATE attempts SET state = 'error', lease_until = NULL, next_check_at = NULL, failure_code = $2, failure_message = $3,
    closed_at = $4
WHERE attempt_id = $1 AND state IN ('created', 'submitting', 'unknown') RETURNING true

-- name: set_canceled
UPDATE attempts SET state = 'canceled', lease_until = NULL, next_check_at = NULL, closed_at = $2
WHERE attempt_id = $1 AND state IN ('created', 'submitting', 'unknown') RETURNING true

-- name: apply_to_attempt
UPDATE attempts SET state = $2, provider_status = $3, payment_id = coalesce($4, payment_id),
    client_secret = coalesce($5, client_secret), lease_until = CASE WHEN $2 = 'unknown' THEN lease_until END,
    next_check_at = $6, failure_class = $7, failure_code = $8, decline_code = $9, failure_message = $10,
    transfer_id = coalesce(transfer_id, $11), closed_at = coalesce(closed_at, $12),
    asked_action = asked_action OR $2 = 'requires_action'
WHERE attempt_id = $1

-- name: set_answered
UPDATE attempts SET is_answered = true WHERE attempt_id = $1 AND NOT is_answered

-- name: due_attempts
-- Also what lies further ahead than it can have been put: the clock has been set back since. $3: how long a lease is,
-- $4 and $5: the first and the longest wait for what is unknown, $6: the longest for anything else.
SELECT attempt_id FROM attempts
WHERE state IN ('created', 'submitting', 'unknown', 'requires_action', 'processing')
  AND (next_check_at <= $1
       OR next_check_at > $1 + CASE state WHEN 'unknown' THEN least($4::interval * 2 ^ least(sends, 10), $5::interval)
                                    ELSE $6::interval END)
  AND (lease_until IS NULL OR lease_until <= $1 OR lease_until > $1 + $3::interval)
ORDER BY next_check_at LIMIT $2

-- name: check_later
UPDATE attempts SET next_check_at = $2 WHERE attempt_id = $1

-- name: declined_topups_since
SELECT count(*) FROM attempts
WHERE account_id = $1 AND created_at > $2 AND kind = 'topup' AND state = 'failed'

-- name: accounts_after
SELECT account_id FROM ledger.payable_accounts_v1 WHERE account_id > $1 ORDER BY account_id LIMIT $2

-- name: accounts_in_need
SELECT account_id FROM ledger.payable_accounts_v1 AS account LEFT JOIN profiles USING (account_id)
WHERE account_id = ANY ($1) AND (
    CASE
        WHEN reload_enabled THEN balance_micros < reload_minimum_cents * 10000
        WHEN auto_charge THEN balance_micros < $2 * 10000 AND default_card_id IS NOT NULL
        ELSE balance_micros < 0 AND (settle_negative OR settles_until_charged) AND default_card_id IS NOT NULL
    END
    OR (balance_micros + credit_limit_micros < 0) <> (billing_suspension IS NOT NULL)
    OR is_below OR dispute_debt_micros > 0 OR pardoned_balance_micros IS NOT NULL)
ORDER BY account_id

-- name: mark_crossings
WITH crossed AS (
    -- Locked in one order: the tick and the events may mark the same accounts at once.
    SELECT profiles.account_id FROM profiles JOIN ledger.payable_accounts_v1 AS account USING (account_id)
    WHERE profiles.account_id = ANY ($1) AND NOT is_below AND default_card_id IS NOT NULL
      AND CASE
          WHEN reload_enabled THEN balance_micros < reload_minimum_cents * 10000
          WHEN auto_charge THEN balance_micros < $3 * 10000
          ELSE balance_micros < 0 AND (settle_negative OR settles_until_charged)
      END
    ORDER BY profiles.account_id FOR UPDATE OF profiles
)
UPDATE profiles SET is_below = true, crossed_at = $2
FROM crossed WHERE profiles.account_id = crossed.account_id AND NOT profiles.is_below

-- name: post_credit
SELECT transfer_id, is_new FROM ledger.post_credit_v1($1, $2, $3, $4, 'clearing:stripe', $5, $6, 'payment', $7, $8, $9)

-- name: set_suspension
SELECT ledger.set_suspension_v1($1, 'billing', $2, $3)

-- name: append_event
SELECT ledger.append_event_v1($1, $2, $3, $4)

-- name: store_event
INSERT INTO inbox (event_id, type, object_id, parent_id, received_at, next_try_at) VALUES ($1, $2, $3, $4, $5, $5)
ON CONFLICT DO NOTHING RETURNING event_id

-- name: claim_events
-- Also what lies further ahead than its wait ($4 doubled with each try, $5 at most): the clock has been set back since.
UPDATE inbox SET tries = tries + 1, next_try_at = $2
WHERE event_id IN (
    SELECT event_id FROM inbox
    WHERE processed_at IS NULL
      AND (next_try_at <= $1 OR next_try_at > greatest($2, $1 + least($4::interval * 2 ^ least(tries, 12), $5::interval)))
    ORDER BY next_try_at, event_id LIMIT $3 FOR UPDATE SKIP LOCKED)
RETURNING event_id, type, object_id, parent_id, tries

-- name: event_processed
UPDATE inbox SET processed_at = $2, error = NULL WHERE event_id = $1

-- name: event_failed
UPDATE inbox SET next_try_at = $2, error = $3 WHERE event_id = $1

-- name: read_until
SELECT read_until FROM event_pull WHERE provider = $1

-- name: set_read_until
INSERT INTO event_pull (provider, read_until) VALUES ($1, $2)
ON CONFLICT (provider) DO UPDATE SET read_until = greatest(event_pull.read_until, excluded.read_until)

-- name: insert_refund
INSERT INTO refunds (
    refund_id, account_id, payment_id, transfer_id, amount_cents, reason, client_key, request_hash, state,
    next_check_at, created_at, origin)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'created', $9, $10, $11) RETURNING *

-- name: set_refund_debit
UPDATE refunds SET refund_transfer_id = $2 WHERE refund_id = $1

-- name: find_refund
SELECT * FROM refunds WHERE refund_id = $1

-- name: refund_by_key
SELECT * FROM refunds WHERE account_id = $1 AND client_key = $2 ORDER BY refund_id DESC LIMIT 1

-- name: refunded_cents
SELECT coalesce(sum(amount_cents), 0)::bigint FROM refunds
WHERE payment_id = $1 AND state IN ('created', 'submitting', 'unknown', 'refunded')

-- name: lease_refund
-- As of an attempt.
UPDATE refunds SET state = 'submitting', lease_until = $3, next_check_at = $3,
    first_sent_at = coalesce(first_sent_at, $2)
WHERE refund_id = $1 AND state IN ('created', 'submitting', 'unknown')
  AND (lease_until IS NULL OR lease_until <= $2 OR lease_until > $3)
RETURNING *

-- name: set_refund_unknown
UPDATE refunds SET state = 'unknown', lease_until = NULL, next_check_at = $2, failure = $3
WHERE refund_id = $1 AND state = 'submitting'

-- name: set_refund_error
-- Its debit, named by origin, is reversed by the caller; should the refund turn up all the same, it is made anew.
UPDATE refunds SET state = 'error', lease_until = NULL, next_check_at = NULL, failure = $2, refund_transfer_id = NULL
WHERE refund_id = $1 AND state IN ('created', 'submitting', 'unknown') RETURNING origin

-- name: keep_foreign_refund
INSERT INTO refunds (refund_id, account_id, payment_id, transfer_id, amount_cents, reason, state, created_at)
VALUES ($1, $2, $3, $4, $5, $6, 'unknown', $7) ON CONFLICT DO NOTHING

-- name: apply_to_refund
UPDATE refunds SET state = $2, provider_refund_id = $3, refund_transfer_id = coalesce(refund_transfer_id, $4),
    origin = coalesce($5, origin), lease_until = NULL, next_check_at = NULL
WHERE refund_id = $1

-- name: due_refunds
SELECT refund_id FROM refunds
WHERE state IN ('created', 'submitting', 'unknown')
  AND (next_check_at <= $1 OR next_check_at > $1 + $3::interval)
  AND (lease_until IS NULL OR lease_until <= $1 OR lease_until > $1 + $3::interval)
LIMIT $2

-- name: keep_dispute
INSERT INTO disputes (dispute_id, account_id, payment_id, amount_cents, status, opened_at)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (dispute_id) DO UPDATE SET status = excluded.status
RETURNING is_taken, is_returned, xmax = 0 AS is_new

-- name: set_dispute_money
UPDATE disputes SET is_taken = $2, is_returned = $3 WHERE dispute_id = $1

-- name: last_blocked_usage
SELECT ledger.last_blocked_usage_v1($1, $2, $3)

-- name: spend
SELECT since_micros, month_micros FROM ledger.spend_v1($1, $2, $3)

-- name: find_transaction
SELECT id, account_id, kind, reason, amount_micros FROM ledger.transactions_v1 WHERE id = $1

-- name: transaction_json
SELECT ledger.read_transaction_v1($1)

-- name: refund_debit
SELECT outcome, transfer_id, left_micros FROM ledger.refund_debit_v1($1, $2, $3, $4)

-- name: payment_transfers
SELECT account_id, reason, amount_micros, origin FROM ledger.payment_transfers_v1
WHERE $1::timestamptz IS NULL OR created_at >= $1::timestamptz - interval '1 day'

-- name: open_attempts_before
SELECT attempt_id, state FROM payments.attempts
WHERE state IN ('created', 'submitting', 'unknown', 'requires_action', 'processing') AND created_at < $1

-- name: is_credited
SELECT EXISTS (SELECT FROM attempts WHERE provider = $1 AND payment_id = $2 AND state = 'succeeded')

-- name: find_wallet_refund
SELECT request_hash, transfer_id, created_at FROM wallet_refund_keys WHERE account_id = $1 AND client_key = $2

-- name: keep_wallet_refund
INSERT INTO wallet_refund_keys (account_id, client_key, request_hash, transfer_id, created_at)
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (account_id, client_key) DO UPDATE SET
    request_hash = excluded.request_hash, transfer_id = excluded.transfer_id, created_at = excluded.created_at

-- name: forget_events
DELETE FROM inbox WHERE processed_at < $1

-- name: claim_key
INSERT INTO request_keys AS known (account_id, route, client_key, request_hash, created_at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (account_id, route, client_key) DO UPDATE SET
    request_hash = CASE WHEN known.created_at <= $6 THEN excluded.request_hash ELSE known.request_hash END,
    refusal = CASE WHEN known.created_at <= $6 THEN NULL ELSE known.refusal END,
    created_at = CASE WHEN known.created_at <= $6 THEN excluded.created_at ELSE known.created_at END
RETURNING request_hash, refusal

-- name: keep_refusal
UPDATE request_keys SET refusal = $4 WHERE account_id = $1 AND route = $2 AND client_key = $3

-- name: forget_keys
DELETE FROM request_keys WHERE created_at <= $1
