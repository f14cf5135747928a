"""A program that logs with PyPI's logcollect 0.14.0, as the programs do that alco collects from.

    producer.py HOST PORT EXCHANGE ROUTING_KEY COUNT

Logs COUNT lines, `hello world 0` and so on, each with extra fields, and one exception after them. Ends with 0 only when the
broker has taken every one. logcollect adds the logger's name to the routing key: ROUTING_KEY.shop.cart
"""
import logging
import os
import sys
import time

# logcollect writes local time and calls it UTC; here it is true
os.environ.setdefault("TZ", "UTC")
time.tzset()

from logcollect.boot import default_config  # noqa: E402
from logcollect.handler import AMQPHandler, AMQPSocket  # noqa: E402

host, port, exchange, routing_key, count = sys.argv[1:]


def with_port(parse):
    """logcollect ignores the port in its URL, but its transport takes one behind the host."""
    def parsed(uri):
        parts = parse(uri)
        parts["host"] = "%s:%s" % (parts["host"], port)
        return parts
    return staticmethod(parsed)


def fail(self, record):
    """logging prints what went wrong, drops the record and goes on; a test wants to know."""
    raise  # the exception that is being handled


AMQPSocket._parse_broker_uri = with_port(AMQPSocket._parse_broker_uri)
AMQPHandler.handleError = fail

handler = default_config(
    "amqp://guest:guest@%s/" % host, exchange=exchange, routing_key=routing_key, durable=True,
    activity_identity={"project": "shop", "application": "backend"})
logger = logging.getLogger("shop.cart")

connections = set()
for number in range(int(count)):
    logger.info("hello world %d", number, extra={
        "user": "анна" if number % 10 == 0 else "bob", "status": 200 + number % 3, "seconds": number / 8.0,
        "nested": {"cart": [number, "new"]}, "request_id": "%08x" % number})
    connections.add(handler.sock)
try:
    {}["missing"]
except KeyError:
    logger.exception("hello exception", extra={"user": "bob"})

connections.add(handler.sock)
# logcollect replaces a broken connection silently, and loses the records that were under way
if len(connections) != 1 or None in connections:
    sys.exit("cannot reach the broker at %s:%s, or not all the time" % (host, port))

# the AMQP library logs too, and would do so over the channel that it has just closed
logging.root.removeHandler(handler)
# logcollect publishes without confirms; the broker answers this only after all that was published before on the channel
handler.sock.channel.close()
handler.close()
