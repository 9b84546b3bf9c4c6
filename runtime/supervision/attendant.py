"""Looks after one container: launches it, has it logged, asks for its health, notices its end and decides what then.

What it knows is written down before it acts on it, so that a successor can go on from there (`adopt`).
"""

from __future__ import annotations

import os
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from runtime.container.errors import ContainerError
from runtime.container.signal_names import parse_signal
from runtime.supervision.errors import SupervisionError, WrongPhase
from runtime.supervision.health import Health
from runtime.supervision.helper import Helper
from runtime.supervision.launching import Launch
from runtime.supervision.life import Exit, Phase, ProcessId, boot_id
from runtime.supervision.memory import Memory
from runtime.supervision.prober import Prober, kill_probe
from runtime.supervision.process import FirstProcess
from runtime.supervision.restart import Run, next_restart
from runtime.supervision.scribe import Scribe
from runtime.supervision.terminal import Terminal
from runtime.supervision.times import now, parse_ns
from runtime.supervision.verbs import KILL, end_all, forget, pause, send_signal, tidy, unpause
from runtime.values import Value, replace

if TYPE_CHECKING:
    from collections.abc import Callable

    from runtime.container.store import Store
    from runtime.supervision.keeper import Keeper
    from runtime.supervision.life import Life
    from runtime.supervision.loop import Loop, Timer
    from runtime.supervision.record import Place, Record
    from runtime.supervision.restart import RestartPolicy
    from runtime.supervision.terms import Terms
    from runtime.supervision.verbs import Scene

    Answer = Callable[[SupervisionError | None], None]

_AGAIN_S = 0.1
_NS = 1_000_000_000


class Surroundings(Value):
    """What all attendants share. ``rehold`` is called when the descriptors that the keeper is to hold have changed,
    ``retire`` by one whose container is to be removed.
    """

    loop: Loop
    scene: Scene
    keeper: Keeper
    rehold: Callable[[], None]
    retire: Callable[[Attendant], None]


class Attendant:
    """Of one container."""

    def __init__(self, around: Surroundings, place: Place, record: Record) -> None:
        self._around, self._loop = around, around.loop
        self._place = place
        self._memory = Memory(self._loop, around.scene.backstage, place, record)
        self._remember, self._tell = self._memory.remember, self._memory.tell
        self.scribe = Scribe(self._loop, place, self.terms.log, around.rehold, lambda what: self._remember(error=what))
        self._prober: Prober | None = None
        self._timer: Timer | None = None  # the next launch, or the end of patience with a stop
        self._process: FirstProcess | None = None
        self._how_to_stop = (self.terms.stop_signal, self.terms.stop_timeout_s)
        self._starting: list[Answer] = []
        self._waiting: list[Callable[[], None]] = []

    @property
    def terms(self) -> Terms:
        """What was agreed on."""
        return self._memory.terms

    @property
    def life(self) -> Life:
        """Where it is now."""
        return self._memory.life

    @property
    def record(self) -> Record:
        """Both."""
        return self._memory.record

    def amend(self, restart: RestartPolicy) -> None:
        """Restart it by this policy from now on; one that waits to be restarted is, once more at least."""
        self._memory.amend(restart=restart)

    def _helper(self, work: Callable[[], dict[str, Any]], done: Callable[[dict[str, Any]], None]) -> None:
        """Work on the container that nobody else may do at the same time, our successor included."""
        lock = self._place.lock()
        if lock is None:
            self._loop.after(_AGAIN_S, partial(self._helper, work, done))
            return
        Helper(self._loop, work, done, holds=(lock,))
        os.close(lock)

    def start(self, answer: Answer) -> None:
        """Start it, unless it runs; the answer comes when its program has been executed."""
        if self.life.phase not in {Phase.CREATED, Phase.EXITED, Phase.RESTARTING}:
            answer(WrongPhase(f"start container {self.terms.id!r}: it is {self.life.phase.value}"))
            return
        self._starting.append(answer)
        if len(self._starting) == 1:
            self._cancel_timer()
            self._how_to_stop = (self.terms.stop_signal, self.terms.stop_timeout_s)
            self._launch(restarts=0, delay_s=0.0, stopped=False)

    def _launch(self, **changes: Any) -> None:
        self._timer = None
        lock = self._place.lock()
        if lock is None:  # a helper of our predecessor's is at work still
            self._timer = self._loop.after(_AGAIN_S, partial(self._launch, **changes))
            return
        self._remember(
            durable=True, phase=Phase.STARTING, process=None, exit=Exit(), error=None, health=None, adopted=False,
            paused=False, stdin_open=self._has_stdin, started="", finished="", boot=boot_id(), **changes,
        )  # fmt: skip
        try:
            self.scribe.open(stdin=self._has_stdin, fresh=True)
            Launch(self._loop, self._around.scene, self._memory, self.scribe, self._launched).begin(lock)
        except OSError as error:
            self._launched({"error": ": ".join(filter(None, (error.filename, error.strerror)))})
        finally:
            os.close(lock)

    @property
    def _has_stdin(self) -> bool:
        return self.terms.stdin and not self.terms.terminal

    def be_ready(self) -> None:
        """For a client that wants to be attached before the start: its streams are made."""
        if not self.life.phase.is_active:
            self.scribe.open(stdin=self._has_stdin, fresh=True)

    def _launched(self, result: dict[str, Any]) -> None:
        answers, self._starting = self._starting, []
        if "pid" not in result:
            error = str(result.get("error"))
            self._remember(error=error)
            self.scribe.drain(self._settle)
            for answer in answers:
                answer(SupervisionError(f"start container {self.terms.id!r}: {error}"))
            return
        process = ProcessId(result["pid"], result["start_time"])
        self._remember(phase=Phase.RUNNING, process=process, started=now(), error=result.get("terminal"))
        self._process = FirstProcess.child(self._loop, process, self._ended)
        self._tell("start")
        self._attend()
        for answer in answers:
            answer(None)

    def _attend(self) -> None:
        self.scribe.listen()
        if self.terms.health is not None:
            health = self.life.health or Health()
            self._remember(health=health)
            work = (self._around.scene.store, self.terms.id, self.terms.health)
            running_s = max(time.time_ns() - parse_ns(self.life.started), 0) / _NS
            self._prober = Prober(self._loop, work, health, running_s, self._felt)
        if self.life.stopped:  # asked for before it ran, or of a supervisor that was killed over it
            self._stop_now()

    def _felt(self, health: Health, probe: ProcessId | None) -> None:
        before = self.life.health
        self._remember(health=health, probe=probe)
        if before is None or before.status is not health.status:
            self._tell(f"health_status: {health.status.value}")

    def adopt(self) -> None:
        """Go on from what our predecessor has written down, as far as that is still so."""
        if self.life.phase is Phase.RESTARTING:
            self._restart_or_not()
        elif self.life.phase is Phase.REMOVING or (self.life.phase is Phase.EXITED and self.terms.auto_remove):
            self._around.retire(self)
        if not self.life.phase.has_process:
            return
        lock = self._place.lock()
        if lock is None:
            self._loop.after(_AGAIN_S, self.adopt)
            return
        os.close(lock)
        if self.life.probe is not None and self.life.boot == boot_id():
            kill_probe(self.life.probe)
        self.scribe.open(stdin=self.life.stdin_open, fresh=False)
        self._recover_terminal()
        if self.life.phase is Phase.ENDING:
            self._tidy()
        else:
            self._adopt_process(self._process_of_runtime())

    def _recover_terminal(self) -> None:
        master = self._around.keeper.recover(self._place) if self.terms.terminal else None
        if master is not None:
            self.scribe.use(Terminal(self._loop, self._place, master))

    def _process_of_runtime(self) -> ProcessId | None:
        """As the OCI runtime remembers it, whose helper may have outlived our predecessor; None if there is none."""
        try:
            state = self._store.find(self.terms.id).state()
        except ContainerError:
            return None
        is_started = not os.path.exists(f"{self._store.root}/{self.terms.id}/start")
        return ProcessId(state.pid, state.start_time) if state.pid and is_started else None

    def _adopt_process(self, process: ProcessId | None) -> None:
        if process is None and self.life.phase is Phase.STARTING:
            failed = {"error": "its start was not finished before the supervisor was killed"}
            self._helper(partial(tidy, self._around.scene, self.terms.id), lambda _: self._launched(failed))
            return
        self._remember(phase=Phase.RUNNING, process=process, adopted=True, probe=None,
                       started=self.life.started or now())  # fmt: skip
        if process is not None and self.life.boot == boot_id():
            self._process = FirstProcess.stranger(self._loop, process, self._ended)
        if self._process is None:
            self._ended(Exit())
            return
        self._attend()

    def _ended(self, how: Exit) -> None:
        self._cancel_timer()
        if self._prober is not None:
            self._prober.end()
            self._prober = None
        self._process = None
        self._remember(phase=Phase.ENDING, exit=how, finished=now(), probe=None, paused=False)
        self._tidy()

    def _tidy(self) -> None:
        def tidied(result: dict[str, Any]) -> None:
            """Nothing of it runs any more. What it wrote last is read before anybody is told."""
            error = result.get("error") or "; ".join(result.get("complaints", ())) or self.life.error
            self._remember(error=error, exit=replace(self.life.exit, oom_killed=bool(result.get("oom_killed"))))
            if self.life.exit.oom_killed:
                self._tell("oom")
            self._tell("die", **({} if self.life.exit.code is None else {"exitCode": str(self.life.exit.code)}))
            self.scribe.drain(self._settle)

        self._helper(partial(tidy, self._around.scene, self.terms.id), tidied)

    def _settle(self) -> None:
        """It is gone, and all that it wrote is logged: what now?"""
        if self.life.phase is Phase.ENDING and self._delay_s() is not None:
            self._remember(durable=True, phase=Phase.RESTARTING, process=None)
            self._restart_or_not()
        else:
            if self.life.stopped:
                self._tell("stop")
            self._remember(durable=True, phase=Phase.EXITED, process=None, delay_s=0.0)
            if self.terms.auto_remove:
                self.scribe.close()
                self._around.retire(self)  # and then those who wait are told
            else:
                self._let_go()

    def _delay_s(self) -> float | None:
        life = self.life
        ran_ns = parse_ns(life.finished) - parse_ns(life.started) if life.started and life.finished else 0
        run = Run(life.exit.code, max(ran_ns, 0) / _NS, life.restarts, life.delay_s, life.stopped)
        return next_restart(self.terms.restart, run)

    def _restart_or_not(self) -> None:
        delay_s = self._delay_s()
        if delay_s is not None:
            changes = {"restarts": self.life.restarts + 1, "delay_s": delay_s}
            self._timer = self._loop.after(delay_s, partial(self._launch, **changes))

    def _let_go(self) -> None:
        """It will not go on by itself: tell everybody who waits for that."""
        self.scribe.close()
        waiting, self._waiting = self._waiting, []
        for tell in waiting:
            tell()

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def when_settled(self, tell: Callable[[], None]) -> None:
        """Once it neither runs nor will without anybody's doing; at once if that is so."""
        if self.life.phase.is_active:
            self._waiting.append(tell)
        else:
            tell()

    def stop(self, signal_name: str | None, timeout_s: float | None) -> None:
        """Ask for its end, and insist after the timeout; `when_settled` tells when."""
        if not self.life.phase.is_active:
            return
        self._how_to_stop = (
            self.terms.stop_signal if signal_name is None else signal_name,
            self.terms.stop_timeout_s if timeout_s is None else timeout_s,
        )
        if self.life.phase is Phase.RESTARTING:
            self._cancel_timer()
            self._remember(durable=True, phase=Phase.EXITED, stopped=True)
            self._let_go()
            return
        self._remember(stopped=True)
        if self.life.phase is Phase.RUNNING:
            self._stop_now()

    def _stop_now(self) -> None:
        self._cancel_timer()
        signal_name, timeout_s = self._how_to_stop
        if timeout_s > 0 and self._process is not None:
            self._process.send(parse_signal(signal_name))
            self._tell("kill", signal=str(parse_signal(signal_name)))
            self._go_on()
            self._timer = self._loop.after(timeout_s, self._end_all)
        else:
            self._end_all()

    def _go_on(self) -> None:
        """What is paused would not hear of a signal."""
        if self.life.paused:
            self.unpause(lambda _: None)

    def _end_all(self) -> None:
        self._tell("kill", signal=str(KILL))
        Helper(self._loop, partial(end_all, self._store, self.terms.id), lambda _: None)

    @property
    def _store(self) -> Store:
        return self._around.scene.store

    def kill(self, number: int, answer: Answer) -> None:
        """Send a signal. If that is one by which it is stopped, its end was asked for, and it is not restarted."""
        if self.life.phase is not Phase.RUNNING:
            answer(WrongPhase(f"kill container {self.terms.id!r}: it is {self.life.phase.value}, not running"))
            return
        if number in {KILL, parse_signal(self.terms.stop_signal)}:
            self._remember(stopped=True)

        def sent(result: dict[str, Any]) -> None:
            if "error" not in result:
                self._tell("kill", signal=str(number))
                self._go_on()
            answer(SupervisionError(result["error"]) if "error" in result else None)

        Helper(self._loop, partial(send_signal, self._store, self.terms.id, number), sent)

    def pause(self, answer: Answer) -> None:
        """Stop all its processes where they are."""
        self._freeze(answer, pause, paused=True)

    def unpause(self, answer: Answer) -> None:
        """Let them go on."""
        self._freeze(answer, unpause, paused=False)

    def _freeze(self, answer: Answer, work: Callable[[Store, str], dict[str, Any]], *, paused: bool) -> None:
        if self.life.phase is not Phase.RUNNING or self.life.paused is paused:
            how = "paused" if self.life.paused else self.life.phase.value
            answer(WrongPhase(f"{work.__name__} container {self.terms.id!r}: it is {how}"))
            return

        def done(result: dict[str, Any]) -> None:
            if "error" in result:
                answer(SupervisionError(f"{work.__name__} container {self.terms.id!r}: {result['error']}"))
                return
            if self.life.phase is Phase.RUNNING:
                self._remember(paused=paused)
                self._tell(work.__name__)
            answer(None)

        Helper(self._loop, partial(work, self._store, self.terms.id), done)

    def close_stdin(self) -> None:
        """No client will write to it any more."""
        if self.scribe.input is not None:
            self._remember(stdin_open=False)
            self.scribe.close_input()

    def remove(self, gone: Answer) -> None:
        """Forget it and everything that was made for it; it must not be active."""
        if self.life.phase.is_active or self._starting:
            gone(WrongPhase(f"remove container {self.terms.id!r}: it is {self.life.phase.value}; stop it first"))
            return
        if self.life.phase is not Phase.REMOVING:
            self._remember(durable=True, phase=Phase.REMOVING)

        def tidied(result: dict[str, Any]) -> None:
            if "error" in result:  # whoever comes after us tries again
                self._let_go()
                gone(SupervisionError(f"remove container {self.terms.id!r}: {result['error']}"))
                return
            self._place.remove()
            self._let_go()
            gone(None)

        self._helper(partial(forget, self._around.scene, self.terms.id), tidied)
