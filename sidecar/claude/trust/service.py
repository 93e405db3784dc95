"""Implements `Trust`."""

from pathlib import Path

from sidecar_protocol.claude.trust import FolderTrust, Trust, TrustedFolders, TrustRemoved
from sidecar_protocol.errors import InvalidParams
from sidecar_protocol.scalars import FolderPath

from sidecar.claude.process.pool import ProcessPool
from sidecar.claude.trust.gate import Gate


class TrustService(Trust):
    """Implements `Trust`."""

    def __init__(self, gate: Gate, pool: ProcessPool) -> None:
        self._gate = gate
        self._pool = pool

    async def check(self, *, cwd: FolderPath | None = None) -> FolderTrust:
        return await self._gate.look(self._gate.home if cwd is None else Path(cwd))

    async def add(self, *, cwd: FolderPath) -> FolderTrust:
        if not await self._gate.is_folder(Path(cwd)):
            raise InvalidParams(details=[{"path": "cwd", "message": "is not the absolute path of a folder"}])
        await self._gate.trust(Path(cwd))
        return await self._gate.look(Path(cwd))

    async def list(self) -> TrustedFolders:
        return TrustedFolders(folders=self._gate.store.all())

    async def remove(self, *, folder: FolderPath) -> TrustRemoved:
        removed = self._gate.store.remove(folder)
        if removed:
            self._pool.drop_all()
        return TrustRemoved(folder=folder, removed=removed)
