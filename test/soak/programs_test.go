//go:build linux

package soak

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"sync"
)

// programs are functions that do harm within their limits. Those that fail never return.
var programs = []struct {
	name  string
	fails bool
	code  string
}{
	{"endless loop", true, "def main(args, context):\n    while True: pass\n"},
	{"endless loop in C", true, "def main(args, context):\n    sum(range(10**15))\n"},
	{"loop that catches everything", true, "def main(args, context):\n    while True:\n        try:\n            while True: pass\n        except BaseException: pass\n"},
	{"regular expression", true, "import re\ndef main(args, context):\n    re.match(r'(a+)+$', 'a' * 60 + 'b')\n"},
	{"big integer", true, "def main(args, context):\n    10**10**9\n"},
	{"long sleep", true, "import time\ndef main(args, context):\n    time.sleep(1e9)\n"},
	{"short sleeps", true, "import time\ndef main(args, context):\n    while True: time.sleep(0.0001)\n"},
	{"memory", true, "def main(args, context):\n    x = []\n    while True: x.append(bytearray(10**6))\n"},
	{"memory, caught", true, "def main(args, context):\n    x = []\n    while True:\n        try: x.append(bytearray(10**6))\n        except MemoryError: x = []\n"},
	{"recursion", true, "def main(args, context):\n    return main(args, context)\n"},
	{"recursion in C", true, "import itertools\ndef main(args, context):\n    it = iter(())\n    for _ in range(400000): it = itertools.chain(it, ())\n    next(it)\n"},
	{"output", true, "def main(args, context):\n    while True: print('x' * 10**6)\n"},
	{"files", true, "def main(args, context):\n    for i in range(10**6): open('/tmp/%d' % i, 'w').write('x' * 1000)\n"},
	{"exit", true, "import os\ndef main(args, context):\n    os._exit(args['seed'] % 256)\n"},
	{"abort", true, "import os\ndef main(args, context):\n    os.abort()\n"},
	{"result that is no JSON", true, "def main(args, context):\n    return object()\n"},
	{"large result", true, "def main(args, context):\n    return 'x' * 10**7\n"},
	{"exception that raises", true, "class E(Exception):\n    def __str__(self): raise E()\n    __repr__ = __str__\ndef main(args, context):\n    raise E()\n"},
	{"bytecode", false, `import random
def f(a, b): return [x + b for x in a]
def main(args, context):
    rng = random.Random(args["seed"])
    raw = bytearray(f.__code__.co_code)
    for _ in range(rng.randint(1, 8)): raw[rng.randrange(len(raw))] = rng.randrange(256)
    def g(a, b): pass
    g.__code__ = f.__code__.replace(co_code=bytes(raw), co_consts=())
    return repr(g([1, 2], 3))[:100]
`},
	{"tasks", false, "import asyncio\nasync def main(args, context):\n    for _ in range(10000): asyncio.create_task(asyncio.sleep(10**6))\n    await asyncio.sleep(0.1)\n"},
}

// connectCode connects to all peers at once, and reads and writes until its time is over.
const connectCode = `import socket, threading, select
def main(args, context):
    all = []
    for _ in range(8):
        for port in args["peers"].values():
            s = socket.socket()
            s.setblocking(False)
            s.connect_ex(("127.0.0.1", port))
            all.append(s)
    while True:
        reading, writing, _ = select.select(all, all, [], 1)
        for s in reading:
            try: s.recv(1 << 16)
            except OSError: pass
        for s in writing:
            try: s.send(b"x" * 1000)
            except OSError: pass
`

// malformed are texts that no server should take for a request with a token that it knows, and requests
// that two readers could understand differently.
var malformed = func() []string {
	run := "POST /v1/functions/x/rpc/ HTTP/1.1\r\nHost: a\r\nAuthorization: Token TOKEN\r\n"
	list := "GET /v1/functions/ HTTP/1.1\r\nAuthorization: Token TOKEN\r\n"
	return []string{
		run + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		run + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
		run + "Content-Length: +2\r\n\r\n{}",
		run + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
		run + "Transfer-Encoding: chunked\r\n\r\n2;a\n{}\r\n0\r\n\r\n",
		run + "Transfer-Encoding: chunked\r\n\r\n" + strings.Repeat("1\r\n \r\n", 100),
		run + "Content-Length: 99999999999999999999\r\n\r\n{}",
		run + "X: a\r\n b\r\nContent-Length: 2\r\n\r\n{}",
		list + "Host: a\r\nHost: b\r\n\r\n",
		list + "\r\n",
		list + "Host: a\r\nX\x00: b\r\n\r\n",
		list + "Host: a\r\n" + strings.Repeat("A: b\r\n", 20_000) + "\r\n",
		"GET /" + strings.Repeat("x", 100_000) + " HTTP/1.1\r\nHost: a\r\n\r\n",
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + strings.Repeat("\x00", 500),
		"\x00\xff\x00\xff\r\n\r\n",
		"",
	}
}()

// brokenBundles returns bundles that must be refused.
var brokenBundles = sync.OnceValue(func() []string {
	valid := zipped("main.py", "def main(args, context): pass\n"+strings.Repeat("x = 1\n", 1000))
	lies := bytes.Clone(valid)
	binary.LittleEndian.PutUint32(lies[bytes.LastIndex(lies, []byte("PK\x01\x02"))+24:], 1<<31) // the size of the content
	return []string{
		"", "PK\x05\x06", strings.Repeat("PK\x01\x02", 10_000),
		string(zipped("../main.py", "x")),
		string(zipped("main.py", strings.Repeat("\x00", 60<<20))),
		string(zipped("main.py", "def main(args, context):\n    return (\n")),
		string(valid[:len(valid)/2]),
		string(lies),
	}
})

// zipped returns a zip of one file.
func zipped(name, content string) []byte {
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	to, err := w.Create(name)
	if err == nil {
		_, err = io.WriteString(to, content)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		panic(fmt.Sprintf("a zip in memory: %v", err))
	}
	return out.Bytes()
}
