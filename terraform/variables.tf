variable "project_id" {
  description = "The project that everything is made in. It exists, and has a billing account."
  type        = string
}

variable "region" {
  description = "Where functions, queues, jobs, buckets and logs live."
  type        = string
  default     = "europe-west1"
}

variable "firestore_location" {
  description = "Where the database lives; it can never be moved. Empty: in the region."
  type        = string
  default     = ""
}

variable "environment" {
  description = "dev or prod: a label, and the name in alerts."
  type        = string

  validation {
    condition     = contains(["dev", "prod"], var.environment)
    error_message = "environment must be dev or prod."
  }
}

variable "mode" {
  description = "paper or live. Live sends real orders."
  type        = string
  default     = "paper"

  validation {
    condition     = contains(["paper", "live"], var.mode)
    error_message = "mode must be paper or live."
  }
}

variable "network" {
  description = "testnet or mainnet: where live orders go. Empty on paper."
  type        = string
  default     = ""

  validation {
    condition     = contains(["", "testnet", "mainnet"], var.network)
    error_message = "network must be testnet or mainnet, or empty on paper."
  }
}

variable "feed" {
  description = "live for the venues' own prices, simulated for made-up ones."
  type        = string
  default     = "live"

  validation {
    condition     = contains(["live", "simulated"], var.feed)
    error_message = "feed must be live or simulated."
  }
}

variable "symbols" {
  description = "The symbols that the swarm decides on. Empty: the code's own six."
  type        = list(string)
  default     = []
}

variable "paused" {
  description = "Whether the schedules stand still. While they do, nothing runs and only storage costs."
  type        = bool
  default     = true
}

variable "protected" {
  description = "Whether the database, the secrets and the buckets refuse to be deleted. Off for a teardown."
  type        = bool
  default     = true
}

variable "source_zip" {
  description = "The zip that tools/bundle.py built, as seen from where terraform runs."
  type        = string
  default     = "../build/sapphire.zip"
}

variable "runtime" {
  description = "The functions' Python: the one that the tests run on."
  type        = string
  default     = "python311"
}

variable "kek_version" {
  description = "Number of the enabled version of key-encryption-key."
  type        = string
  default     = "1"

  validation {
    condition     = can(regex("^[1-9][0-9]*$", var.kek_version))
    error_message = "kek_version must be a version's number, never latest."
  }
}

variable "api_token_version" {
  description = "Number of the enabled version of sapphire-api-token."
  type        = string
  default     = "1"

  validation {
    condition     = can(regex("^[1-9][0-9]*$", var.api_token_version))
    error_message = "api_token_version must be a version's number, never latest."
  }
}

variable "telegram_token_version" {
  description = "Number of the enabled version of telegram-bot-token."
  type        = string
  default     = "1"

  validation {
    condition     = can(regex("^[1-9][0-9]*$", var.telegram_token_version))
    error_message = "telegram_token_version must be a version's number, never latest."
  }
}

variable "telegram_chat_id" {
  description = "The chat that the bot writes to. Empty: messages stay in the store, and nobody is told."
  type        = string
  default     = ""
}

variable "venue_settings" {
  description = "What venues need besides: addresses (SPOT_TOKEN_LIST, OSTIUM_SUBGRAPH_URL ...), and <VENUE>_API_KEY_SECRET = \"venue-<name>:<version>\". Never a key, nor an address that holds one."
  type        = map(string)
  default     = {}

  validation {
    condition = alltrue([
      for name, value in var.venue_settings :
      !endswith(name, "_API_KEY_SECRET") || can(regex("^venue-[A-Za-z0-9_-]+:[1-9][0-9]*$", value))
    ])
    error_message = "An ..._API_KEY_SECRET must be venue-<name>:<version>, the version a number."
  }

  validation {
    condition = alltrue([
      for name, value in var.venue_settings :
      can(regex("^[A-Z]+_[A-Z_]+$", name)) && !can(regex("^(0[xX])?[0-9a-fA-F]{64}$", value))
    ])
    error_message = "A name must be in capitals, and no value may be a private key."
  }
}

variable "four_eyes" {
  description = "Whether a halt is resumed by another person than the one who halted."
  type        = bool
  default     = true
}

variable "cors_origins" {
  description = "Origins of pages that may call the API, besides the domain's own."
  type        = list(string)
  default     = []
}

variable "domain" {
  description = "The dashboard's and API's own domain. With one a load balancer runs, which costs about 25 USD a month at idle; empty: none."
  type        = string
  default     = ""
}

variable "alerts" {
  description = "Whether metrics are watched. Google charges by the condition (announced: 1.50 USD a month each); a paused project may do without. Alerts on the audit log stay."
  type        = bool
  default     = true
}

variable "alert_emails" {
  description = "Who is told of alerts, besides Telegram."
  type        = list(string)
  default     = []
}

variable "billing_account" {
  description = "The billing account's id, for the budget. Empty: no budget."
  type        = string
  default     = ""
}

variable "monthly_budget" {
  description = "Whole units of the billing account's currency a month."
  type        = number
  default     = 50
}

variable "log_retention_days" {
  description = "How long the project's ordinary logs are kept; the first 30 days are free."
  type        = number
  default     = 30
}

variable "audit_retention_days" {
  description = "How long audit logs are kept."
  type        = number
  default     = 400
}

variable "audit_locked" {
  description = "Whether that can never be shortened. A locked bucket outlives every teardown."
  type        = bool
  default     = false
}

variable "backup_retention_days" {
  description = "How long the database's daily backups are kept, at most 98."
  type        = number
  default     = 14

  validation {
    condition     = var.backup_retention_days >= 1 && var.backup_retention_days <= 98
    error_message = "backup_retention_days must be 1 to 98."
  }
}

variable "jobs_image" {
  description = "The image of long jobs, by digest (REGION-docker.pkg.dev/...@sha256:...). Empty: no jobs."
  type        = string
  default     = ""

  validation {
    condition     = var.jobs_image == "" || can(regex("@sha256:[0-9a-f]{64}$", var.jobs_image))
    error_message = "jobs_image must end with @sha256:<digest>; a tag may be moved."
  }
}
