"""A real IMAP server for tests: Debian's Dovecot with a configuration of its own, in a temporary directory."""

from __future__ import annotations

import getpass
import grp
import imaplib
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from patience import LIMIT

from touchpoint.embedded.broker import free_port

DOVECOT = "/usr/sbin/dovecot"
PASSWORD = "secret-of-tests"

CONFIGURATION = """
protocols = imap
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
mail_location = maildir:{folder}/mail/%u
disable_plaintext_auth = no
ssl = {ssl}
{certificate}
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
auth_mechanisms = plain login {mechanisms}
first_valid_uid = 1
{tokens}
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={user} gid={group} home={folder}/home/%u
}}
auth_failure_delay = 0
service anvil {{
  chroot =
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service stats {{
  chroot =
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    address = 127.0.0.1
    port = {port}
  }}
  inet_listener imaps {{
    address = 127.0.0.1
    port = {tls_port}
  }}
}}
"""


TOKENS = """
passdb {{
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = {folder}/oauth2.conf
}}
"""
INTROSPECTION = """
introspection_mode = post
introspection_url = {url}
username_attribute = username
active_attribute = active
active_value = true
"""


class DovecotMissingError(Exception):
    """Debian's package dovecot-imapd is not installed."""


class Dovecot:
    """The server; any user's password is PASSWORD.

    `certificate`: files of a certificate and its key. `introspection`: where tokens are looked up (RFC 7662), and the
    mechanisms that take them.
    """

    def __init__(
        self, certificate: tuple[Path, Path] | None = None, introspection: tuple[str, str] | None = None
    ) -> None:
        if shutil.which(DOVECOT) is None:
            raise DovecotMissingError("Dovecot is not installed: apt-get install dovecot-imapd")
        self.port, self.tls_port = free_port(), free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="touchpoint-imap-"))
        root = os.geteuid() == 0
        user = "nobody" if root else getpass.getuser()  # Dovecot gives root no mail
        entry = pwd.getpwnam(user)
        group = grp.getgrgid(entry.pw_gid).gr_name
        self._certificate = ""
        if certificate is not None:
            self._certificate = f"ssl_cert = <{certificate[0]}\nssl_key = <{certificate[1]}"
        configuration = CONFIGURATION.format(
            folder=self.folder, user=user, group=group, password=PASSWORD, port=self.port, tls_port=self.tls_port,
            ssl="yes" if certificate else "no", certificate=self._certificate,
            mechanisms=introspection[1] if introspection else "",
            tokens=TOKENS.format(folder=self.folder) if introspection else "",
        )  # fmt: skip
        if introspection is not None:
            (self.folder / "oauth2.conf").write_text(INTROSPECTION.format(url=introspection[0]))
        (self.folder / "dovecot.conf").write_text(configuration)
        for name in ("mail", "home"):
            (self.folder / name).mkdir()
            if root:
                os.chown(self.folder / name, entry.pw_uid, entry.pw_gid)
        self.folder.chmod(0o755)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start, and wait until it answers."""
        self._process = subprocess.Popen([DOVECOT, "-F", "-c", str(self.folder / "dovecot.conf")])
        deadline = time.monotonic() + LIMIT
        while True:
            try:
                imaplib.IMAP4("127.0.0.1", self.port, timeout=5).logout()
            except (OSError, imaplib.IMAP4.error):
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"Dovecot did not start: {self.log()}") from None
                time.sleep(0.05)
            else:
                return

    def stop(self) -> None:
        """End it; `start` finds its mail again."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(LIMIT)
            self._process = None

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def log(self) -> str:
        path = self.folder / "log"
        return path.read_text() if path.exists() else ""

    def client(self, user: str) -> imaplib.IMAP4:
        """Logged in, for what a mail server or a person does."""
        client = imaplib.IMAP4("127.0.0.1", self.port, timeout=20)
        client.login(user, PASSWORD)
        return client
