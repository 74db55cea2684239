"""A function as authors write it, which mypy checks with the types of the module faas."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict, Optional

if TYPE_CHECKING:
    import faas

    @faas.warm_up
    def warm_up() -> None:
        """Prepare what runs use."""

    @faas.register_after_restore
    async def renew() -> None:
        """Renew what must be fresh."""

    async def main(args: Dict[str, Any], context: Dict[str, Any]) -> str:
        warm_up()  # a decorated hook is still the function that it was
        await renew()
        number: Optional[int] = faas.execution.task
        where: Optional[str] = faas.execution.job or faas.execution.job_execution
        seconds: float = faas.execution.remaining + faas.execution.deadline
        faas.log("begins", level="debug", number=number, where=where, seconds=seconds)
        faas.log(ValueError("any object"), attempt=faas.execution.attempt + faas.execution.version)
        faas.log("x", level="loud")  # type: ignore[arg-type]
        faas.execution.id = "1"  # type: ignore[misc]
        faas.register_after_restore("no callable")  # type: ignore[type-var]
        return faas.execution.id + faas.execution.function
