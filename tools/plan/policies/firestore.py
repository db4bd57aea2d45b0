"""The database: every minute of a week can be restored, and nobody deletes it by mistake."""

from tools.plan.finding import Finding
from tools.plan.plan import Plan, finding
from tools.plan.values import Value

DATABASE = "google_firestore_database"
SCHEDULE = "google_firestore_backup_schedule"
_NAME = "(default)"


def one_database(plan: Plan) -> list[Finding]:
    """The code opens the project's default database."""
    made = [str(each.get("name")) for each in plan.of(DATABASE)]
    if made == [_NAME]:
        return []
    return [Finding(where="terraform", what=DATABASE, message=f"there must be one, {_NAME}")]


def restorable(plan: Plan) -> list[Finding]:
    return _set_to(plan, "point_in_time_recovery_enablement", "POINT_IN_TIME_RECOVERY_ENABLED")


def protected(plan: Plan) -> list[Finding]:
    return _set_to(plan, "delete_protection_state", "DELETE_PROTECTION_ENABLED")


def backed_up_daily(plan: Plan) -> list[Finding]:
    saved = {
        str(each.get("database"))
        for each in plan.of(SCHEDULE)
        if "daily_recurrence" in each.configured()
    }
    return [
        finding(each, "has no daily backup schedule")
        for each in plan.of(DATABASE)
        if str(each.get("name")) not in saved
    ]


def _set_to(plan: Plan, name: str, wanted: Value) -> list[Finding]:
    return [
        finding(each, f"{name} must be {wanted}, not {each.get(name)}")
        for each in plan.of(DATABASE)
        if each.get(name) != wanted
    ]
