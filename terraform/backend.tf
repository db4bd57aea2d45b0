# The state holds no secret's value. The bucket is made by hand before the first init (README.md):
#   terraform init -backend-config=bucket=PROJECT-terraform
terraform {
  backend "gcs" {
    prefix = "sapphire"
  }
}
