# Paper trading at real prices. project_id comes with -var: no project's name belongs into the tree.
environment = "dev"
mode        = "paper"
feed        = "live"
symbols     = ["BTC", "ETH", "SOL"]

# Off once `sapphire doctor` finds nothing missing but the paused schedules.
paused = true

four_eyes             = false
monthly_budget        = 30
log_retention_days    = 30
audit_retention_days  = 90
backup_retention_days = 7
