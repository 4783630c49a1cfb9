"""Contacts, tracked events and audiences: the commands, events, queries and views of the contacts service."""

from typing import Any, ClassVar, Literal
from uuid import UUID

import msgspec

from libs.schemas.base import Command, Data, Event, Instant, Page, Query, View

UnsubscribeReason = Literal["api", "link", "bounce", "complaint", "snooze"]


# --- commands --------------------------------------------------------------------------------------------------------


class ContactsCommand(Command, frozen=True, kw_only=True):
    service: ClassVar[str] = "contacts"


class SaveContact(ContactsCommand, tag="save-contact", frozen=True, kw_only=True):
    """Create the contact with this address, or merge into the one that has it. Reply: `SavedContact`.

    `contact_id` is used only if the contact is new, `default_subscribed` only if in addition `subscribed` is absent.
    With `only_new`, an address that a contact already has is rejected.
    """

    contact_id: UUID
    email: str
    data: Data = {}
    subscribed: bool | None = None
    default_subscribed: bool = True
    only_new: bool = False


class UpdateContact(ContactsCommand, tag="update-contact", frozen=True, kw_only=True):
    """Change the given fields. `data` null clears all data. Reply: `ContactView`."""

    contact_id: UUID
    email: str | None = None
    data: Data | msgspec.UnsetType | None = msgspec.UNSET
    subscribed: bool | None = None


class TrackEvent(ContactsCommand, tag="track-event", frozen=True, kw_only=True):
    """Track an event of a contact, which is created if the address is new. Reply: `TrackedEvent`.

    Without `trusted`, as with a public key, the event only adds to a contact that exists: values for keys of data that
    it does not have, if they are among `writable_fields` or that is empty. Its subscription stays as it is.
    """

    contact_id: UUID
    event_id: UUID
    email: str
    event: str
    data: Data = {}
    subscribed: bool | None = None
    trusted: bool = True
    writable_fields: list[str] = []


class SubscribeContact(ContactsCommand, tag="subscribe-contact", frozen=True, kw_only=True):
    """Subscribe the contact. Reply: `ContactView`."""

    contact_id: UUID


class UnsubscribeContact(ContactsCommand, tag="unsubscribe-contact", frozen=True, kw_only=True):
    """Unsubscribe the contact, only `until` then if that is given. Reply: `ContactView`.

    `email_id` is the mail that led to it, if any.
    """

    contact_id: UUID
    reason: UnsubscribeReason
    email_id: UUID | None = None
    until: Instant | None = None


class AskForConfirmation(ContactsCommand, tag="ask-for-confirmation", frozen=True, kw_only=True):
    """Record that an unsubscribed contact is asked to confirm a subscription. Reply: `ContactView`.

    A contact can be asked once an hour and five times a day, so a sign-up form cannot fill anyone's mailbox.
    """

    contact_id: UUID


class DeleteContact(ContactsCommand, tag="delete-contact", frozen=True, kw_only=True):
    """Erase the contact permanently: see `ContactDeleted`. Reply: `DeletedContact`."""

    contact_id: UUID


# --- conditions ------------------------------------------------------------------------------------------------------


class Filter(View, frozen=True, kw_only=True):
    """A test of one field, such as `data.plan equals "pro"`."""

    field: str
    operator: str
    value: Any = None
    unit: Literal["months", "weeks", "days", "hours", "minutes"] | None = None


class Group(View, frozen=True, kw_only=True):
    """Filters that must all hold, together with the nested condition."""

    filters: list[Filter] = []
    conditions: "Condition | None" = None


class Condition(View, frozen=True, kw_only=True):
    """Groups joined by AND or OR: at least one, and none of them empty."""

    logic: Literal["AND", "OR"]
    groups: list[Group]


# --- events ----------------------------------------------------------------------------------------------------------


class ContactEvent(Event, frozen=True, kw_only=True):
    """An event of a contact. Created and updated carry the whole state after the change, so readers that receive them
    out of order can keep the one with the highest version."""

    service: ClassVar[str] = "contacts"
    stream: ClassVar[str] = "contact-{contact_id}"
    personal: ClassVar[tuple[str, ...]] = ("email",)
    contact_id: UUID
    email: str


class ContactCreated(ContactEvent, tag="contact.created", frozen=True, kw_only=True):
    """`untrusted` names the keys of `data` whose values came from a public key: anybody may have written them."""

    personal: ClassVar[tuple[str, ...]] = ("email", "data", "untrusted")
    subscribed: bool
    data: Data
    untrusted: list[str] = []


class ContactUpdated(ContactEvent, tag="contact.updated", frozen=True, kw_only=True):
    """`email`, `data` and `untrusted` (see `ContactCreated`) are the values after the change."""

    personal: ClassVar[tuple[str, ...]] = ("email", "data", "untrusted")
    data: Data
    untrusted: list[str] = []


class ContactSubscribed(ContactEvent, tag="contact.subscribed", frozen=True, kw_only=True):
    pass


class ContactUnsubscribed(ContactEvent, tag="contact.unsubscribed", frozen=True, kw_only=True):
    """A contact that paused its mails (`snooze`) is unsubscribed like any other, and is subscribed again at `until`.

    Another of these events for the same contact changes the pause or makes it permanent.
    """

    reason: UnsubscribeReason
    email_id: UUID | None = None
    until: Instant | None = None


class ContactDeleted(Event, tag="contact.deleted", frozen=True, kw_only=True):
    """The last event of its stream. Every service erases the personal data of the contact wherever it was copied to;
    events without personal data stay, and so do their counts."""

    service: ClassVar[str] = "contacts"
    stream: ClassVar[str] = "contact-{contact_id}"
    forgets: ClassVar[bool] = True
    contact_id: UUID


class ConfirmationAsked(Event, tag="contact.confirmation_asked", frozen=True, kw_only=True):
    """A contact is asked by mail to confirm its subscription. If it does, `contact.subscribed` follows."""

    service: ClassVar[str] = "contacts"
    stream: ClassVar[str] = "confirmation-{contact_id}"
    contact_id: UUID


class EventTracked(Event, tag="event.tracked", frozen=True, kw_only=True):
    """Each tracked event is a stream of its own, so tracking never contends on the contact. `data` is the caller's.

    An event that is not `trusted` came from a public key: anybody may have written it.
    """

    service: ClassVar[str] = "contacts"
    stream: ClassVar[str] = "event-{event_id}"
    personal: ClassVar[tuple[str, ...]] = ("email", "data")
    event_id: UUID
    contact_id: UUID
    email: str
    name: str
    data: Data
    trusted: bool = True


class AudienceMember(View, frozen=True, kw_only=True, omit_defaults=True):
    """`variant` is the contact's in the campaign's A/B test; null for contacts that are not in a test."""

    contact_id: UUID
    email: str
    variant: str | None = None


class AudienceEvent(Event, frozen=True, kw_only=True):
    """An event of resolving a campaign's audience: one stream per campaign."""

    service: ClassVar[str] = "contacts"
    stream: ClassVar[str] = "audience-{campaign_id}"
    campaign_id: UUID


class AudienceStarted(AudienceEvent, tag="audience.started", frozen=True, kw_only=True):
    """The first event of its stream: an audience is resolved once, however often its campaign announces sending."""


class AudiencePageResolved(AudienceEvent, tag="audience.page_resolved", frozen=True, kw_only=True):
    """Up to 1,000 recipients of the campaign in the order of their ids; `page` counts from 1."""

    personal: ClassVar[tuple[str, ...]] = ("email",)
    personal_list: ClassVar[str] = "members"
    page: int
    members: list[AudienceMember]


class AudienceResolved(AudienceEvent, tag="audience.resolved", frozen=True, kw_only=True):
    """All pages are published. `total` is the number of contacts on them."""

    pages: int
    total: int


# --- queries and views -----------------------------------------------------------------------------------------------


class ContactsQuery(Query, frozen=True, kw_only=True):
    service: ClassVar[str] = "contacts"


class GetContact(ContactsQuery, tag="get-contact", frozen=True, kw_only=True):
    """Reply: `ContactView`."""

    contact_id: UUID


class ListContacts(ContactsQuery, tag="list-contacts", frozen=True, kw_only=True):
    """List contacts, newest first. Reply: `ContactPage`, shorter than `limit` if the contacts have much data."""

    limit: int = 20
    cursor: str | None = None
    search: str | None = None


class GetContactAt(ContactsQuery, tag="get-contact-at", frozen=True, kw_only=True):
    """Get the contact as it was at an instant (ISO 8601; UTC without an offset). Reply: `ContactView`."""

    contact_id: UUID
    at: str


class GetContactHistory(ContactsQuery, tag="get-contact-history", frozen=True, kw_only=True):
    """List the events of the contact, newest first. Reply: `HistoryPage`."""

    contact_id: UUID
    limit: int = 20
    cursor: str | None = None


class FindContact(ContactsQuery, tag="find-contact", frozen=True, kw_only=True):
    """Find a contact by its address in any spelling. Reply: `ContactView`."""

    email: str


class LookupContacts(ContactsQuery, tag="lookup-contacts", frozen=True, kw_only=True):
    """Find out which of up to 500 addresses belong to contacts. Reply: `ContactLookup`."""

    emails: list[str]


class FindUnchangedContacts(ContactsQuery, tag="find-known", frozen=True, kw_only=True):
    """Find the contacts that these commands would not change.

    Reply: a list in the order of the commands, of `UnchangedContact`, or null for a command that would change a contact
    or be rejected, or whose address no contact has.
    """

    contacts: list[SaveContact]


class CountContacts(ContactsQuery, tag="count-contacts", frozen=True, kw_only=True):
    """Reply: `ContactCount`."""


class MatchContact(ContactsQuery, tag="match-contact", frozen=True, kw_only=True):
    """Test whether the condition currently holds for the contact. Reply: `Match`."""

    contact_id: UUID
    condition: Condition


class CheckCondition(ContactsQuery, tag="check-condition", frozen=True, kw_only=True):
    """Count the contacts that match the condition, or reject it with the path of the error. Reply: `AudienceSize`."""

    condition: Condition
    subscribed_only: bool = True


class ContactView(View, frozen=True, kw_only=True):
    id: UUID
    email: str
    subscribed: bool
    data: Data
    created_at: Instant
    updated_at: Instant
    snoozed_until: Instant | msgspec.UnsetType = msgspec.UNSET
    """Set only if the contact has paused its mails."""


class UnchangedContact(View, frozen=True, kw_only=True):
    """The part of a contact that a mail to it needs."""

    id: UUID
    email: str
    subscribed: bool


class SavedMeta(View, frozen=True, kw_only=True):
    is_new: bool
    is_update: bool


class SavedContact(ContactView, frozen=True, kw_only=True):
    """The contact, with `_meta` saying whether it was new."""

    meta: SavedMeta = msgspec.field(name="_meta")


class HistoryEntry(View, frozen=True, kw_only=True):
    """An event of the contact's stream: `data` is the event itself, `actor` who caused it. Personal values are blank
    once the contact is deleted."""

    id: UUID
    type_: str = msgspec.field(name="type")
    version: int
    at: Instant
    actor: str
    data: Data


class HistoryPage(Page, frozen=True, kw_only=True):
    """`total` is the number of all events."""

    data: list[HistoryEntry]


class DeletedContact(View, frozen=True, kw_only=True):
    id: UUID


class ContactLookup(View, frozen=True, kw_only=True):
    """The addresses in the caller's spelling and order."""

    found: list[str]
    not_found: list[str]


class ContactCount(View, frozen=True, kw_only=True):
    count: int


class TrackedEvent(View, frozen=True, kw_only=True):
    """The ids of the contact and of the tracked event, and the time it was recorded."""

    contact: UUID
    event: UUID
    timestamp: Instant


class ContactPage(Page, frozen=True, kw_only=True):
    data: list[ContactView]


class Match(View, frozen=True, kw_only=True):
    matches: bool


class AudienceSize(View, frozen=True, kw_only=True):
    count: int
