# Real orders on testnet first: `network` becomes mainnet as the last step of going live.
environment = "prod"
mode        = "live"
network     = "testnet"
feed        = "live"

# Off once `sapphire doctor` finds nothing missing but the paused schedules.
paused = true

four_eyes             = true
monthly_budget        = 300
log_retention_days    = 90
audit_retention_days  = 400
backup_retention_days = 30
