"""A real Dask scheduler and real workers, each a process of its own on this machine."""

import contextlib
import json
import os
import signal
import subprocess
import sys

from distributed import Client

from tests.helpers.stand_in_simulator import wait_for


class DaskCluster:
    """A scheduler on a free loopback port and the workers that are added, which run in the checkout."""

    def __init__(self, folder, repository, **environment):
        self.folder, self.repository = folder, repository
        # No PYTHONPATH: running in the checkout must be enough.
        inherited = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        self.environment = inherited | {"OMP_NUM_THREADS": "1"} | environment
        self.processes = []
        written = folder / "scheduler.json"
        options = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(written)]
        options += ["--idle-timeout", "120"]  # [s]; if the tests are killed, it stops and so do its workers
        self.scheduler = self._start("scheduler", *options)
        wait_for(lambda: self._address_in(written), "the scheduler has started")
        self.address = self._address_in(written)

    @staticmethod
    def _address_in(path):
        try:
            return json.loads(path.read_text())["address"]
        except (FileNotFoundError, json.JSONDecodeError):
            return None

    def _start(self, what, *options, cwd=None):
        with open(self.folder / f"{what}-{len(self.processes)}.log", "w") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "dask", what, *options],
                cwd=cwd or self.repository,
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.processes.append(process)
        return process

    def add_worker(self, nanny=False, cwd=None):
        """Start a worker process; a nanny restarts it when it dies."""
        options = ["--nthreads", "1", "--no-dashboard", "--local-directory", str(self.folder)]
        return self._start("worker", self.address, *options, "--nanny" if nanny else "--no-nanny", cwd=cwd)

    def wait_for_workers(self, n):
        """Wait until `n` workers are connected, and return their process ids."""
        with self.client() as client:
            client.wait_for_workers(n, timeout=60)
            return list(client.run(os.getpid).values())

    def wait_until_idle(self):
        """Wait until all workers are idle: after a client has gone, running tasks still finish their shards."""
        with self.client() as client:
            # The scheduler cannot answer this: it forgets a cancelled task while its worker still runs it.
            def is_idle():
                return not any(client.run(lambda dask_worker: len(dask_worker.active_threads)).values())

            wait_for(is_idle, "the workers are idle", seconds=30)

    def client(self):
        return Client(self.address, timeout=20, set_as_default=False)

    def stop(self):
        """Kill all processes of the cluster."""
        for process in self.processes:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        for process in self.processes:
            process.wait()
