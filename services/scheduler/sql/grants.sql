-- Nobody else reads or writes the scheduler's schema but the audit and the ops page.
GRANT USAGE ON SCHEMA scheduler TO :"scheduler", :"audit", :"portal";
GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA scheduler TO :"scheduler";
GRANT SELECT ON ALL TABLES IN SCHEMA scheduler TO :"audit", :"portal";
