"""Names by which an interaction knows its things: media items, activities, mails, threads, correlationids, addresses.

They share one namespace. A media item's name is its id; all others have a prefix. So that no producer can give an item
the name of something else, the id of an item that begins with such a prefix is marked with a NUL character, which no
text of an event has (the decoder refuses it). All other ids are as release 0.1.0 remembers them in its state.
"""

from __future__ import annotations

_ACTIVITY, _MAIL, _THREAD, _CORRELATION, _ADDRESS = "activity:", "mail:", "thread:", "corr:", "address:"
_PREFIXES = (_ACTIVITY, _MAIL, _THREAD, _CORRELATION, _ADDRESS)
_MARK = "\0"
_OTHERS = (_MARK, *_PREFIXES)


def item_name(item: str) -> str:
    """The name of a media item."""
    return _MARK + item if item.startswith(_PREFIXES) else item


def activity_name(activity: str) -> str:
    return _ACTIVITY + activity


def mail_name(message_id: str) -> str:
    """The name of an email by its Message-ID."""
    return _MAIL + message_id


def thread_name(thread: str) -> str:
    return _THREAD + thread


def correlation_name(correlation: str) -> str:
    return _CORRELATION + correlation


def address_name(digest: str) -> str:
    return _ADDRESS + digest


def item_of(name: str) -> str | None:
    """The id of the media item that has a name; None: it is the name of something else."""
    if not name.startswith(_OTHERS):
        return name
    return name[1:] if name.startswith(_MARK) else None


def activity_of(name: str) -> str | None:
    """The id of the activity that has a name; None: it is the name of something else."""
    return name.removeprefix(_ACTIVITY) if name.startswith(_ACTIVITY) else None


def correlation_of(name: str) -> str | None:
    """The correlationid that has a name; None: it is the name of something else."""
    return name.removeprefix(_CORRELATION) if name.startswith(_CORRELATION) else None


def is_mail(name: str) -> bool:
    return name.startswith(_MAIL)


def is_shared(name: str) -> bool:
    """Whether several things may have the name: a mail's or a thread's."""
    return name.startswith((_THREAD, _MAIL))
