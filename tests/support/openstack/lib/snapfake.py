"""nova's fake virt driver, plus the one thing it lacks: a snapshot that ends.

FakeDriver.snapshot() never uploads anything, so the image that nova-api made
in glance stays "queued" for ever and no server boots from it (ImageNotActive).
This one uploads a few bytes, which makes glance set the image "active".
It also keeps its node's identity and its servers over a restart of nova, which
FakeDriver does not (nova-compute then refuses to start: "No local node
identity found").
SNAPFAKE_* variables add delays and failures, for tests that need them.
"""

import io
import os
import random
import time

from nova import context, exception, objects
from nova.compute import power_state, task_states, vm_states
from nova.image import glance
from nova.virt import fake


def _sleep(name):
    low, _, high = os.environ.get(name, "0").partition(":")
    time.sleep(random.uniform(float(low), float(high or low)))


class SnapFakeDriver(fake.FakeDriverWithoutFakeNodes):
    def init_host(self, host):
        super().init_host(host)
        admin = context.get_admin_context()
        for inst in objects.InstanceList.get_by_host(admin, host, expected_attrs=["flavor"]):
            if inst.vm_state == vm_states.ACTIVE:
                self.resources.claim(
                    vcpus=inst.flavor.vcpus, mem=inst.flavor.memory_mb, disk=inst.flavor.root_gb
                )
                self.instances[inst.uuid] = fake.FakeInstance(
                    inst.name, power_state.RUNNING, inst.uuid
                )

    def spawn(
        self, ctxt, instance, image_meta, injected_files, admin_password, allocations, **kwargs
    ):
        _sleep("SNAPFAKE_SPAWN_SECONDS")
        if random.random() < float(os.environ.get("SNAPFAKE_SPAWN_FAIL", 0)):
            raise exception.InstanceDeployFailure(reason="SNAPFAKE_SPAWN_FAIL")
        return super().spawn(
            ctxt, instance, image_meta, injected_files, admin_password, allocations, **kwargs
        )

    def snapshot(self, ctxt, instance, image_id, update_task_state):
        if instance.uuid not in self.instances:
            raise exception.InstanceNotRunning(instance_id=instance.uuid)
        update_task_state(task_state=task_states.IMAGE_PENDING_UPLOAD)
        api = glance.API()
        image = api.get(ctxt, image_id)
        _sleep("SNAPFAKE_SNAPSHOT_SECONDS")
        update_task_state(
            task_state=task_states.IMAGE_UPLOADING, expected_state=task_states.IMAGE_PENDING_UPLOAD
        )
        api.update(
            ctxt,
            image_id,
            {
                "name": image["name"],
                "status": "active",
                "disk_format": "raw",
                "container_format": "bare",
                "properties": {},
            },
            data=io.BytesIO(b"snapshot of %s\n" % instance.uuid.encode()),
            purge_props=False,
        )
