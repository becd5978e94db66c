"""The operator's commands: one line in, one answer out. Main thread only; nothing to close."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from dataclasses import dataclass

import protocol
from lan_chat.server.invitation import Invitation
from lan_chat.server.membership import ConnectionState, Member
from lan_chat.server.rules import EVERYBODY, RuleKind, network_text, parse_network
from lan_chat.server.server import ChatServer
from lan_chat.server.words import ServerWords
from protocol import Bare, Dialect, Events, Lines, Telnet, Web

QUOTED = re.compile(r'"([^"]+)" *(.*)')
"""A name in quotes, and what follows: it is meant as it stands, also where nobody has it."""
ADDRESS_LIKE = re.compile(r"\S*:\S*|\d[\d.*/x-]*[.*/][\d.*/x-]*")
"""What was meant as an address, whether it is one or not."""

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

    def __init__(self, server: ChatServer, words: ServerWords, invitation: Invitation | None = None) -> None:
        self._server = server
        self._invitation = invitation
        """Where browsers come in; None where they do not."""
        self._room = server.room
        self._delivery = server.delivery
        self._words = words
        self._dialects: dict[type[Dialect], str] = {
            Events: words.dialect_events,
            Lines: words.dialect_lines,
            Telnet: words.dialect_telnet,
            Bare: words.dialect_bare,
            Web: words.dialect_web,
        }
        self._commands = {
            "help": Command(self._help),
            "who": Command(self._who),
            "say": Command(self._say, words.usage_say),
            "kick": Command(self._kick, words.usage_kick),
            "ban": Command(self._ban, words.usage_ban),
            "unban": Command(self._unban, words.usage_unban),
            "bans": Command(self._bans),
            "mute": Command(self._mute, words.usage_mute),
            "unmute": Command(self._unmute, words.usage_mute),
            "mutes": Command(self._mutes),
            "qr": Command(self._qr),
            "stop": Command(self._help),  # without an argument the program itself carries it out: `is_stop`
        }

    def is_stop(self, line: str) -> bool:
        """Return whether a line is the command that stops the server, which the program carries out."""
        return protocol.clean_text(line).strip().lower() == "stop"

    def answer(self, line: str) -> str:
        """Carry out a command, and return the answer for the operator."""
        word, rest = (*protocol.clean_text(line).strip().split(maxsplit=1), "", "")[:2]
        if not word:
            return self._help("")
        command = self._commands.get(word.lower())
        if command is None:
            return self._words.operator_unknown.format(word=word)
        if bool(rest) != bool(command.usage):
            return self._words.operator_usage.format(usage=f"{word.lower()} {command.usage}".strip())
        try:
            return self._server.call(lambda: command.carry_out(rest))  # in the thread that changes the room
        except Exception as error:  # a bug of ours in a command must not end the room
            log.exception(self._words.log_failure.format(thread="main"))
            return self._words.operator_failed.format(error=repr(error))

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
        dialect = words.operator_absent
        if recipient is not None and recipient.state is ConnectionState.MEMBER:
            dialect = self._dialects[recipient.kind]
        elif recipient is not None and recipient.kind is Web:
            dialect = words.web_away  # most often a phone that sleeps, and no fault
        return words.operator_member.format(
            name=member.name,
            address=recipient or "–",
            dialect=dialect,
            since=time.strftime("%H:%M:%S", time.localtime(member.joined_at)),
            said=member.said,
            rate=round(member.said / minutes),
            unsent=recipient.outbox.unsent_bytes if recipient else 0,
            muted=f"  {words.operator_is_muted}" if member.is_muted else "",
        )

    def _say(self, text: str) -> str:
        self._delivery.announce(text)
        count = len(self._room.members())
        return self._words.operator_said.format(count=count) if count else self._words.operator_said_to_nobody

    def _kick(self, rest: str) -> str:
        name, reason, _ = self._split(rest)
        member = self._room.find(name)
        if member is None:
            return self._words.operator_nobody.format(name=name)
        self._delivery.kick(member, detail=reason or None)
        return self._words.operator_kicked.format(name=member.name)

    def _ban(self, rest: str) -> str:
        what, reason, is_quoted = self._split(rest)
        network = parse_network(what)
        if network is not None:
            what = network_text(network)
        elif not self._room.knows(what) and not (is_quoted and _is_free_name(what)):
            return self._explain_nobody(what)
        if self._room.has_ban(what) and self._room.find(what) is None and not reason:
            return self._words.operator_already_banned.format(what=what)
        self._delivery.ban(what, reason or None)
        return self._words.operator_banned.format(what=what)

    def _unban(self, rest: str) -> str:
        words, what = self._words, self._name_in(rest)
        network = parse_network(what)
        if network is not None:
            what = network_text(network)
        hosts = [what] if network is not None else [rule.address for rule in self._room.bans_of(what) if rule.address]
        is_lifted = self._room.unban(what)
        still = [(host, rule.what) for host in hosts for rule in self._room.bans_of(host)]
        answers = [words.operator_still_banned.format(what=host, other=other) for host, other in still]
        if is_lifted and what not in dict(still):
            answers.insert(0, words.operator_unbanned.format(what=what))
        return "\n".join(answers) or words.operator_not_banned.format(what=what)

    def _bans(self, _: str) -> str:
        bans = [rule for rule in self._room.rules() if rule.kind is RuleKind.BAN]
        lines = ["  ".join(filter(None, (rule.what, rule.address, rule.reason))) for rule in bans]
        count = self._words.operator_bans.format(count=len(bans)) if bans else self._words.operator_no_bans
        return "\n".join([*lines, count])

    def _mute(self, rest: str) -> str:
        words, name = self._words, self._name_in(rest)
        if name == EVERYBODY:
            if self._room.is_quiet:
                return words.operator_already_quiet
            self._room.mute_all(True)
            answer = words.operator_quiet
        elif self._room.is_muted(name):
            return words.operator_already_muted.format(name=name)
        elif (found := self._room.mute(name, True)) is None:
            return words.operator_nobody.format(name=name)
        else:
            answer = words.operator_muted.format(name=found)
        self._tell_standings()
        return answer

    def _unmute(self, rest: str) -> str:
        words, name = self._words, self._name_in(rest)
        if name == EVERYBODY:
            if not self._room.is_quiet:
                return words.operator_was_not_quiet
            self._room.mute_all(False)
            muted = ", ".join(rule.what for rule in self._room.rules() if rule.kind is RuleKind.MUTE)
            answer = words.operator_not_quiet_but.format(names=muted) if muted else words.operator_not_quiet
        else:
            was_muted = self._room.is_muted(name)
            found = self._room.mute(name, False)
            if found is None:
                return words.operator_nobody.format(name=name)
            sentence = words.operator_unmuted if was_muted else words.operator_not_muted
            answer = (words.operator_still_quiet if self._room.is_quiet else sentence).format(name=found)
        self._tell_standings()
        return answer

    def _mutes(self, _: str) -> str:
        words = self._words
        muted = [rule.what for rule in self._room.rules() if rule.kind is RuleKind.MUTE]
        lines = [words.operator_everybody if what == EVERYBODY else what for what in muted]
        count = words.operator_mutes.format(count=len(muted)) if muted else words.operator_no_mutes
        return "\n".join([*lines, count])

    def _qr(self, _: str) -> str:
        return self._words.web_is_off if self._invitation is None else self._invitation.answer()

    def _tell_standings(self) -> None:
        for member in self._room.members():
            self._delivery.tell_standing(member)

    def _split(self, rest: str) -> tuple[str, str, bool]:
        """Return whom a command is about, what follows, and whether that one stands in quotes.

        A name may contain blanks: the longest beginning counts that is a member's name, or that the room knows.
        """
        words = rest.split(" ")
        beginnings = [(" ".join(words[:length]), words[length:]) for length in range(len(words), 0, -1)]
        quoted = QUOTED.fullmatch(rest)
        for is_known in (lambda name: self._room.find(name) is not None, self._room.knows):
            for name, reason in beginnings:
                if is_known(name):
                    return name, " ".join(reason).strip(), False
            if quoted is not None:
                return quoted[1].strip(), quoted[2].strip(), True
        return words[0], " ".join(words[1:]).strip(), False

    def _name_in(self, rest: str) -> str:
        """Return what a command is about that has nothing behind it: in quotes, unless those belong to a name."""
        room = self._room
        is_known = room.find(rest) is not None or room.is_muted(rest) or room.has_ban(rest)
        return rest if is_known else _unquote(rest)

    def _explain_nobody(self, what: str) -> str:
        """Return why something that is no address and nobody's name cannot be banned."""
        words = self._words
        if ADDRESS_LIKE.fullmatch(what):
            return words.operator_no_address.format(what=what)
        return (words.operator_nobody_yet if _is_free_name(what) else words.operator_no_name).format(name=what)


def _is_free_name(name: str) -> bool:
    """Return whether somebody may call themselves so."""
    return protocol.parse_name(name) is not None and protocol.name_key(name) not in protocol.RESERVED_KEYS


def _unquote(name: str) -> str:
    quoted = QUOTED.fullmatch(name)
    return quoted[1].strip() if quoted is not None and not quoted[2] else name
