"""What stops a plan from being made."""


class PlanError(Exception):
    """The Terraform cannot be read or expanded; says where and why, several lines perhaps."""
