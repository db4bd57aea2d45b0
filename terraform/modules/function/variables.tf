variable "project_id" {
  description = "The project."
  type        = string
}

variable "region" {
  description = "The region."
  type        = string
}

variable "name" {
  description = "The function's name in the cloud, with hyphens; also of its Cloud Run service."
  type        = string

  validation {
    condition     = length(var.name) >= 3 && length(var.name) <= 27
    error_message = "name must have 3 to 27 characters: its account's id is fn-<name>, 6 to 30."
  }
}

variable "entry_point" {
  description = "Its name in main.py."
  type        = string
}

variable "summary" {
  description = "What it does."
  type        = string
}

variable "labels" {
  description = "Labels of everything."
  type        = map(string)
}

variable "runtime" {
  description = "Such as python311."
  type        = string
}

variable "source_bucket" {
  description = "Where the zip lies."
  type        = string
}

variable "source_object" {
  description = "The zip, named by its own hash: another content is another name, and a new revision."
  type        = string
}

variable "build_account_id" {
  description = "projects/P/serviceAccounts/E of whoever builds."
  type        = string
}

variable "build_repository" {
  description = "projects/P/locations/L/repositories/R that takes the image."
  type        = string
}

variable "memory_mb" {
  description = "Memory of an instance."
  type        = number
}

variable "cpu" {
  description = "Of a vCPU. Null: the platform's share for the memory."
  type        = string
  default     = null
}

variable "timeout_s" {
  description = "Of one request."
  type        = number
}

variable "max_instances" {
  description = "What one burst can spend at most."
  type        = number
}

variable "concurrency" {
  description = "Requests at once in an instance. Above 1 needs a whole vCPU."
  type        = number
}

variable "settings" {
  description = "The environment. No value of a secret."
  type        = map(string)
}

variable "public" {
  description = "Whether everybody may call it; else the invoker alone, from inside."
  type        = bool
}

variable "public_ingress" {
  description = "The ingress of a public function."
  type        = string
}

variable "invoker" {
  description = "The IAM member that may call it while it is not public."
  type        = string
}

variable "readable_secrets" {
  description = "Secret ids whose versions it may read, by name."
  type        = map(string)
}
