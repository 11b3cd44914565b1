-- Charges whose outcome is not known yet, for those who watch over the system.
CREATE OR REPLACE VIEW payments.open_charges_v1 AS
SELECT attempt_id, account_id, kind, amount_cents, state, failure_message, created_at, next_check_at
FROM payments.attempts WHERE state IN ('created', 'submitting', 'unknown', 'requires_action', 'processing');
