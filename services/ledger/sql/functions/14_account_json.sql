-- An account as its platform reads it (contract §4, GET): settings, status with reason, balances.
CREATE OR REPLACE FUNCTION ledger.account_json(account ledger.accounts) RETURNS jsonb LANGUAGE sql STABLE
RETURN jsonb_build_object(
    'id', ledger.shown_id(account.account_id, account.account_id),
    'parent_id', ledger.shown_id(account.parent_id, account.parent_id),
    'agency', account.is_agency,
    'name', account.name,
    'email', account.email,
    'currency', 'usd',
    'timezone', account.timezone,
    'created_at', ledger.rfc3339(account.created_at))
|| jsonb_build_object(
    'credit_limit_cents', ledger.floor_cents(account.credit_limit_micros),
    'inbound_policy', account.inbound_policy,
    'auto_charge', account.auto_charge,
    'settle_negative', account.settle_negative,
    'low_balance_cents', ledger.floor_cents(account.low_balance_micros),
    'monthly_spend_limit_cents', ledger.floor_cents(account.monthly_spend_limit_micros),
    'max_concurrent_calls', account.max_concurrent_calls,
    'disabled', account.disabled,
    'reason', coalesce(account.manual_suspension, account.billing_suspension),
    'suspended_by', array_remove(ARRAY[
        CASE WHEN account.manual_suspension IS NOT NULL THEN 'manual' END,
        CASE WHEN account.billing_suspension IS NOT NULL THEN 'billing' END], NULL),
    'prices_version', account.prices_version,
    'balance_micros', account.balance_micros)
|| ledger.balance_json(account);
