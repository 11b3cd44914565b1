-- name: overdue
SELECT count(*) AS due, min(next_at) AS since FROM subscriptions.subscriptions WHERE next_at < $1;
