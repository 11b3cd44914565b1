-- Who is signed in, by the hash of the cookie or of the pages' key. Expired sessions are here too: the reader knows
-- what time it is.
CREATE OR REPLACE VIEW portal.session_owners_v1 AS
SELECT sessions.cookie_hash, sessions.page_key_hash, sessions.session_id, sessions.kind, sessions.account_id,
       sessions.operator, sessions.csrf_token, sessions.expires_at, coalesce(tenants.is_agency, false) AS is_agency,
       tenants.parent_id
FROM portal.sessions LEFT JOIN ledger.tenants_v1 AS tenants USING (account_id)
WHERE sessions.cookie_hash IS NOT NULL;
