-- These ids of these accounts came as JSON integers. Locks: none; the caller holds the accounts' rows.
CREATE OR REPLACE FUNCTION ledger.note_integer_ids_v1(p_account_ids text[], p_ids text[])
RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
    INSERT INTO ledger.integer_ids (account_id, id) SELECT * FROM unnest(p_account_ids, p_ids) ON CONFLICT DO NOTHING;
$$;
