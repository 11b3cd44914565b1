#!/usr/bin/env bash
# Ask before a call, tell what was used, read the balance. Needs RINGFENCE_HTTP_URL and RINGFENCE_PLATFORM_KEY.
set -euo pipefail
account=${1:-example-$RANDOM} call="call-$RANDOM$RANDOM"
ask() { curl -sS -H "Authorization: Bearer $RINGFENCE_PLATFORM_KEY" "$@"; echo; }

ask "$RINGFENCE_HTTP_URL/v1/accounts" -d "{\"id\": \"$account\", \"name\": \"Example\"}" -o /dev/null

# The status alone routes the call: 200 connect, 402 refuse, 503 try again.
ask "$RINGFENCE_HTTP_URL/v1/checks/call" -w 'HTTP %{http_code}' -d "{
  \"account_id\": \"$account\", \"call_id\": \"$call\", \"direction\": \"outbound\",
  \"from\": \"+15550100\", \"to\": \"+493012345\", \"seconds\": 300}"

now=$(date +%s)
ask "$RINGFENCE_HTTP_URL/v1/usage" --retry 5 --retry-all-errors -d "{
  \"specversion\": \"1.0\", \"id\": \"$call-ended\", \"source\": \"example\", \"type\": \"call.ended\", \"data\": {
    \"account_id\": \"$account\", \"call_id\": \"$call\", \"direction\": \"outbound\", \"from\": \"+15550100\",
    \"to\": \"+493012345\", \"status\": \"completed\", \"started_at\": $((now - 95)), \"answered_at\": $((now - 90)),
    \"ended_at\": $now, \"duration_seconds\": 90}}"

for _ in 1 2 3 4 5 6 7 8 9 10; do
  sleep 0.3
  balance=$(ask "$RINGFENCE_HTTP_URL/v1/accounts/$account")
  grep -q '"balance_cents":964' <<<"$balance" && break
done
echo "$balance"
