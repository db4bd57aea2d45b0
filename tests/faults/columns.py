"""What goes wrong: one misfortune a column, each on the request that sends the order."""

from decimal import Decimal

from infra.local.exchanges.faults import Fault, FaultKind

COLUMNS: dict[str, Fault] = {
    "down": Fault(FaultKind.DOWN),
    "lost request": Fault(FaultKind.LOST_REQUEST),
    "lost answer": Fault(FaultKind.LOST_ANSWER),
    "late 8 s": Fault(FaultKind.LATE, delay_s=8),
    "late 120 s": Fault(FaultKind.LATE, delay_s=120),
    "twice": Fault(FaultKind.TWICE),
    "502 before": Fault(FaultKind.SERVER_ERROR, lands=False),
    "503 after": Fault(FaultKind.SERVER_ERROR, lands=True, status=503),
    "429": Fault(FaultKind.RATE_LIMITED),
    "429 wait": Fault(FaultKind.RATE_LIMITED, retry_after_s=7),
    "redirect": Fault(FaultKind.REDIRECT, lands=True),
    "truncated": Fault(FaultKind.TRUNCATED),
    "empty": Fault(FaultKind.EMPTY),
    "huge": Fault(FaultKind.HUGE),
    "endless": Fault(FaultKind.ENDLESS),
    "order error": Fault(FaultKind.ORDER_ERROR),
    "no effect": Fault(FaultKind.NO_EFFECT),
    "missing": Fault(FaultKind.MISSING_FIELD),
    "renamed": Fault(FaultKind.RENAMED_FIELD),
    "null": Fault(FaultKind.NULL_FIELD),
    "NaN": Fault(FaultKind.NAN_FIELD),
    "read lag 4 s": Fault(FaultKind.READ_LAG, delay_s=4),
    "partial": Fault(FaultKind.PARTIAL_FILL, fraction=Decimal("0.5")),
    "shuffled": Fault(FaultKind.FILLS_SHUFFLED),
    "repeated": Fault(FaultKind.FILLS_REPEATED),
}
