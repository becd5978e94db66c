"""What the operator may do to the room: one line in, one answer out. Main thread only."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import protocol
from lan_chat.server.connection import Member
from lan_chat.server.server import ChatServer
from lan_chat.server.words import ServerWords
from lan_chat.sockets import parse_address
from protocol import Reason

log = logging.getLogger(__name__)


class Operator:
    """What the person at the server's terminal may do to the room: one line in, one answer out. For main alone."""

    def __init__(self, server: ChatServer, words: ServerWords) -> None:
        self._server = server
        self._room = server.room
        self._words = words
        self._commands: dict[str, tuple[Callable[[str], str], str]] = {
            "help": (self._help, ""),
            "who": (self._who, ""),
            "say": (self._say, "TEXT"),
            "kick": (self._kick, "NAME [REASON]"),
            "ban": (self._ban, "NAME|ADDRESS"),
            "unban": (self._unban, "NAME|ADDRESS"),
            "mute": (self._mute, "NAME|*"),
            "unmute": (self._unmute, "NAME|*"),
            "stop": (self._help, ""),  # alone on its line it does not come here: `is_stop`
        }

    def is_stop(self, line: str) -> bool:
        """Tell whether a line is the one command that is for whoever runs the server to carry out."""
        return protocol.clean_text(line).strip().lower() == "stop"

    def answer(self, line: str) -> str:
        """Carry out a command, and say what came of it."""
        word, _, rest = protocol.clean_text(line).strip().partition(" ")
        if not word:
            return self._help("")
        if word.lower() not in self._commands:
            return self._words.operator_unknown.format(word=word)
        command, usage = self._commands[word.lower()]
        if bool(rest.strip()) != bool(usage):
            return self._words.operator_usage.format(usage=f"{word.lower()} {usage}".strip())
        try:
            return command(rest.strip())
        except Exception as error:  # a failure of ours in a command must not end the room
            log.exception("A failure in the operator's command")
            return repr(error)

    def _help(self, _: str) -> str:
        return self._words.operator_help

    def _who(self, _: str) -> str:
        members = self._room.members()
        count = self._words.operator_count.format(count=len(members), connections=len(self._room.connections()))
        return "\n".join([*map(self._describe, members), count])

    def _describe(self, member: Member) -> str:
        connection, words = member.connection, self._words
        minutes = max(1.0, (time.time() - member.joined_at) / 60)
        is_absent = connection is None or connection.is_dropped
        return words.operator_member.format(
            name=member.name,
            address="{}:{}".format(*connection.address) if connection else "–",
            dialect=words.operator_absent if is_absent or connection is None else connection.kind.name,
            since=time.strftime("%H:%M:%S", time.localtime(member.joined_at)),
            said=member.said,
            rate=round(member.said / minutes),
            unsent=connection.outbox.unsent_bytes if connection else 0,
            muted="  mute" if member.is_muted else "",
        )

    def _say(self, text: str) -> str:
        self._server.announce(text)
        return self._words.operator_said.format(count=len(self._room.members()))

    def _kick(self, rest: str) -> str:
        # A name may have blanks in it: the longest beginning that is somebody's name counts.
        words = rest.split(" ")
        for length in range(len(words), 0, -1):
            member = self._room.find(" ".join(words[:length]))
            if member is not None:
                self._server.kick(member, detail=" ".join(words[length:]) or None)
                return self._words.operator_kicked.format(name=member.name)
        return self._words.operator_nobody.format(name=words[0])

    def _ban(self, what: str) -> str:
        what = parse_address(what) or what
        for member_or_client in self._room.ban(what):
            self._server.kick(member_or_client, Reason.BANNED)
        log.info("%s is banned by the operator.", what)
        return self._words.operator_banned.format(what=what)

    def _unban(self, what: str) -> str:
        what, words = parse_address(what) or what, self._words
        return (words.operator_unbanned if self._room.unban(what) else words.operator_not_banned).format(what=what)

    def _mute(self, name: str) -> str:
        return self._set_muted(name, is_muted=True)

    def _unmute(self, name: str) -> str:
        return self._set_muted(name, is_muted=False)

    def _set_muted(self, name: str, is_muted: bool) -> str:
        words = self._words
        if name == "*":
            self._room.mute_all(is_muted)
            return words.operator_quiet if is_muted else words.operator_not_quiet
        found = self._room.mute(name, is_muted)
        if found is None:
            return words.operator_nobody.format(name=name)
        return (words.operator_muted if is_muted else words.operator_unmuted).format(name=found)
