# Calls the job functions of Blaxel's client for Python one after the other. Prints ok at the end, or
# fails at the first difference.
import asyncio
import os

from blaxel.core.client import client
from blaxel.core.client.api.jobs import create_job, delete_job, get_job, list_job_execution_tasks, list_jobs
from blaxel.core.client.models.job import Job
from blaxel.core.jobs import bl_job

client.with_base_url(os.environ["BL_API_URL"])  # the client takes no other from its environment

NAME = "python"
body = {"metadata": {"name": NAME}, "spec": {"function": "work", "runtime": {"memory": 256, "timeout": 60, "maxRetries": 0}}}
created = create_job.sync(client=client, body=Job.from_dict(body))
assert created.metadata.name == NAME and created.status == "DEPLOYED", created
assert get_job.sync(NAME, client=client).spec.runtime.memory == 256
assert [job.metadata.name for job in list_jobs.sync(client=client).data] == [NAME]

job = bl_job(NAME)
done = job.wait_for_execution(job.run([{"n": 1}, {"env": "KEY"}], env={"KEY": "x"}, memory=128), max_wait=60, interval=0.05)
assert done.status == "succeeded" and done.stats.success == 2, done
assert done.spec.env_override.additional_properties == {"KEY": "***"}, done.spec
assert (done.spec.memory_override, done.spec.timeout, done.spec.task_count) == (128, 60, 2), done.spec
assert [task.status for task in done.tasks] == ["succeeded", "succeeded"]
assert [(task.status, task.metadata.name) for task in done.spec.tasks] == [("unspecified", "task-0"), ("unspecified", "task-1")]
assert done.metadata.expired_at > done.metadata.completed_at and not done.metadata.deleted_at

failed = job.wait_for_execution(job.run([{"fail": True}]), max_wait=60, interval=0.05)
assert failed.status == "failed" and failed.tasks[0].conditions[-1].execution_reason == "function_error"
create_job.sync(client=client, body=Job.from_dict({"metadata": {"name": "brief"}, "spec": {"function": "work", "runtime": {"timeout": 1}}}))
late = bl_job("brief").wait_for_execution(bl_job("brief").run([{"seconds": 30}]), max_wait=60, interval=0.05)
assert late.status == "failed" and late["statusReason"] == "timeout", late
slow = job.run([{"seconds": 1}] * 8)
job.cancel_execution(slow)
gone = job.wait_for_execution(slow, max_wait=60, interval=0.05)
assert gone.status == "cancelled" and gone.metadata.deleted_at == gone.metadata.completed_at
assert job.run([{"n": 1}], execution_id="mine", allow_queue=True) == "mine"
for call in [lambda: job.run([]), lambda: job.get_execution("none"), lambda: job.run([{"n": 1}], memory=512)]:
    try:
        call()
    except Exception:
        continue
    raise AssertionError("no error")

page = job.list_executions(limit=2)
assert len(page.data) == 2 and page.has_more
names = [execution.metadata.id for execution in page.auto_paging_iter()]
assert len(names) == len(set(names)) == 4, names
tasks = list_job_execution_tasks.sync(NAME, slow, client=client, limit=3)
assert [task.metadata.name for task in tasks.data] == ["task-0", "task-1", "task-2"] and tasks.meta.has_more


async def concurrently():
    ids = await asyncio.gather(*(job.arun([{"n": n}]) for n in range(3)))
    ends = await asyncio.gather(*(job.await_for_execution(id, max_wait=60, interval=0.05) for id in ids))
    assert [end.status for end in ends] == ["succeeded"] * 3


asyncio.run(concurrently())
assert delete_job.sync(NAME, client=client).metadata.name == NAME
print("ok")
