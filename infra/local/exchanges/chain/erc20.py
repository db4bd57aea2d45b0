"""An ERC-20 token, as far as venues use one."""

from collections.abc import Callable
from dataclasses import dataclass, field

from infra.local.exchanges.chain.world import Context, Effects, require
from infra.venues.evm.abi import Call, decode_call, selector


@dataclass(slots=True)
class Erc20:
    decimals: int = 18
    balances: dict[str, int] = field(default_factory=dict)
    allowances: dict[tuple[str, str], int] = field(default_factory=dict)  # (owner, spender)
    gas: int = 50_000

    def run(self, call: Call, context: Context) -> Effects:
        for signature, method in _METHODS.items():
            if call.data[:4] == selector(signature):
                answer = method(self, context.sender, *decode_call(signature, call.data))
                return Effects(returned=answer.to_bytes(32, "big"))
        require(False, "unknown function")
        return Effects()

    def mint(self, owner: str, amount: int) -> None:
        self.balances[owner.lower()] = self.balances.get(owner.lower(), 0) + amount

    def move(self, owner: str, to: str, amount: int) -> int:
        require(self.balances.get(owner, 0) >= amount, "ERC20: transfer amount exceeds balance")
        self.balances[owner] -= amount
        self.balances[to] = self.balances.get(to, 0) + amount
        return 1

    def spend(self, spender: str, owner: str, to: str, amount: int) -> int:
        """transferFrom: of the owner's tokens, as far as the owner has allowed the spender."""
        left = self.allowances.get((owner, spender), 0)
        require(left >= amount, "ERC20: insufficient allowance")
        self.move(owner, to, amount)
        self.allowances[owner, spender] = left - amount
        return 1

    def allow(self, owner: str, spender: str, amount: int) -> int:
        self.allowances[owner.lower(), spender.lower()] = amount
        return 1


_METHODS: dict[str, Callable[..., int]] = {
    "balanceOf(address)": lambda token, _, owner: token.balances.get(owner.lower(), 0),
    "decimals()": lambda token, _: token.decimals,
    "allowance(address,address)": lambda token, _, owner, spender: token.allowances.get(
        (owner.lower(), spender.lower()), 0
    ),
    "approve(address,uint256)": lambda token, sender, spender, amount: token.allow(
        sender, spender, amount
    ),
    "transfer(address,uint256)": lambda token, sender, to, amount: token.move(
        sender, to.lower(), amount
    ),
    "transferFrom(address,address,uint256)": lambda token, sender, owner, to, amount: token.spend(
        sender, owner.lower(), to.lower(), amount
    ),
}
