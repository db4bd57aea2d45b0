"""Unit prices of Google Cloud, US dollars, and what each month has free.

From public price lists as remembered and as found in stored copies on 2026-11-28; nothing was
asked live. Prices differ by region and change: look at the page before you rely on a figure.
"""

from dataclasses import dataclass
from decimal import Decimal

CHECKED = "2026-11-28"


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """`usd` for `per` units; the first `free` units of a month cost nothing."""

    item: str
    unit: str
    usd: Decimal
    per: int = 1
    free: Decimal = Decimal(0)
    page: str
    note: str = ""


def _price(
    item: str, unit: str, usd: str, *, per: int = 1, free: str = "0", page: str, note: str = ""
) -> Price:
    return Price(
        item=item, unit=unit, usd=Decimal(usd), per=per, free=Decimal(free), page=page, note=note
    )


_RUN = "https://cloud.google.com/run/pricing"
_FIRESTORE = "https://cloud.google.com/firestore/pricing"
_SECRETS = "https://cloud.google.com/secret-manager/pricing"
_OBSERVE = "https://cloud.google.com/products/observability/pricing"

PRICES = {
    "requests": _price(
        "Cloud Run requests", "requests", "0.40", per=1_000_000, free="2000000", page=_RUN
    ),
    "vcpu_s": _price(
        "Cloud Run CPU", "vCPU second", "0.000024", free="180000", page=_RUN, note="tier 1 regions"
    ),
    "gib_s": _price(
        "Cloud Run memory",
        "GiB second",
        "0.0000025",
        free="360000",
        page=_RUN,
        note="tier 1 regions",
    ),
    "reads": _price(
        "Firestore reads",
        "documents",
        "0.03",
        per=100_000,
        free="1500000",
        page=_FIRESTORE,
        note="single regions of the US; 50,000 a day free, in the (default) database alone",
    ),
    "writes": _price(
        "Firestore writes",
        "documents",
        "0.09",
        per=100_000,
        free="600000",
        page=_FIRESTORE,
        note="20,000 a day free",
    ),
    "deletes": _price(
        "Firestore deletes",
        "documents",
        "0.01",
        per=100_000,
        free="600000",
        page=_FIRESTORE,
        note="20,000 a day free",
    ),
    "ttl_deletes": _price(
        "Firestore TTL deletes",
        "documents",
        "0.01",
        per=100_000,
        page=_FIRESTORE,
        note="never free",
    ),
    "stored_gib": _price(
        "Firestore storage, indexes included", "GiB", "0.15", free="1", page=_FIRESTORE
    ),
    "pitr_gib": _price(
        "Firestore PITR, seven days of versions",
        "GiB",
        "0.15",
        page=_FIRESTORE,
        note="never free; remembered, not found",
    ),
    "backup_gib": _price(
        "Firestore daily backups",
        "GiB",
        "0.03",
        page=_FIRESTORE,
        note="never free; remembered, not found",
    ),
    "bus_gib": _price(
        "Pub/Sub, published and pushed",
        "GiB",
        "0.0390625",
        free="10",
        page="https://cloud.google.com/pubsub/pricing",
        note="40 USD a TiB; a request counts 1,000 bytes at least",
    ),
    "task_operations": _price(
        "Cloud Tasks",
        "operations",
        "0.40",
        per=1_000_000,
        free="1000000",
        page="https://cloud.google.com/tasks/pricing",
        note="a task is two: made, delivered",
    ),
    "scheduler_jobs": _price(
        "Cloud Scheduler",
        "jobs",
        "0.10",
        free="3",
        page="https://cloud.google.com/scheduler/pricing",
        note="a paused job counts; free ones by billing account",
    ),
    "secret_versions": _price(
        "Secret Manager, versions",
        "versions",
        "0.06",
        free="6",
        page=_SECRETS,
        note="a disabled version counts, a destroyed one does not",
    ),
    "secret_reads": _price(
        "Secret Manager, accesses",
        "accesses",
        "0.03",
        per=10_000,
        free="10000",
        page=_SECRETS,
    ),
    "log_gib": _price(
        "Cloud Logging",
        "GiB",
        "0.50",
        free="50",
        page=_OBSERVE,
        note="with 30 days of keeping; each further month 0.01 a GiB",
    ),
    "spans": _price("Cloud Trace", "spans", "0.20", per=1_000_000, free="2500000", page=_OBSERVE),
    "metric_mib": _price(
        "Cloud Monitoring, metrics from logs", "MiB", "0.258", free="150", page=_OBSERVE
    ),
    "alert_conditions": _price(
        "Cloud Monitoring, alert conditions",
        "conditions",
        "1.50",
        page=_OBSERVE,
        note="as announced; 0.10 is told elsewhere",
    ),
    "alert_series": _price(
        "Cloud Monitoring, time series looked at",
        "series",
        "0.35",
        per=1_000_000,
        page=_OBSERVE,
        note="as above",
    ),
    "image_gb": _price(
        "Artifact Registry",
        "GB",
        "0.10",
        free="0.5",
        page="https://cloud.google.com/artifact-registry/pricing",
    ),
    "bucket_gib": _price(
        "Cloud Storage",
        "GiB",
        "0.02",
        page="https://cloud.google.com/storage/pricing",
        note="5 GiB free in three US regions alone",
    ),
    "egress_gib": _price(
        "Traffic to the internet",
        "GiB",
        "0.12",
        free="1",
        page="https://cloud.google.com/vpc/network-pricing",
        note="the free GiB is within North America",
    ),
}
