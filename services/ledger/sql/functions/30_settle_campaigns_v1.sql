-- Say campaigns_paused and campaigns_resumed, once per change (contract §7, Access). A client's campaigns rest while
-- it is disabled, while its agency's billing refuses it, and while its plan has neither minutes nor a rate; they go
-- on when none of these holds. Accounts without an agency are passed over.
-- Less than a second counts as no minutes: no call can be made with it. The gate asks the same of a campaign, of what
-- open holds leave; what they reserve comes back or is used, so holds alone pause nothing.
-- Locks: none of its own; the caller holds the accounts' rows.
CREATE OR REPLACE FUNCTION ledger.settle_campaigns_v1(p_account_ids text[], p_now timestamptz)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    changed_ids text[];
    changed_types text[];
    changed_data jsonb[];
BEGIN
    WITH present AS (
        SELECT accounts.account_id,
               CASE
                   WHEN disabled THEN 'client_disabled'
                   WHEN access_refusal IS NOT NULL THEN access_refusal
                   WHEN pools.subscription_id IS NOT NULL AND rate_micros_per_minute IS NULL
                       AND included_ms + wallet_ms < 1000 THEN 'no_minutes'
               END AS reason
        FROM ledger.accounts LEFT JOIN ledger.pools USING (account_id)
        WHERE accounts.account_id = ANY (p_account_ids) AND parent_id IS NOT NULL
    ), changed AS (
        UPDATE ledger.accounts SET campaigns_paused = reason IS NOT NULL
        FROM present
        WHERE accounts.account_id = present.account_id AND campaigns_paused <> (reason IS NOT NULL)
        RETURNING accounts.account_id, reason
    )
    SELECT array_agg(account_id), array_agg(CASE WHEN reason IS NULL THEN 'campaigns_resumed' ELSE 'campaigns_paused' END),
           array_agg(CASE WHEN reason IS NULL THEN '{}' ELSE jsonb_build_object('reason', reason) END)
    INTO changed_ids, changed_types, changed_data FROM changed;
    IF changed_ids IS NOT NULL THEN
        PERFORM ledger.append_events_v1(changed_ids, changed_types, changed_data, p_now);
    END IF;
END $$;
