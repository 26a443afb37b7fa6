"""A Gearman broker with a client and two workers, without sockets."""

from __future__ import annotations

from zuul.lib.gearman.broker import Broker
from zuul.lib.gearman.limits import Limits
from zuul.lib.gearman.packets import RESPONSE, Packet, PacketType, StreamReader, request

CLIENT, WORKER, OTHER = 1, 2, 3


class Bench:
    """A broker with a client and two workers."""

    def __init__(self, limits: Limits | None = None, boot_id: str = "boot") -> None:
        self.broker = Broker(boot_id, "1.0", limits)
        for number in (CLIENT, WORKER, OTHER):
            self.broker.connect(number, f"10.0.0.{number}")

    def send(self, connection: int, packet_type: int, *arguments: bytes, now: float = 0.0) -> None:
        self.broker.receive(connection, request(packet_type, *arguments), now)

    def line(self, text: bytes) -> bytes:
        self.broker.receive(CLIENT, text + b"\n", 0.0)
        return dict(self.broker.take_output())[CLIENT]

    def out(self) -> dict[int, list[tuple[str, list[bytes]]]]:
        found = {}
        for connection, data in self.broker.take_output():
            packets = list(StreamReader(RESPONSE).feed(data))
            assert all(isinstance(packet, Packet) for packet in packets)
            found[connection] = [
                (PacketType(packet.type).name, packet.data.split(b"\x00") if packet.data else [])
                for packet in packets
                if isinstance(packet, Packet)
            ]
        return found

    def submit(
        self,
        function: bytes = b"f",
        unique: bytes = b"u",
        arguments: bytes = b"{}",
        packet_type: int = PacketType.SUBMIT_JOB,
        connection: int = CLIENT,
    ) -> bytes:
        self.send(connection, packet_type, function, unique, arguments)
        (name, (handle,)), *_ = self.out()[connection]
        assert name == "JOB_CREATED"
        return handle

    def assign(self, handle: bytes, connection: int = WORKER) -> None:
        self.send(connection, PacketType.CAN_DO, b"f")
        self.send(connection, PacketType.GRAB_JOB_UNIQ)
        (name, arguments), *_ = self.out()[connection]
        assert (name, arguments[0]) == ("JOB_ASSIGN_UNIQ", handle)
