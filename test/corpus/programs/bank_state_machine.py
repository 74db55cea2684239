"""Accounts as a state machine with events, invariants, undo and an audit trail."""
import copy
import json
from contextlib import contextmanager
from decimal import Decimal, InvalidOperation
from functools import singledispatchmethod
from typing import NamedTuple


class Deposit(NamedTuple):
    amount: Decimal


class Withdraw(NamedTuple):
    amount: Decimal


class Transfer(NamedTuple):
    amount: Decimal
    to: str


class Insufficient(Exception):
    def __init__(self, balance, wanted):
        super().__init__(f"balance {balance} is less than {wanted}")
        self.missing = wanted - balance


class Account:
    def __init__(self, name, bank):
        self.name, self.bank, self.balance, self.frozen = name, bank, Decimal(0), False

    @singledispatchmethod
    def apply(self, event):
        raise NotImplementedError(f"no rule for {type(event).__name__}")

    @apply.register
    def _(self, event: Deposit):
        if event.amount <= 0:
            raise ValueError(f"amount {event.amount} must be positive")
        self.balance += event.amount

    @apply.register
    def _(self, event: Withdraw):
        if self.frozen:
            raise PermissionError(f"{self.name} is frozen")
        if event.amount > self.balance:
            raise Insufficient(self.balance, event.amount)
        self.balance -= event.amount

    @apply.register
    def _(self, event: Transfer):
        self.apply(Withdraw(event.amount))
        self.bank[event.to].apply(Deposit(event.amount))


class Bank(dict):
    def __missing__(self, name):
        if not name.isidentifier():
            raise KeyError(f"bad name {name!r}")
        return self.setdefault(name, Account(name, self))

    def __deepcopy__(self, memo):
        new = Bank()
        memo[id(self)] = new
        for name, account in self.items():
            new[name] = copy.deepcopy(account, memo)
        return new

    @contextmanager
    def transaction(self, log):
        before = copy.deepcopy(self)
        try:
            yield self
        except Exception as error:
            self.clear()
            self.update(before)
            for account in self.values():
                account.bank = self
            log.append(f"rolled back: {error!r}")
        else:
            log.append("committed")


def main(args, context):
    bank, log = Bank(), []
    script = [[("ada", Deposit(Decimal("100.50"))), ("ada", Transfer(Decimal("30.25"), "bob"))], [("bob", Withdraw(Decimal("5"))), ("bob", Transfer(Decimal("1000"), "ada"))], [("bob", Transfer(Decimal("1"), "not a name"))], [("eve", "steal")], [("ada", Deposit(Decimal("-1")))], [("ada", Deposit(Decimal("NaN")))]]
    for events in script:
        with bank.transaction(log):
            for name, event in events:
                bank[name].apply(event)
    with bank.transaction(log):
        bank["bob"].frozen = True
        bank["bob"].apply(Withdraw(Decimal(1)))
    try:
        Decimal("x")
    except InvalidOperation as error:
        log.append(str(error))
    return {"balances": {n: str(a.balance) for n, a in sorted(bank.items())}, "log": log, "event": json.dumps(Transfer(Decimal("1.0"), "x")._asdict(), default=str)}
