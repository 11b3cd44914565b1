-- The schema is its service's own; the audit reads it.
GRANT USAGE ON SCHEMA subscriptions TO :"subscriptions", :"audit";
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA subscriptions TO :"subscriptions";
REVOKE DELETE ON subscriptions.subscriptions, subscriptions.periods, subscriptions.payment_requests
FROM :"subscriptions";
GRANT SELECT ON ALL TABLES IN SCHEMA subscriptions TO :"audit";
