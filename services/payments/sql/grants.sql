-- Payments' schema is its own; the audit reads it.
REVOKE ALL ON ALL TABLES IN SCHEMA payments FROM PUBLIC;
GRANT USAGE ON SCHEMA payments TO :"payments", :"audit";
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA payments TO :"payments";
REVOKE DELETE ON payments.attempts, payments.refunds, payments.disputes FROM :"payments";
GRANT SELECT ON ALL TABLES IN SCHEMA payments TO :"audit";
GRANT USAGE ON SCHEMA payments TO :"portal";
GRANT SELECT ON payments.open_charges_v1 TO :"portal";
