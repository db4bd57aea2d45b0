"""A right answer made wrong: schema drift, records twice or out of order, bodies cut or huge."""

from collections.abc import Callable, Mapping
from random import Random

from infra.local.exchanges.exchange import ApiAnswer
from infra.local.exchanges.faults import Fault, FaultKind

HTML = (
    b"<html>\r\n<head><title>%d Bad Gateway</title></head>\r\n<body>\r\n<center><h1>Bad Gateway"
    b"</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
)


def distorted(answer: ApiAnswer, fault: Fault) -> ApiAnswer:
    """The answer as `fault` leaves it; itself where the fault does not touch answers."""
    distort = _DISTORTIONS.get(fault.kind)
    return answer if distort is None else distort(answer, fault)


def html_error(fault: Fault) -> ApiAnswer:
    return ApiAnswer(HTML % fault.status, fault.status, {"content-type": "text/html"})


def rate_limited(fault: Fault) -> ApiAnswer:
    wait = fault.retry_after_s
    headers = {} if wait is None else {"retry-after": str(wait)}
    return ApiAnswer(None, 429, headers)


def redirect(fault: Fault) -> ApiAnswer:
    return ApiAnswer(b"", 307, {"location": fault.location})


def _truncated(answer: ApiAnswer, fault: Fault) -> ApiAnswer:
    del fault
    whole = answer.encoded()
    return ApiAnswer(whole[: max(1, len(whole) // 2)], answer.status, answer.headers)


def _empty(answer: ApiAnswer, fault: Fault) -> ApiAnswer:
    del fault
    return ApiAnswer(b"", answer.status, answer.headers)


def _huge(answer: ApiAnswer, fault: Fault) -> ApiAnswer:
    return ApiAnswer(answer.encoded().ljust(fault.size), answer.status, answer.headers)


def _shuffled(answer: ApiAnswer, fault: Fault) -> ApiAnswer:
    del fault

    def shuffle(records: list[object]) -> list[object]:
        order = list(reversed(records))
        Random(len(order)).shuffle(order)
        return order if order != records else list(reversed(records))

    return _with_lists(answer, shuffle)


def _repeated(answer: ApiAnswer, fault: Fault) -> ApiAnswer:
    del fault
    return _with_lists(answer, lambda records: [record for record in records for _ in range(2)])


def _with_lists(answer: ApiAnswer, change: Callable[[list[object]], list[object]]) -> ApiAnswer:
    """Change the answer's own list, or the lists directly inside its object."""
    body = answer.body
    changed: object = body
    if isinstance(body, list):
        changed = change(body)
    elif isinstance(body, Mapping):
        changed = {
            name: change(value) if isinstance(value, list) else value
            for name, value in body.items()
        }
    return ApiAnswer(changed, answer.status, answer.headers)


def _drifted(answer: ApiAnswer, fault: Fault) -> ApiAnswer:
    return ApiAnswer(_drift(answer.body, fault), answer.status, answer.headers)


def _drift(value: object, fault: Fault) -> object:
    if isinstance(value, list):
        return [_drift(item, fault) for item in value]
    if not isinstance(value, Mapping):
        return value
    drifted: dict[str, object] = {}
    for name, inner in value.items():
        scalar = not isinstance(inner, list | Mapping)
        struck = name == fault.field if fault.field is not None else scalar
        if not struck:
            drifted[name] = _drift(inner, fault)
        elif fault.kind is FaultKind.RENAMED_FIELD:
            drifted[f"{name}_v2"] = inner
        elif fault.kind is not FaultKind.MISSING_FIELD:
            drifted[name] = None if fault.kind is FaultKind.NULL_FIELD else "NaN"
    return drifted


_DISTORTIONS: Mapping[FaultKind, Callable[[ApiAnswer, Fault], ApiAnswer]] = {
    FaultKind.TRUNCATED: _truncated,
    FaultKind.EMPTY: _empty,
    FaultKind.HUGE: _huge,
    FaultKind.FILLS_SHUFFLED: _shuffled,
    FaultKind.FILLS_REPEATED: _repeated,
    FaultKind.MISSING_FIELD: _drifted,
    FaultKind.RENAMED_FIELD: _drifted,
    FaultKind.NULL_FIELD: _drifted,
    FaultKind.NAN_FIELD: _drifted,
}
