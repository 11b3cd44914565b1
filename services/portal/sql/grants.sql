-- The portal's schema is its own; every service may ask whose cookie it is.
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA portal FROM PUBLIC;
GRANT USAGE ON SCHEMA portal
TO :"portal", :"audit", :"ledger", :"gatekeeper", :"payments", :"scheduler", :"subscriptions";
GRANT SELECT, INSERT, UPDATE, DELETE ON portal.sessions TO :"portal";
GRANT SELECT, INSERT ON portal.audit_log TO :"portal";
GRANT USAGE ON ALL SEQUENCES IN SCHEMA portal TO :"portal";
GRANT SELECT ON ALL TABLES IN SCHEMA portal TO :"audit";
GRANT SELECT ON portal.session_owners_v1
TO :"portal", :"ledger", :"gatekeeper", :"payments", :"scheduler", :"subscriptions";
GRANT SELECT ON portal.books_checks TO :"portal";
GRANT EXECUTE ON FUNCTION portal.record_books_check_v1 TO :"ledger";
