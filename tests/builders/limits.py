"""The platform's limits, without whose document nothing trades."""

from dataclasses import replace
from typing import Any

from common.config import LimitSettings
from common.documents import create
from common.domain.risk_limits import RiskLimits
from common.domain.scope import PLATFORM_SCOPE
from common.how.limit_documents import default_limits, limits_ref
from common.ports import Write
from tests.builders.story import NOON


def some_limits(settings: LimitSettings | None = None, **order: Any) -> RiskLimits:
    """The defaults of a fresh store."""
    limits = default_limits(settings or LimitSettings(), NOON)
    return replace(limits, order=replace(limits.order, **order)) if order else limits


def limits_document(settings: LimitSettings | None = None) -> Write:
    """The write that puts them in force."""
    return create(limits_ref(PLATFORM_SCOPE), some_limits(settings))
