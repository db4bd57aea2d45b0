"""A chain, a node over it, and an account with a key on it."""

from dataclasses import dataclass, replace
from typing import Any

from eth_account import Account

from common.books import ORDERS, SIGNED_REQUESTS
from common.documents import create
from common.domain.order import Order, OrderStatus, SignedRequest
from common.execution.attempts import with_request
from common.ports import Ref, Update
from common.wire import to_document
from infra.local.exchanges.chain.chain import SimulatedChain
from infra.local.exchanges.chain.erc20 import Erc20
from infra.local.exchanges.chain.rpc import ChainExchange
from infra.local.exchanges.faults import Faults
from infra.local.exchanges.server import ExchangeServer
from infra.local.store.memory import MemoryStore
from infra.venues.evm.abi import Call, encode_call
from infra.venues.evm.orders import ChainOrders, ChainProfile
from infra.venues.evm.rpc import JsonRpc
from tests.builders import NOON, an_order
from tests.fakes.accounts import FakeSigner
from tests.fakes.clock import FakeClock
from tests.fakes.overheard import OverheardTransport

CHAIN_ID = 42161
TOKEN = "0x" + "70" * 20
ELSEWHERE = "0x" + "ee" * 20
PROFILE = ChainProfile(
    chain_id=CHAIN_ID, finality_blocks=20, max_fee_limit=10**11, gas_limit=5_000_000
)


@dataclass
class ChainDesk:
    clock: FakeClock
    store: MemoryStore
    chain: SimulatedChain
    server: ExchangeServer
    rpc: JsonRpc
    orders: ChainOrders
    signer: Any
    wire: OverheardTransport

    @property
    def token(self) -> Erc20:
        contract = self.chain.contract(TOKEN)
        assert isinstance(contract, Erc20)
        return contract

    def a_call(self, amount: int = 5) -> Call:
        data = encode_call("transfer(address,uint256)", ELSEWHERE, amount)
        return Call(TOKEN, data)

    async def written_ahead(
        self, order: Order, call: Call | None = None
    ) -> tuple[Order, SignedRequest]:
        """Prepared, and stored as `execute` stores it."""
        request = await self.orders.prepare(order, self.signer, call or self.a_call())
        order = with_request(order, request)
        await self.store.commit(
            [
                create(Ref(ORDERS, order.client_order_id), order),
                create(Ref(SIGNED_REQUESTS, order.client_order_id), request),
            ]
        )
        return order, request

    async def ended(self, order: Order, status: OrderStatus) -> None:
        document = await self.store.get(Ref(ORDERS, order.client_order_id))
        assert document is not None
        await self.store.commit(
            [Update(document.ref, to_document(replace(order, status=status)), document.version)]
        )


def a_chain_desk(
    *,
    faults: Faults | None = None,
    rpc_chain_id: int = CHAIN_ID,
    private_url: str | None = None,
) -> ChainDesk:
    clock = FakeClock()
    store = MemoryStore()
    chain = SimulatedChain(chain_id=CHAIN_ID, start=NOON)
    account = Account.from_key("0x" + "11" * 32)
    signer = FakeSigner(address=account.address.lower(), account=account)
    token = Erc20(decimals=6)
    token.mint(signer.address, 1_000)
    chain.deploy(TOKEN, token)
    chain.fund(signer.address)
    server = ExchangeServer(ChainExchange(chain), clock=clock, faults=faults)
    wire = OverheardTransport(server)
    rpc = JsonRpc(
        "https://node.invalid/rpc?key=hidden",
        chain_id=rpc_chain_id,
        label="Test chain",
        private_url=private_url,
        transport=wire,
    )
    orders = ChainOrders(rpc, store, clock, replace(PROFILE, chain_id=rpc_chain_id))
    return ChainDesk(clock, store, chain, server, rpc, orders, signer, wire)


def another_order(number: int) -> Order:
    return an_order(client_order_id="0x" + f"{number:032x}")
