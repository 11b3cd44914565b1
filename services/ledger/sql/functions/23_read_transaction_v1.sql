-- One transaction as customers read it, for a service that has just posted it; null when there is none.
CREATE OR REPLACE FUNCTION ledger.read_transaction_v1(p_transaction_id bigint)
RETURNS json LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
    SELECT told FROM transactions_v1 WHERE id = p_transaction_id;
$$;
