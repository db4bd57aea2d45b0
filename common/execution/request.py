"""The request of an order where nothing has to be signed: paper and simulated venues."""

from datetime import datetime

from common.domain.identifiers import digest
from common.domain.order import Order, SignedRequest


def unsigned_request(order: Order, *, now: datetime) -> SignedRequest:
    """Its body names the order and nothing else; the nonce is the one that the order carries."""
    return SignedRequest(
        client_order_id=order.client_order_id,
        signer="",
        nonce=order.nonce,
        request_key=order.client_order_id,
        body=order.payload_hash,
        created_at=now,
        expires_at=order.expires_at,
    )


def request_hash(request: SignedRequest) -> str:
    """What an order document holds of its request: enough to tell that it was altered."""
    return digest(request.client_order_id, request.nonce, request.request_key, request.body)
