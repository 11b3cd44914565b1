-- Who may do what in the ledger's schema. Others come in through the doors (functions and views named _v1) only.
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA ledger FROM PUBLIC;
GRANT USAGE ON SCHEMA ledger TO :"ledger", :"gatekeeper", :"payments", :"scheduler", :"subscriptions", :"portal", :"audit";

GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA ledger TO :"ledger";
REVOKE UPDATE, DELETE ON ledger.transfers, ledger.pool_transfers, ledger.price_books, ledger.account_prices
FROM :"ledger";
GRANT USAGE ON ALL SEQUENCES IN SCHEMA ledger TO :"ledger";
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA ledger TO :"ledger";
GRANT SELECT ON ALL TABLES IN SCHEMA ledger TO :"audit";
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA ledger TO :"audit";

-- What every service may do: say what happened to an account, publish it, know who asks.
GRANT EXECUTE ON FUNCTION
ledger.append_event_v1, ledger.append_events_v1, ledger.announce_v1, ledger.published_v1, ledger.unannounced_v1
TO :"gatekeeper", :"payments", :"scheduler", :"subscriptions", :"portal";
GRANT EXECUTE ON FUNCTION ledger.shown_id, ledger.sent_id_v1
TO :"gatekeeper", :"payments", :"subscriptions", :"portal";
GRANT SELECT ON ledger.key_owners_v1, ledger.clock_offset_v1
TO :"gatekeeper", :"payments", :"scheduler", :"subscriptions", :"portal";
GRANT SELECT ON ledger.tenants_v1 TO :"gatekeeper", :"payments", :"subscriptions", :"portal";

-- The gatekeeper's doors.
GRANT EXECUTE ON FUNCTION
ledger.open_checks_v1, ledger.write_holds_v1, ledger.free_expired_holds_v1, ledger.note_integer_ids_v1
TO :"gatekeeper";
GRANT SELECT ON ledger.price_books_v1, ledger.account_prices_v1, ledger.holds_v1, ledger.billed_usage_v1
TO :"gatekeeper";

-- The doors of payments.
GRANT EXECUTE ON FUNCTION ledger.post_credit_v1, ledger.set_suspension_v1 TO :"payments";
GRANT SELECT ON ledger.payable_accounts_v1, ledger.payment_transfers_v1, ledger.transactions_v1
TO :"payments";
GRANT EXECUTE ON FUNCTION
ledger.verify_balance_v1, ledger.last_blocked_usage_v1, ledger.spend_v1, ledger.refund_debit_v1,
ledger.read_transaction_v1
TO :"payments";

-- The doors of subscriptions.
GRANT EXECUTE ON FUNCTION
ledger.lock_plans_v1, ledger.open_periods_v1, ledger.stop_plans_v1, ledger.hold_periods_open_v1,
ledger.invoice_late_usage_v1, ledger.grant_minutes_v1, ledger.set_access_v1, ledger.set_disabled_v1, ledger.open_client_v1,
ledger.note_integer_ids_v1
TO :"subscriptions";
GRANT SELECT ON ledger.clients_v1, ledger.agencies_v1, ledger.plan_usage_v1 TO :"subscriptions", :"portal";
GRANT SELECT ON ledger.late_usage_v1 TO :"subscriptions";

-- The portal's doors.
GRANT EXECUTE ON FUNCTION ledger.present_balance_v1, ledger.moved_by_day_v1 TO :"portal";
GRANT SELECT ON ledger.events_v1, ledger.account_titles_v1, ledger.holds_v1 TO :"portal";
