"""A nodepool.yaml with its secure.conf, and what is said of such texts."""

from __future__ import annotations

from nodepool.config import Text, check_text

GOOD = """\
script-dir: /etc/nodepool/scripts
zmq-publishers: ['tcp://jenkins01.example.org:8888']
gearman-servers:
  - host: zuul.example.org
labels:
  - name: trusty
    image: trusty
    min-ready: 3
    providers: [{name: one}, {name: two}]
providers:
  - name: one
    cloud: one
    max-servers: 10
    images: [{name: trusty, min-ram: 8192, base-image: Trusty, setup: prepare.sh}]
  - name: two
    max-servers: 5
    rate: 1
    images: [{name: trusty, min-ram: 8192, base-image: Trusty}]
targets:
  - name: jenkins01
"""
SECURE = """\
[database]
dburi: sqlite:////tmp/x
[jenkins "jenkins01"]
url: http://jenkins01/
user: nodepool
apikey: s3cret
credentials: abc
"""


def problems(text: str) -> list[str]:
    return [f"{each.line}:{each.key}: {each.text}" for each in check_text(Text(text, "f")).problems]


def warnings(text: str) -> list[str]:
    checked = check_text(Text(text, "f"))
    assert checked.problems == ()
    return [f"{each.line}:{each.key}: {each.text}" for each in checked.warnings]
