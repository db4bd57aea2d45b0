# What pipeline.yaml says, in the shapes that for_each takes. Nothing about a function, a topic or a
# secret is written a second time.
locals {
  pipeline  = yamldecode(file("${path.module}/../pipeline.yaml"))
  functions = local.pipeline.functions
  delivery  = local.pipeline.delivery

  project_number = data.google_project.this.number
  labels = {
    app         = "sapphire"
    environment = var.environment
    managed_by  = "terraform"
  }

  # The name in the cloud, and the address that tokens are minted for.
  names = { for name, spec in local.functions : name => replace(name, "_", "-") }
  hosts = { for name, service in local.names : name => "${service}-${local.project_number}.${var.region}.run.app" }
  urls  = { for name, host in local.hosts : name => "https://${host}" }

  public_functions = [
    for name, spec in local.functions : name
    if contains([for trigger in spec.triggers : try(trigger.http, "")], "public")
  ]
}

locals {
  # <function>-<topic> => {function, topic}
  subscriptions = {
    for pair in flatten([
      for name, spec in local.functions : [
        for trigger in spec.triggers : { function = name, topic = trigger.topic }
        if try(trigger.topic, "") != ""
      ]
    ]) : "${local.names[pair.function]}-${pair.topic}" => pair
  }

  # The job's name is the function's own (infra/gcp/scheduler.py); a second schedule gets a number.
  schedules = {
    for job in flatten([
      for name, spec in local.functions : [
        for index, cron in [for trigger in spec.triggers : trigger.schedule if try(trigger.schedule, "") != ""] :
        { key = index == 0 ? name : "${name}-${index + 1}", function = name, cron = cron }
      ]
    ]) : job.key => job
  }

  # The functions that take what somebody may have delivered later.
  later_topics = distinct(flatten([for name, spec in local.functions : try(spec.later, [])]))
  later_functions = distinct([
    for pair in values(local.subscriptions) : pair.function if contains(local.later_topics, pair.topic)
  ])
}

locals {
  # <function>/<topic> => {function, topic}
  publications = {
    for pair in flatten([
      for name, spec in local.functions : [for topic in spec.publishes : { function = name, topic = topic }]
    ]) : "${pair.function}/${pair.topic}" => pair
  }

  # <function>/<role> => {function, role}; every function may write its traces.
  project_roles = {
    for pair in flatten([
      for name, spec in local.functions : [
        for role in distinct(concat(["telemetry.tracesWriter"], try(spec.roles, []))) : { function = name, role = role }
      ]
    ]) : "${pair.function}/${pair.role}" => pair
  }

  # A secret with a prefix is many, made later: it can only be granted by its name.
  single_secrets = { for name, spec in local.pipeline.secrets : name => spec if try(spec.prefix, "") == "" }
  prefixes = {
    for name, spec in local.pipeline.secrets : name => spec.prefix if try(spec.prefix, "") != ""
  }
  secret_grants = flatten([
    for name, spec in local.functions : [
      for secret, access in spec.secrets : { function = name, secret = secret, access = access }
    ]
  ])
  prefix_readers = {
    for grant in local.secret_grants : "${grant.function}/${grant.secret}" => grant
    if grant.access == "read" && contains(keys(local.prefixes), grant.secret)
  }
  prefix_adders = {
    for grant in local.secret_grants : "${grant.function}/${grant.secret}" => grant
    if grant.access == "add" && contains(keys(local.prefixes), grant.secret)
  }
}
