-- Who may do what in the gatekeeper's schema.
GRANT USAGE ON SCHEMA gatekeeper TO :"gatekeeper", :"portal", :"audit";
GRANT SELECT, INSERT, DELETE ON gatekeeper.rejections TO :"gatekeeper";
GRANT USAGE ON ALL SEQUENCES IN SCHEMA gatekeeper TO :"gatekeeper";
GRANT SELECT ON gatekeeper.rejections_v1 TO :"portal";
GRANT SELECT ON ALL TABLES IN SCHEMA gatekeeper TO :"audit";
