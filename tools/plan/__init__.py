"""The Terraform of this repository, expanded and questioned without the cloud."""
