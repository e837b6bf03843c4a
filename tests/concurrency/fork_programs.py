"""Programs that fork: each runs in a process of its own, so that a hanging or crashing child is seen and ended."""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NoReturn

import fork_pause
from driving import CHILD_SECONDS, report

from semcache import Cache, Hit
from semcache.errors import SemcacheError

EXACT = "add login page"
SEMANTIC = "now add login page"


def _text(cache: Cache, question: str) -> str:
    result = cache.lookup(question)
    return result.text if isinstance(result, Hit) else str(result.reason)


def _in_child(work: Callable[[], Any], *, leave: Callable[[int], NoReturn] = sys.exit) -> dict[str, Any]:
    """Fork; let the child work and end as any program does; report its result and how it ended."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        with os.fdopen(writing, "w") as pipe:
            pipe.write(json.dumps(work()))
        leave(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        text = pipe.read()
    _, status = os.waitpid(child, 0)
    return {"found": json.loads(text) if text else None, "exit": os.waitstatus_to_exitcode(status)}


def _error_of(call: Callable[[], object]) -> str:
    try:
        call()
    except SemcacheError as error:
        return type(error).__name__
    return "no error"


def child_uses_every_method(bundle_dir: str) -> None:
    """Call every method of the parent's cache in a child."""
    cache = Cache.open(bundle_dir)
    cache.lookup_many([EXACT, SEMANTIC])
    calls: dict[str, Callable[[], object]] = {
        "lookup": lambda: cache.lookup(EXACT),
        "lookup_many": lambda: cache.lookup_many([EXACT]),
        "search": lambda: cache.search(EXACT),
        "embed": lambda: cache.embed([EXACT]),
        "explain": lambda: cache.explain(EXACT),
        "info": lambda: cache.info,
        "refresh": cache.refresh,
        "close": cache.close,
        "lookup after close": lambda: cache.lookup(EXACT),
    }
    report(_in_child(lambda: {name: _error_of(call) for name, call in calls.items()}))


def child_of_a_closed_cache(bundle_dir: str) -> None:
    """Use, in a child, a cache that the parent had closed before."""
    cache = Cache.open(bundle_dir)
    cache.close()
    report(_in_child(lambda: _error_of(lambda: cache.lookup(EXACT))))


def child_opens_anew(bundle_dir: str) -> None:
    """Open the same bundle in the child, twice, while the parent has it open."""
    cache = Cache.open(bundle_dir)
    _text(cache, SEMANTIC)

    def work() -> list[str]:
        with Cache.open(bundle_dir) as first, Cache.open(bundle_dir) as second:
            first_answers = [_text(first, EXACT), _text(first, SEMANTIC)]
            first.close()
            return [*first_answers, _text(second, EXACT), _text(second, SEMANTIC)]

    report(_in_child(work))


def child_of_a_child_opens_anew(bundle_dir: str) -> None:
    """Fork in a child that has opened the bundle itself."""
    cache = Cache.open(bundle_dir)

    def work() -> dict[str, Any]:
        with Cache.open(bundle_dir) as own:

            def deeper() -> list[str]:
                errors = [_error_of(partial(used.lookup, EXACT)) for used in (cache, own)]
                with Cache.open(bundle_dir) as anew:
                    return [*errors, _text(anew, EXACT)]

            return {**_in_child(deeper), "own": _text(own, SEMANTIC)}

    report(_in_child(work))


def child_reads_held_values(bundle_dir: str) -> None:
    """Read, in the child, values that were looked up before the fork; the child's own open and close included."""
    cache = Cache.open(bundle_dir)
    held = [result for result in cache.lookup_many([EXACT, SEMANTIC]) if isinstance(result, Hit)]

    def work() -> list[str]:
        Cache.open(bundle_dir).close()
        return [hit.text for hit in held]

    report(_in_child(work))


def parent_goes_on(bundle_dir: str) -> None:
    """Look up and refresh in the parent after its child misused, closed and opened the bundle."""
    cache = Cache.open(bundle_dir)

    def work() -> None:
        cache.close()
        Cache.open(bundle_dir).close()

    child = _in_child(work)
    report({"exit": child["exit"], "answers": [_text(cache, EXACT), _text(cache, SEMANTIC)], "new": cache.refresh()})


def fork_under_threads(bundle_dir: str) -> None:
    """Fork ten times while four threads look up and two open and close; each child opens anew."""
    cache = Cache.open(bundle_dir)
    is_over, started = threading.Event(), threading.Barrier(7, timeout=30)

    def look_up() -> None:
        started.wait()
        while not is_over.is_set():
            cache.lookup_many([EXACT, SEMANTIC])

    def open_and_close() -> None:
        started.wait()
        while not is_over.is_set():
            with Cache.open(bundle_dir) as other:
                other.lookup(EXACT)

    threads = [threading.Thread(target=look_up) for _ in range(4)]
    threads += [threading.Thread(target=open_and_close) for _ in range(2)]
    for thread in threads:
        thread.start()
    started.wait()

    def work() -> list[str]:
        with Cache.open(bundle_dir) as own:
            return [_text(own, EXACT), _text(own, SEMANTIC)]

    children: list[dict[str, Any]] = []
    while len(children) < 10 and all(child["exit"] == 0 for child in children):
        children.append(_in_child(work))
    is_over.set()
    for thread in threads:
        thread.join()
    report(children)


def fork_in_eight_threads(bundle_dir: str) -> None:
    """Fork five times in each of eight threads while two more look up; each child opens anew and forks itself."""
    sys.setswitchinterval(0.00001)  # two forks meet in every run, not in one of four
    cache = Cache.open(bundle_dir)
    is_over, started = threading.Event(), threading.Barrier(10, timeout=30)

    def look_up() -> None:
        started.wait()
        while not is_over.is_set():
            cache.lookup_many([EXACT, SEMANTIC])

    def answer_anew() -> str:
        with Cache.open(bundle_dir) as own:
            return _text(own, SEMANTIC)

    def answer_and_fork() -> list[Any]:
        return [answer_anew(), _in_child(answer_anew, leave=os._exit)]

    def fork() -> list[Any]:
        started.wait()
        children: list[dict[str, Any]] = []
        while len(children) < 5 and all(child["exit"] == 0 for child in children):
            children.append(_in_child(answer_and_fork, leave=os._exit))
        return children

    with ThreadPoolExecutor(10) as threads:
        readers = [threads.submit(look_up) for _ in range(2)]
        forkers = [threads.submit(fork) for _ in range(8)]
        children = [child for task in forkers for child in task.result()]
        is_over.set()
        for reader in readers:
            reader.result()
    report(children)


def two_forks_that_meet(bundle_dir: str) -> None:
    """Let a second thread begin to fork before a first one is done; report whether lookups wait for the second too."""
    cache = Cache.open(bundle_dir)
    first_is_done = threading.Event()
    children: list[dict[str, Any]] = []
    looked_up: list[bool] = []
    reader = threading.Thread(target=lambda: cache.lookup(EXACT))

    def answer_anew() -> str:
        with Cache.open(bundle_dir) as own:
            return _text(own, EXACT)

    second = threading.Thread(target=lambda: children.append(_in_child(answer_anew, leave=os._exit)))

    def before_the_first_fork() -> None:
        second.start()
        second.join(timeout=0.5)  # it gets as far as it can: it is stopped by some lock

    def before_the_second_fork() -> None:
        first_is_done.wait(timeout=30)
        reader.start()
        reader.join(timeout=0.5)
        looked_up.append(not reader.is_alive())

    os.register_at_fork(after_in_parent=first_is_done.set)
    fork_pause.steps.extend([before_the_second_fork, before_the_first_fork])
    children.append(_in_child(answer_anew))
    second.join()
    reader.join()
    report({"children": children, "looked up just before the second fork": looked_up})


def multiprocessing_fork(bundle_dir: str) -> None:
    """Use the parent's cache in a child of multiprocessing's fork, then one of its own."""
    cache = Cache.open(bundle_dir)
    context = multiprocessing.get_context("fork")
    answers = context.SimpleQueue()

    def work() -> None:
        with Cache.open(bundle_dir) as own:
            answers.put([_error_of(lambda: cache.lookup(EXACT)), _text(own, EXACT)])

    process = context.Process(target=work)
    process.start()
    found = answers.get()
    process.join(CHILD_SECONDS)
    report({"found": found, "exit": process.exitcode})


def _spawned_answers(bundle_dir: str, questions: list[str]) -> list[str]:
    with Cache.open(bundle_dir) as cache:
        return [_text(cache, question) for question in questions]


def multiprocessing_spawn(bundle_dir: str) -> None:
    """Open the same bundle in three spawned processes while the parent has it open."""
    with Cache.open(bundle_dir) as cache:
        context = multiprocessing.get_context("spawn")
        with context.Pool(3) as pool:
            found = pool.starmap(_spawned_answers, [(bundle_dir, [EXACT, SEMANTIC])] * 6)
            pool.close()
            pool.join()
        report([*found, [_text(cache, EXACT), _text(cache, SEMANTIC)]])


def child_after_the_real_encoder(bundle_dir: str, embed_threads: str, question: str) -> None:
    """Fork a process that has the real encoder loaded; the child only lives and ends."""
    cache = Cache.open(bundle_dir, embed_threads=int(embed_threads))
    before = cache.lookup(question).hit
    child = _in_child(lambda: _error_of(lambda: cache.lookup(question)))
    report({**child, "before": before, "after": cache.lookup(question).hit})


def child_loads_the_real_encoder(bundle_dir: str, embed_threads: str, question: str) -> None:
    """Look up semantically in the child of a process that has the real encoder loaded."""
    cache = Cache.open(bundle_dir, embed_threads=int(embed_threads))
    cache.lookup_many([question, f"{question} please"])

    def work() -> list[bool]:
        with Cache.open(bundle_dir, embed_threads=int(embed_threads)) as own:
            return [result.hit for result in own.lookup_many([question, "what is the capital of France?"])]

    report(_in_child(work))
