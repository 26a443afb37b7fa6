"""ServerWatch: one list of servers per provider and interval serves every launch and delete."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from nodepool.core import events
from nodepool.drivers.provider import Provider
from nodepool.errors import ProviderError
from zuul.lib import clock
from zuul.lib.workers import Loop

log = logging.getLogger("nodepool.ServerWatch")

#: seconds between two lists of servers while something waits for them; between two of images and
#: limits, and of servers too, while nothing does
SERVERS_EVERY, REST_EVERY = 2.0, 60.0
#: of the calls that `rate` allows, lists take one in so many: the others fill the quota
SHARE_OF_CALLS = 10.0
#: so long after a snapshot or an image's delete images are listed as often as servers
IMAGES_BUSY = 60.0
#: so long after one was made floating IPs are listed, whether a list shows one of ours or not
ADDRESSES_BUSY = 600.0
Inbox = Callable[[events.Event], None]


class ServerWatch:
    """Lists what one provider has, on a thread of its own, and tells all of it."""

    def __init__(
        self,
        name: str,
        provider: Provider,
        inbox: Inbox,
        *,
        has_floating_ips: bool = False,
        every: float = SERVERS_EVERY,
        rest_every: float = REST_EVERY,
    ) -> None:
        self._name = name
        self._provider = provider
        self._inbox = inbox
        self.has_floating_ips = has_floating_ips
        self._every = every
        self._rest_every = rest_every
        self._rest_at = 0.0
        self._images_until = 0.0
        self._addresses_until = 0.0
        #: the cloud is known to keep the description of a floating IP
        self.sees_marks = False
        #: the last list of floating IPs had some of ours; not known before the first one
        self._has_addresses = True
        #: whether something waits for servers, for images
        self._awaited = (True, False)
        self._changed = threading.Event()
        self._failed = False
        self._loop = Loop(f"watch-{name}", self._turn)

    def start(self) -> None:
        self._loop.start()

    def stop(self, timeout_seconds: float = 10.0) -> bool:
        ended = self._loop.stop(0.0)
        self._changed.set()
        return ended or self._loop.stop(timeout_seconds)

    def expect(self, servers: bool, images: bool) -> None:
        """Whether something waits for the news of servers, of images; true until it is told."""
        if self._awaited != (servers, images):
            self._awaited = (servers, images)
            self._changed.set()

    def expect_images(self) -> None:
        """A snapshot was asked for, or an image's delete."""
        self._images_until = clock.now() + IMAGES_BUSY

    def expect_addresses(self) -> None:
        """A floating IP was asked for, or is to be found in a list."""
        self._has_addresses = True
        self._addresses_until = clock.now() + ADDRESSES_BUSY

    def _turn(self, stopping: threading.Event) -> None:
        try:
            self.look()
        except ProviderError as error:
            if not stopping.is_set():
                said = log.debug if self._failed else log.warning
                said("Provider %s cannot be listed: %s", self._name, error)
            self._failed = True
        else:
            if self._failed:
                log.info("Provider %s can be listed again", self._name)
            self._failed = False
        self._rest(stopping)

    def _rest(self, stopping: threading.Event) -> None:
        began = time.monotonic()
        while not stopping.is_set():
            every = self._every if any(self._awaited) else self._rest_every
            wait = began + every - time.monotonic()
            if wait <= 0:
                return
            if self._changed.wait(wait):
                self._changed.clear()

    def look(self) -> None:
        """One list of servers, and of the rest what is due. Raises ProviderError."""
        asked_at = clock.now()
        servers = self._provider.list_servers()
        self._inbox(events.ServersListed(self._name, servers, asked_at))
        rest_is_due = asked_at >= self._rest_at
        if rest_is_due or self._awaited[1] or asked_at < self._images_until:
            self._list_images()
        if rest_is_due:
            self._rest_at = asked_at + self._rest_every
            self.read_limits()
            if self.has_floating_ips:
                self._list_addresses()
            elif self._has_addresses or asked_at < self._addresses_until:
                self._look_for_addresses()

    def _list_images(self) -> None:
        asked_at = clock.now()
        images = self._provider.list_images()
        if any(image.owner is not None and image.status == "SAVING" for image in images):
            self.expect_images()
        self._inbox(events.ImagesListed(self._name, images, asked_at))

    def _list_addresses(self) -> None:
        asked_at = clock.now()
        addresses = self._provider.list_addresses()
        self._has_addresses = any(
            each.owner is not None and each.owner.provider == self._name for each in addresses
        )
        self.sees_marks |= self._has_addresses
        self._inbox(events.AddressesListed(self._name, addresses, asked_at))

    def _look_for_addresses(self) -> None:
        """Of a provider that has none, as far as its configuration says: many a cloud has nothing
        to ask, or does not let everybody."""
        try:
            self._list_addresses()
        except ProviderError as error:
            log.debug("Floating IPs of provider %s cannot be listed: %s", self._name, error)

    def read_limits(self) -> None:
        """Raises ProviderError."""
        asked_at = clock.now()
        self._inbox(events.LimitsRead(self._name, self._provider.read_room(), asked_at))
