"""Contacts, tracked events and audiences: what the contacts service accepts, says and answers."""

from typing import Any, ClassVar, Literal
from uuid import UUID

import msgspec

from libs.schemas.base import Command, Data, Event, Instant, Page, Query, View

UnsubscribeReason = Literal["api", "link", "bounce", "complaint", "snooze"]


# --- commands --------------------------------------------------------------------------------------------------------


class ContactsCommand(Command, frozen=True, kw_only=True):
    service: ClassVar[str] = "contacts"


class SaveContact(ContactsCommand, tag="save-contact", frozen=True, kw_only=True):
    """Create the contact with this address, or merge into the one that has it. Answers `SavedContact`.

    `contact_id` is used only if the contact is new; `default_subscribed` only then and if `subscribed` is absent.
    `only_new` refuses an address that a contact has.
    """

    contact_id: UUID
    email: str
    data: Data = {}
    subscribed: bool | None = None
    default_subscribed: bool = True
    only_new: bool = False


class UpdateContact(ContactsCommand, tag="update-contact", frozen=True, kw_only=True):
    """Change the fields that are given. `data` null clears all data. Answers `ContactView`."""

    contact_id: UUID
    email: str | None = None
    data: Data | msgspec.UnsetType | None = msgspec.UNSET
    subscribed: bool | None = None


class TrackEvent(ContactsCommand, tag="track-event", frozen=True, kw_only=True):
    """Record that something happened to a contact, which is created if the address is new. Answers `TrackedEvent`."""

    contact_id: UUID
    event_id: UUID
    email: str
    event: str
    data: Data = {}
    subscribed: bool | None = None


class SubscribeContact(ContactsCommand, tag="subscribe-contact", frozen=True, kw_only=True):
    """Answers `ContactView`."""

    contact_id: UUID


class UnsubscribeContact(ContactsCommand, tag="unsubscribe-contact", frozen=True, kw_only=True):
    """`email_id` names the mail that led there, if one did; `until` ends it by itself. Answers `ContactView`."""

    contact_id: UUID
    reason: UnsubscribeReason
    email_id: UUID | None = None
    until: Instant | None = None


class AskForConfirmation(ContactsCommand, tag="ask-for-confirmation", frozen=True, kw_only=True):
    """Note that a contact who is not subscribed is asked whether it wants to be. It can be asked once an hour and five
    times a day, so that nobody's mailbox is filled by a form. Answers `ContactView`."""

    contact_id: UUID


class DeleteContact(ContactsCommand, tag="delete-contact", frozen=True, kw_only=True):
    """Erase the contact for good: see `ContactDeleted`. Answers `DeletedContact`."""

    contact_id: UUID


# --- conditions ------------------------------------------------------------------------------------------------------


class Filter(View, frozen=True, kw_only=True):
    """One test of one field, such as `data.plan equals "pro"`."""

    field: str
    operator: str
    value: Any = None
    unit: Literal["days", "hours", "minutes"] | None = None


class Group(View, frozen=True, kw_only=True):
    """Filters that must all hold, and the nested condition with them."""

    filters: list[Filter] = []
    conditions: "Condition | None" = None


class Condition(View, frozen=True, kw_only=True):
    """Groups joined by AND or OR. At least one group, and no group empty."""

    logic: Literal["AND", "OR"]
    groups: list[Group]


# --- events ----------------------------------------------------------------------------------------------------------


class ContactEvent(Event, frozen=True, kw_only=True):
    """A fact about a contact. Created and updated carry the whole state after the change, so that a reader that sees
    them out of order can keep the one with the highest version."""

    service: ClassVar[str] = "contacts"
    stream: ClassVar[str] = "contact-{contact_id}"
    personal: ClassVar[tuple[str, ...]] = ("email",)
    contact_id: UUID
    email: str


class ContactCreated(ContactEvent, tag="contact.created", frozen=True, kw_only=True):
    personal: ClassVar[tuple[str, ...]] = ("email", "data")
    subscribed: bool
    data: Data


class ContactUpdated(ContactEvent, tag="contact.updated", frozen=True, kw_only=True):
    """`email` and `data` are the values after the change."""

    personal: ClassVar[tuple[str, ...]] = ("email", "data")
    data: Data


class ContactSubscribed(ContactEvent, tag="contact.subscribed", frozen=True, kw_only=True):
    pass


class ContactUnsubscribed(ContactEvent, tag="contact.unsubscribed", frozen=True, kw_only=True):
    """A contact that paused its mails (`snooze`) is unsubscribed like any other `until` then, and is subscribed again
    by itself. Another of these for the same contact changes the pause, or makes it for good."""

    reason: UnsubscribeReason
    email_id: UUID | None = None
    until: Instant | None = None


class ContactDeleted(Event, tag="contact.deleted", frozen=True, kw_only=True):
    """The last of its stream. Everything personal about the contact is to be erased wherever it was copied to; facts
    without it stay, and so do counts of them."""

    service: ClassVar[str] = "contacts"
    stream: ClassVar[str] = "contact-{contact_id}"
    forgets: ClassVar[bool] = True
    contact_id: UUID


class ConfirmationAsked(Event, tag="contact.confirmation_asked", frozen=True, kw_only=True):
    """A contact is asked by mail to confirm that it wants to be subscribed. Its yes is `contact.subscribed`."""

    service: ClassVar[str] = "contacts"
    stream: ClassVar[str] = "confirmation-{contact_id}"
    contact_id: UUID


class EventTracked(Event, tag="event.tracked", frozen=True, kw_only=True):
    """A stream of its own, so tracking never contends on the contact. `data` is what the caller sent."""

    service: ClassVar[str] = "contacts"
    stream: ClassVar[str] = "event-{event_id}"
    personal: ClassVar[tuple[str, ...]] = ("email", "data")
    event_id: UUID
    contact_id: UUID
    email: str
    name: str
    data: Data


class AudienceMember(View, frozen=True, kw_only=True, omit_defaults=True):
    """`variant` is the one of the campaign's A/B test that the contact tries; null for all who are in none."""

    contact_id: UUID
    email: str
    variant: str | None = None


class AudienceEvent(Event, frozen=True, kw_only=True):
    """The resolving of a campaign's audience, one stream a campaign."""

    service: ClassVar[str] = "contacts"
    stream: ClassVar[str] = "audience-{campaign_id}"
    campaign_id: UUID


class AudienceStarted(AudienceEvent, tag="audience.started", frozen=True, kw_only=True):
    """The first of its stream: an audience is resolved once, however often its campaign says that it is sending."""


class AudiencePageResolved(AudienceEvent, tag="audience.page_resolved", frozen=True, kw_only=True):
    """Up to 1,000 contacts that the campaign goes to, in order of their ids; `page` counts from 1."""

    personal: ClassVar[tuple[str, ...]] = ("email",)
    personal_list: ClassVar[str] = "members"
    page: int
    members: list[AudienceMember]


class AudienceResolved(AudienceEvent, tag="audience.resolved", frozen=True, kw_only=True):
    """Every page is out. `total` is the number of contacts on all of them."""

    pages: int
    total: int


# --- queries and answers ---------------------------------------------------------------------------------------------


class ContactsQuery(Query, frozen=True, kw_only=True):
    service: ClassVar[str] = "contacts"


class GetContact(ContactsQuery, tag="get-contact", frozen=True, kw_only=True):
    """Answers `ContactView`."""

    contact_id: UUID


class ListContacts(ContactsQuery, tag="list-contacts", frozen=True, kw_only=True):
    """Newest first. Answers `ContactPage`, which is shorter than `limit` where its contacts have much data."""

    limit: int = 20
    cursor: str | None = None
    search: str | None = None


class GetContactAt(ContactsQuery, tag="get-contact-at", frozen=True, kw_only=True):
    """The contact as it was at an instant (ISO 8601; UTC where no offset is given). Answers `ContactView`."""

    contact_id: UUID
    at: str


class GetContactHistory(ContactsQuery, tag="get-contact-history", frozen=True, kw_only=True):
    """What made the contact what it is, newest first. Answers `HistoryPage`."""

    contact_id: UUID
    limit: int = 20
    cursor: str | None = None


class FindContact(ContactsQuery, tag="find-contact", frozen=True, kw_only=True):
    """By address, however it is spelled. Answers `ContactView`."""

    email: str


class LookupContacts(ContactsQuery, tag="lookup-contacts", frozen=True, kw_only=True):
    """Which of up to 500 addresses are contacts. Answers `ContactLookup`."""

    emails: list[str]


class FindUnchangedContacts(ContactsQuery, tag="find-known", frozen=True, kw_only=True):
    """Whom saving these contacts would leave as they are. Answers a list in the same order: `KnownContact`, or null
    where there is something to save or to refuse, or nobody has the address."""

    contacts: list[SaveContact]


class CountContacts(ContactsQuery, tag="count-contacts", frozen=True, kw_only=True):
    """Answers `ContactCount`."""


class MatchContact(ContactsQuery, tag="match-contact", frozen=True, kw_only=True):
    """Does the condition hold for this contact now? Answers `Match`."""

    contact_id: UUID
    condition: Condition


class CheckCondition(ContactsQuery, tag="check-condition", frozen=True, kw_only=True):
    """Refuses a condition that no segment could have, with the path of the error; else answers `AudienceSize`."""

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
    """Only where the contact has paused its mails."""


class UnchangedContact(View, frozen=True, kw_only=True):
    """As much of a contact as a mail to it needs."""

    id: UUID
    email: str
    subscribed: bool


class SavedMeta(View, frozen=True, kw_only=True):
    is_new: bool
    is_update: bool


class SavedContact(ContactView, frozen=True, kw_only=True):
    """The contact, and whether it was new, under `_meta`."""

    meta: SavedMeta = msgspec.field(name="_meta")


class HistoryEntry(View, frozen=True, kw_only=True):
    """One event of the contact's stream: `data` is the event itself, `actor` who caused it. What is personal is blank
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
    """The addresses as the caller spelled and ordered them."""

    found: list[str]
    not_found: list[str]


class ContactCount(View, frozen=True, kw_only=True):
    count: int


class TrackedEvent(View, frozen=True, kw_only=True):
    """The ids of the contact and of this occurrence, and when it was recorded."""

    contact: UUID
    event: UUID
    timestamp: Instant


class ContactPage(Page, frozen=True, kw_only=True):
    data: list[ContactView]


class Match(View, frozen=True, kw_only=True):
    matches: bool


class AudienceSize(View, frozen=True, kw_only=True):
    count: int
