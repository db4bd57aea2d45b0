"""Before Terraform: the project, its billing, the APIs, and where Terraform keeps its state."""

from infra.doctor.line import Line, fine, missing
from infra.doctor.target import Cloud, LookError, Target, found_or_none, listed

APIS = (
    "artifactregistry",
    "cloudbilling",
    "cloudbuild",
    "cloudfunctions",
    "cloudresourcemanager",
    "cloudscheduler",
    "cloudtasks",
    "cloudtrace",
    "firestore",
    "iam",
    "logging",
    "monitoring",
    "pubsub",
    "run",
    "secretmanager",
    "storage",
    "telemetry",
)
"""Those that terraform/services.tf enables in every project, which a test compares."""


async def project(cloud: Cloud, target: Target) -> list[Line]:
    url = f"https://cloudresourcemanager.googleapis.com/v3/projects/{target.project}"
    try:
        found = await found_or_none(cloud, url)
    except LookError as error:
        if error.status != 403 or error.reason == "SERVICE_DISABLED":
            raise
        found = None  # Google does not tell a stranger whether a project is there
    state = (found or {}).get("state", "not there, or not yours to see")
    if found is None or state != "ACTIVE":
        create = f"gcloud projects create {target.project}"
        return [missing("project", f"{target.project} is {state}", create)]
    return [fine("project", f"{target.project}, number {found['name'].split('/')[-1]}")]


async def billing(cloud: Cloud, target: Target) -> list[Line]:
    url = f"https://cloudbilling.googleapis.com/v1/projects/{target.project}/billingInfo"
    if (await cloud.get(url)).get("billingEnabled"):
        return [fine("billing", "enabled")]
    link = f"gcloud billing projects link {target.project} --billing-account=ACCOUNT"
    return [missing("billing", "no billing account is linked", link)]


async def services(cloud: Cloud, target: Target) -> list[Line]:
    url = f"https://serviceusage.googleapis.com/v1/projects/{target.project}/services"
    answer = await listed(cloud, url, "services", filter="state:ENABLED", pageSize="200")
    enabled = {service["config"]["name"] for service in answer}
    lacking = [f"{api}.googleapis.com" for api in APIS if f"{api}.googleapis.com" not in enabled]
    if not lacking:
        return [fine("services", f"{len(APIS)} APIs are enabled")]
    enable = f"gcloud services enable {' '.join(lacking)} --project={target.project}"
    return [missing("services", f"{len(lacking)} APIs are not enabled", enable)]


async def state(cloud: Cloud, target: Target) -> list[Line]:
    """Terraform's bucket; versioned, since a broken state is mended from a former one."""
    bucket = f"{target.project}-terraform"
    found = await found_or_none(cloud, f"https://storage.googleapis.com/storage/v1/b/{bucket}")
    if found is None:
        create = (
            f"gcloud storage buckets create gs://{bucket} --project={target.project}"
            f" --location={target.region} --uniform-bucket-level-access"
            " --public-access-prevention"
        )
        return [missing("state", f"there is no bucket {bucket}", create)]
    if not found.get("versioning", {}).get("enabled"):
        update = f"gcloud storage buckets update gs://{bucket} --versioning"
        return [missing("state", f"{bucket} keeps no versions", update)]
    return [fine("state", f"{bucket}, versioned")]
