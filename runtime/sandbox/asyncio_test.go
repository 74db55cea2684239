package sandbox

import (
	"testing"

	"github.com/faaspot/faaspot/runtime"
)

// eventLoop uses the parts of asyncio that work on one thread without a network.
const eventLoop = `
import asyncio
async def produce(queue):
    for i in range(3):
        await queue.put(i)
        await asyncio.sleep(0.001)
async def work():
    done = []
    queue = asyncio.Queue()
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        group.create_task(produce(queue))
        done += [await queue.get() for _ in range(3)]
    try:
        async with asyncio.timeout(0.001):
            await asyncio.sleep(1e6)
    except TimeoutError:
        done.append("timeout")
    return done + await asyncio.gather(*(asyncio.sleep(0.001 * i, i) for i in range(3)))
def main(args, context):
    return asyncio.run(work())
`

func TestEventLoop(t *testing.T) {
	eachBox(t, func(t *testing.T, box *Sandbox) {
		p := deployed(t, box, eventLoop, runtime.Limits{})
		for range 3 {
			if got := result(t, box, p, "{}"); got != `[0,1,2,"timeout",0,1,2]` {
				t.Errorf("got %s", got)
			}
		}
	})
}
