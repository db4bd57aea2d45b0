# The functions' environment. No value of a secret is ever in it: where one is needed, its name and
# the number of a version, which the code reads from Secret Manager at its first use.
locals {
  shared_settings = merge(var.venue_settings, {
    # The platform sets it to true, and the framework then silences the loggers that alerts count.
    LOG_EXECUTION_ID      = "false"
    GOOGLE_CLOUD_PROJECT  = var.project_id
    SAPPHIRE_STORE        = "firestore"
    SAPPHIRE_BUS          = "pubsub"
    SAPPHIRE_MODE         = var.mode
    SAPPHIRE_NETWORK      = var.network
    SAPPHIRE_FEED         = var.feed
    SAPPHIRE_SYMBOLS      = join(",", var.symbols)
    SAPPHIRE_FOUR_EYES    = var.four_eyes ? "on" : "off"
    SAPPHIRE_KEK_VERSION  = var.kek_version
    SAPPHIRE_FUNCTION_URL = "https://{function}-${local.project_number}.${var.region}.run.app"
    SAPPHIRE_TASKS_QUEUE  = "projects/${var.project_id}/locations/${var.region}/queues/{function}-later"
    TELEGRAM_CHAT_ID      = var.telegram_chat_id
  })

  api_url = var.domain == "" ? local.urls["api"] : "https://${var.domain}"

  # By function, beside what all of them get.
  own_settings = {
    api = {
      SAPPHIRE_API_TOKEN_SECRET = "sapphire-api-token:${var.api_token_version}"
      SAPPHIRE_API_AUDIENCE     = local.api_url
      SAPPHIRE_CORS_ORIGINS     = join(",", concat(var.cors_origins, var.domain == "" ? [] : ["https://${var.domain}"]))
      SAPPHIRE_WALLET_PROOF     = "on"
      SAPPHIRE_WALLET_DOMAIN    = var.domain == "" ? local.hosts["api"] : var.domain
    }
    notify = {
      TELEGRAM_BOT_TOKEN_SECRET = var.telegram_chat_id == "" ? "" : "telegram-bot-token:${var.telegram_token_version}"
    }
  }

  # An empty variable would count as set: left out, it has the code's default.
  settings = {
    for name, url in local.urls : name => merge(
      {
        for variable, value in merge(
          local.shared_settings,
          { SAPPHIRE_PUSH_AUDIENCE = url },
          lookup(local.own_settings, name, {}),
        ) : variable => value if value != ""
      },
      { SAPPHIRE_PUSH_SERVICE_ACCOUNT = google_service_account.push.email },
    )
  }
}
