"""Scaling out, shown: several ledgers and gates on a cluster of three broker nodes, one of which is killed."""
