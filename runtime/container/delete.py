"""``delete``: remove a container that is stopped, and everything that was made for it."""

from __future__ import annotations

from runtime.container.errors import ContainerError, NotFound, WrongStatus
from runtime.container.hooks import run_poststop
from runtime.container.kill import end
from runtime.container.state import Status, oci_state

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.container.state import State
    from runtime.container.store import Container, Store


def delete(store: Store, container_id: str, *, force: bool = False) -> tuple[str, ...]:
    """Remove it; what poststop hooks complained of, which is no error.

    ``force`` kills it first, and has nothing to do where there is none.
    """
    try:
        return delete_container(store.find(container_id), force=force)
    except NotFound:
        if not force:
            raise
        return ()


def delete_container(container: Container, *, force: bool = False) -> tuple[str, ...]:
    """The same for one that was found."""
    with container.locked():
        return _delete(container, force=force)


def _delete(container: Container, *, force: bool) -> tuple[str, ...]:
    try:
        state = container.state()
    except (NotFound, ContainerError):
        if not force:
            raise
        container.remove()  # whoever was making it has died
        return ()
    status = container.status(state)
    if status is not Status.STOPPED and not force:
        raise WrongStatus(f"delete container {container.id!r}: it is {status.value}, not stopped")
    return destroy(container, state)


def destroy(container: Container, state: State) -> tuple[str, ...]:
    """The end of one that is locked, whatever it is doing; what poststop hooks complained of."""
    end(state)  # of what the first process has left behind, too, where it had no pid namespace of its own
    state.group.delete()
    linux, hooks = container.config().linux, container.config().hooks.poststop
    if linux.intel_rdt is not None:
        from runtime.container.resctrl import leave_class, resctrl_of

        leave_class(resctrl_of(), container.id, linux.intel_rdt)
    container.remove()
    return run_poststop(hooks, oci_state(state, Status.STOPPED))
