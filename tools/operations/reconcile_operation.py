"""Find out whether a write in doubt was carried out."""

from __future__ import annotations

from tools.backends import Backends
from tools.operations.get_operation import GetOperation
from tools.operations.models import Reconciliation
from tools.tool import READ, Tool


class ReconcileOperation(GetOperation):
    pass


async def reconcile_operation(arguments: ReconcileOperation, backends: Backends) -> Reconciliation:
    """Look at the vendor whether a write in doubt was carried out, and settle it in the record.

    Use it after in_doubt, before anything else is done about it. It only reads at the vendor.
    """
    return await backends.required_ledger.reconcile(arguments.operation_id, backends)


TOOL = Tool(
    name="reconcile_operation",
    title="Settle a write in doubt",
    arguments=ReconcileOperation,
    result=Reconciliation,
    effect=READ,
    handler=reconcile_operation,
)
