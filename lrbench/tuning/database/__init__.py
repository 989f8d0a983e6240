"""Policy database: measured results by workload and policy, for recommending and verifying policies."""
