"""The operator's commands: one line in, one answer out. Main thread only; nothing to close."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

import protocol
from lan_chat.server.membership import ConnectionState, Member
from lan_chat.server.server import ChatServer
from lan_chat.server.words import ServerWords
from lan_chat.sockets import parse_address

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Command:
    """One command of the operator."""

    carry_out: Callable[[str], str]
    """Does it with its arguments, and returns the answer. Delivery thread only."""
    usage: str = ""
    """Its arguments, as the operator is shown them; empty where it takes none."""


class Operator:
    """Carries out the commands that the operator types at the server's terminal. Main thread only."""

    def __init__(self, server: ChatServer, words: ServerWords) -> None:
        self._server = server
        self._room = server.room
        self._delivery = server.delivery
        self._words = words
        self._commands = {
            "help": Command(self._help),
            "who": Command(self._who),
            "say": Command(self._say, words.usage_say),
            "kick": Command(self._kick, words.usage_kick),
            "ban": Command(self._ban, words.usage_ban),
            "unban": Command(self._unban, words.usage_ban),
            "mute": Command(self._mute, words.usage_mute),
            "unmute": Command(self._unmute, words.usage_mute),
            "stop": Command(self._help),  # without an argument the program itself carries it out: `is_stop`
        }

    def is_stop(self, line: str) -> bool:
        """Return whether a line is the command that stops the server, which the program carries out."""
        return protocol.clean_text(line).strip().lower() == "stop"

    def answer(self, line: str) -> str:
        """Carry out a command, and return the answer for the operator."""
        word, _, rest = protocol.clean_text(line).strip().partition(" ")
        if not word:
            return self._help("")
        command = self._commands.get(word.lower())
        if command is None:
            return self._words.operator_unknown.format(word=word)
        if bool(rest.strip()) != bool(command.usage):
            return self._words.operator_usage.format(usage=f"{word.lower()} {command.usage}".strip())
        try:
            return self._server.call(lambda: command.carry_out(rest.strip()))  # in the thread that changes the room
        except Exception as error:  # a bug of ours in a command must not end the room
            log.exception("A failure in the operator's command")
            return repr(error)

    def _help(self, _: str) -> str:
        commands = (f"{name} {command.usage}".strip() for name, command in self._commands.items())
        return self._words.operator_help.format(commands=" · ".join(commands))

    def _who(self, _: str) -> str:
        members = sorted(self._room.members(), key=lambda member: protocol.name_key(member.name))
        count = self._words.operator_count.format(count=len(members), connections=len(self._room.connections()))
        return "\n".join([*map(self._describe, members), count])

    def _describe(self, member: Member) -> str:
        recipient, words = member.recipient, self._words
        minutes = max(1.0, (time.time() - member.joined_at) / 60)
        is_linked = recipient is not None and recipient.state is ConnectionState.MEMBER
        return words.operator_member.format(
            name=member.name,
            address=recipient or "–",
            dialect=recipient.kind.name if recipient is not None and is_linked else words.operator_absent,
            since=time.strftime("%H:%M:%S", time.localtime(member.joined_at)),
            said=member.said,
            rate=round(member.said / minutes),
            unsent=recipient.outbox.unsent_bytes if recipient else 0,
            muted=f"  {words.operator_is_muted}" if member.is_muted else "",
        )

    def _say(self, text: str) -> str:
        self._delivery.announce(text)
        return self._words.operator_said.format(count=len(self._room.members()))

    def _kick(self, rest: str) -> str:
        # A name may contain blanks: the longest beginning that is a member's name counts.
        words = rest.split(" ")
        for length in range(len(words), 0, -1):
            member = self._room.find(" ".join(words[:length]))
            if member is not None:
                self._delivery.kick(member, detail=" ".join(words[length:]) or None)
                return self._words.operator_kicked.format(name=member.name)
        return self._words.operator_nobody.format(name=words[0])

    def _ban(self, what: str) -> str:
        what = parse_address(what) or what
        self._delivery.ban(what)
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
