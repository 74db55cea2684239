package sandbox

import (
	"strings"
	"testing"

	"github.com/faaspot/faaspot/runtime"
)

// onLinux has programs with the results that CPython 3.13 has for them on Linux.
var onLinux = []struct{ name, main, want string }{
	{"number of an error", "import os\ntry: open('/none')\nexcept OSError as e: return [e.errno, str(e), os.strerror(2)]", `[2,"[Errno 2] No such file or directory: '/none'","No such file or directory"]`},
	{"class of an error", "return [type(OSError(n, '')).__name__ for n in (1, 2, 4, 11, 13, 17, 20, 21, 32, 111)]", `["PermissionError","FileNotFoundError","InterruptedError","BlockingIOError","PermissionError","FileExistsError","NotADirectoryError","IsADirectoryError","BrokenPipeError","ConnectionRefusedError"]`},
	{"texts of errors", "import os\nreturn [os.strerror(n) for n in (0, 5, 24, 36, 75, 999)]", `["Success","Input/output error","Too many open files","File name too long","Value too large for defined data type","Unknown error 999"]`},
	{"error numbers", "import errno\nreturn [errno.ENOENT, errno.EINVAL, errno.EAGAIN, errno.ENOTEMPTY, errno.errorcode[39], errno.errorcode[13], errno.ENODATA]", `[2,22,11,39,"ENOTEMPTY","EACCES",61]`},
	{"errno of a full device", "try:\n    with open('/dev/full', 'w') as f: f.write('x')\nexcept OSError as e: return str(e)", `"[Errno 28] No space left on device"`},
	{"/dev/null", "import os\nwith open(os.devnull, 'w') as f: print('gone', file=f)\nwith open(os.devnull) as f: return [f.read(), f.seekable()]", `["",true]`},
	{"/dev/null for both", "with open('/dev/null', 'r+b') as f: return [f.write(b'abc'), f.seek(5), f.read().decode()]", `[3,0,""]`},
	{"/dev/zero", "with open('/dev/zero', 'rb') as f: return f.read(3) == b'\\0\\0\\0'", `true`},
	{"/dev/urandom", "with open('/dev/urandom', 'rb') as f: return [len(f.read(16)), f.read(16) == f.read(16)]", `[16,false]`},
	{"/dev/stdin", "with open('/dev/stdin') as f: return f.read()", `""`},
	{"kinds of devices", "import os, stat\nreturn [stat.S_ISCHR(os.stat(p).st_mode) for p in ('/dev/null', '/dev/stdout', '/dev/fd/2')] + [os.path.isfile('/dev/null'), os.path.exists('/dev/null')]", `[true,true,true,false,true]`},
	{"modes", "import os\nopen('/tmp/f', 'w').close(); os.mkdir('/tmp/d'); os.mkdir('/tmp/e', 0o700)\na = [oct(os.stat(p).st_mode) for p in ('/tmp/f', '/tmp/d', '/tmp/e')]\nos.chmod('/tmp/f', 0o400)\nreturn a + [oct(os.stat('/tmp/f').st_mode)]", `["0o100644","0o40755","0o40700","0o100400"]`},
	{"mode of a temporary file", "import os, tempfile\nfd, path = tempfile.mkstemp()\nreturn oct(os.fstat(fd).st_mode)", `"0o100600"`},
	{"modes in archives", "import io, os, tarfile, zipfile\nopen('/tmp/f', 'w').close(); os.chmod('/tmp/f', 0o755)\nb = io.BytesIO()\nwith tarfile.open(fileobj=b, mode='w') as t: t.add('/tmp/f', 'f')\nb.seek(0)\nwith tarfile.open(fileobj=b) as t:\n    t.extractall('/tmp/out', filter='data')\n    m = t.getmembers()[0]\nz = zipfile.ZipInfo.from_file('/tmp/f')\nreturn [oct(m.mode), m.uname, oct(os.stat('/tmp/out/f').st_mode), oct(z.external_attr >> 16)]", `["0o755","root","0o100755","0o100755"]`},
	{"many modes", "import os\nfor i in range(500):\n    open(f'/tmp/{i}', 'w').close(); os.chmod(f'/tmp/{i}', i)\nreturn [i for i in range(500) if os.stat(f'/tmp/{i}').st_mode & 0o7777 != i]", `[]`},
	{"links", "import os, pathlib, shutil\nos.mkdir('/tmp/d'); open('/tmp/d/f', 'w').write('x'); os.symlink('d/f', '/tmp/l'); os.link('/tmp/d/f', '/tmp/h'); pathlib.Path('/tmp/p').symlink_to('/tmp/d'); os.symlink('o', '/tmp/o')\ntry: open('/tmp/o')\nexcept OSError as e: loop = e.errno\nshutil.rmtree('/tmp/d')\nreturn [os.readlink('/tmp/l'), os.path.islink('/tmp/l'), os.path.exists('/tmp/l'), os.path.realpath('/tmp/p/f'), open('/tmp/h').read(), oct(os.lstat('/tmp/l').st_mode), os.lstat('/tmp/l').st_size, loop]", `["d/f",true,false,"/tmp/d/f","x","0o120777",3,40]`},
	{"links in archives", "import io, os, tarfile\nos.mkdir('/tmp/d'); open('/tmp/d/f', 'w').write('x'); os.symlink('f', '/tmp/d/s'); os.link('/tmp/d/f', '/tmp/d/h')\nb = io.BytesIO()\nwith tarfile.open(fileobj=b, mode='w') as t: t.add('/tmp/d', 'd')\nb.seek(0)\nwith tarfile.open(fileobj=b) as t: t.extractall('/tmp/out', filter='data')\nreturn [os.readlink('/tmp/out/d/s'), open('/tmp/out/d/h').read(), os.stat('/tmp/out/d/f').st_nlink]", `["f","x",2]`},
	{"descriptors", "import os\na = os.open('/tmp/f', os.O_CREAT | os.O_RDWR); os.write(a, b'0123456789'); b = os.dup(a); os.lseek(a, 4, 0); r = os.read(b, 2).decode(); os.dup2(b, 30); os.close(a); os.close(b); r += os.read(30, 2).decode()\nfor f in (os.dup, os.close, lambda n: os.dup2(n, 5), os.fstatvfs):\n    try: f(99)\n    except OSError as e: r += str(e.errno)\nreturn r", `"45679999"`},
	{"disk usage", "import os, shutil\nu = shutil.disk_usage('/tmp'); open('/tmp/f', 'wb').write(bytes(8192)); v = shutil.disk_usage('/tmp')\nreturn [u.total == v.total, u.free - v.free, os.statvfs('/tmp').f_namemax, os.statvfs('/usr').f_bavail]", `[true,8192,255,0]`},
	{"empty paths", "import os\nr = []\nfor f in (open, os.stat, os.lstat, os.scandir, os.listdir, os.mkdir, os.remove, os.readlink, os.chmod and (lambda p: os.chmod(p, 0))):\n    try: f('')\n    except OSError as e: r.append(e.errno)\nreturn r + [os.path.exists('')]", `[2,2,2,2,2,2,2,2,2,false]`},
	{"computing time", "import time\na = time.process_time(), time.thread_time(), time.monotonic(); time.sleep(0.2); b = time.process_time(), time.thread_time(), time.monotonic()\nreturn [b[0] - a[0] < b[2] - a[2] - 0.19, b[1] - a[1] < b[2] - a[2] - 0.19, time.get_clock_info('thread_time').monotonic]", `[true,true,true]`},
	{"large counts", "import collections, functools, io, itertools\nn = 2**40\nreturn [list(itertools.islice('abc', n)), next(itertools.repeat(1, n)), list(collections.deque('abc', n)), functools.lru_cache(n)(len)('ab'), 'aa'.replace('a', 'b', n), 'a b'.split(None, n), b'a b'.split(None, n)[1].decode(), io.BytesIO(b'x').read(n).decode(), io.StringIO('x').read(n)]", `[["a","b","c"],1,["a","b","c"],2,"bb",["a","b"],"b","x","x"]`},
	{"mask of new files", "import os\nos.umask(0o007); open('/tmp/a', 'w').close(); os.close(os.open('/tmp/b', os.O_CREAT | os.O_WRONLY, 0o666)); os.close(os.open('/tmp/c', os.O_CREAT | os.O_WRONLY)); open('/tmp/a', 'w').close()\nreturn [oct(os.stat('/tmp/' + n).st_mode) for n in 'abc']", `["0o100660","0o100660","0o100770"]`},
	{"names of bytes", "import os\nopen(b'/tmp/\\xff', 'w').close()\nreturn [ascii(os.listdir('/tmp')), repr(os.listdir(b'/tmp')), ascii(os.path.realpath(b'/tmp/\\xff'))]", `["['\\udcff']","[b'\\xff']","b'/tmp/\\xff'"]`},
	{"escapes of JSON", "import json\nr = []\nfor n in range(20):\n    for c in map(chr, [*range(256), 0x20ac, 0x1f600]):\n        t = 'x' * n + c + 'y' * (n % 9)\n        for a in (True, False):\n            e = json.dumps(t, ensure_ascii=a)\n            w = json.encoder.py_encode_basestring_ascii(t) if a else json.encoder.py_encode_basestring(t)\n            if e != w or json.loads(e) != t: r.append([n, c])\nreturn r", `[]`},
	{"names of users", "import pwd, grp\nr = []\nfor f in (pwd.getpwnam, grp.getgrnam):\n    try: f('a\\0')\n    except ValueError as e: r.append(str(e))\nreturn r", `["embedded null byte","embedded null byte"]`},
	{"mask", "import os\nreturn [os.umask(0o77), os.umask(0o22)]", `[18,63]`},
	{"identity", "import getpass, os, pwd\nreturn [os.getuid(), os.getegid(), os.getppid(), os.cpu_count(), getpass.getuser(), pwd.getpwuid(0).pw_name]", `[0,0,1,1,"root","root"]`},
	{"no terminal", "import os, shutil, sys\ntry: os.get_terminal_size()\nexcept OSError as e: return [e.errno, shutil.get_terminal_size().columns, sys.stdout.isatty(), os.isatty(1)]", `[25,80,false,false]`},
	{"names of addresses", "import socket\nask = socket.getnameinfo\nreturn [ask(('127.0.0.1', 443), 0), ask(('192.0.2.1', 1), 0), ask(('::1', 80), socket.NI_NUMERICHOST | socket.NI_NUMERICSERV)]", `[["localhost","https"],["192.0.2.1","1"],["::1","80"]]`},
	{"constants of sockets", "import socket\nreturn [socket.SO_KEEPALIVE, socket.SO_REUSEADDR, socket.IPPROTO_ICMPV6, socket.AI_NUMERICHOST & socket.AI_NUMERICSERV, hasattr(socket, 'AF_UNIX')]", `[9,2,58,0,false]`},
	{"settings of TLS", "import ssl\nc = ssl.create_default_context()\nn = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)\nn.check_hostname = False\nn.verify_mode = ssl.CERT_NONE\nc.load_verify_locations(cadata='-----BEGIN CERTIFICATE-----\\nMAA=\\n-----END CERTIFICATE-----')\nb = ssl.MemoryBIO()\nb.write(b'abc')\nb.write_eof()\nreturn [c.check_hostname, c.verify_mode.name, c.minimum_version.name, n.verify_mode.name, c.cert_store_stats()['x509'], c.get_ca_certs(True)[0].hex(), b.read(2).decode(), b.eof, b.read().decode(), b.eof, str(ssl.Purpose.SERVER_AUTH), ssl.SSLError(1, 'text').strerror, issubclass(ssl.CertificateError, ValueError)]", `[true,"CERT_REQUIRED","TLSv1_2","CERT_NONE",1,"3000","ab",false,"c",true,"Purpose.SERVER_AUTH","text",true]`},
	{"TLS in asyncio", "import sys\nearly = 'ssl' in sys.modules\nimport ssl\nfrom asyncio import base_events, selector_events, sslproto\nreturn [early, [m.ssl is ssl for m in (base_events, selector_events, sslproto)], len(sslproto.SSLAgainErrors)]", `[false,[true,true,true],2]`},
	{"settings of TLS that are refused", "import ssl\nfound = []\nfor call in (lambda c: setattr(c, 'verify_mode', ssl.CERT_NONE), lambda c: c.load_verify_locations('/nope'), lambda c: c.load_verify_locations('/etc/passwd'), lambda c: c.load_verify_locations(cadata='x'), lambda c: c.load_verify_locations(cadata=b'\\x30\\x05a'), lambda c: c.load_verify_locations(), lambda c: c.load_cert_chain('/etc/passwd'), lambda c: c.set_ciphers(''), lambda c: c.set_ecdh_curve('nope'), lambda c: ssl.SSLContext(99), lambda c: ssl.SSLSession()):\n    try: found.append(call(ssl.create_default_context()))\n    except Exception as e: found.append(type(e).__name__)\nreturn found", `["ValueError","FileNotFoundError","SSLError","SSLError","SSLError","TypeError","SSLError","SSLError","ValueError","ValueError","TypeError"]`},
	{"host name", "import email.utils, platform, socket\nreturn [socket.gethostname(), platform.node(), email.utils.make_msgid().endswith('@localhost>'), socket.gethostbyname('localhost'), socket.getaddrinfo('127.0.0.1', 80, type=socket.SOCK_STREAM)[0][4]]", `["localhost","localhost",true,"127.0.0.1",["127.0.0.1",80]]`},
	{"locales", "import locale\nr = [locale.setlocale(locale.LC_ALL), locale.setlocale(locale.LC_ALL, ''), locale.setlocale(locale.LC_NUMERIC, 'C'), locale.getlocale()]\nfor name in ('de_DE.UTF-8', 'xx', 'en_US'):\n    try: r.append(locale.setlocale(locale.LC_ALL, name))\n    except locale.Error as e: r.append(str(e))\nreturn r", `["LC_CTYPE=C.UTF-8;LC_NUMERIC=C;LC_TIME=C;LC_COLLATE=C;LC_MONETARY=C;LC_MESSAGES=C","C.UTF-8","C",["C","UTF-8"],"unsupported locale setting","unsupported locale setting","unsupported locale setting"]`},
	{"local time", "import os, time, datetime\nos.environ['TZ'] = 'Europe/Berlin'; time.tzset()\nt = time.localtime(1720000000)\nreturn [time.tzname, time.timezone, time.daylight, t.tm_hour, t.tm_zone, t.tm_gmtoff, time.mktime((2024, 7, 3, 11, 46, 40, 0, 0, -1)), datetime.datetime.fromtimestamp(1700000000).isoformat(), datetime.datetime(2024, 7, 3, 12).astimezone().isoformat(), time.strftime('%Z', t)]", `[["CET","CEST"],-3600,1,11,"CEST",7200,1720000000.0,"2023-11-14T23:13:20","2024-07-03T12:00:00+02:00","CEST"]`},
	{"zones as rules", "import os, time\nr = []\nfor tz in ('EST5EDT,M3.2.0,M11.1.0', '<+0530>-5:30', 'Nowhere/None', ''):\n    os.environ['TZ'] = tz; time.tzset(); r.append([time.tzname[0], time.localtime(1720000000).tm_gmtoff])\nreturn r", `[["EST",-14400],["+0530",19800],["Nowhere",0],["UTC",0]]`},
	{"repeated and skipped hours", "import os, time, datetime\nos.environ['TZ'] = 'Europe/Berlin'; time.tzset()\nd = datetime.datetime(2024, 10, 27, 2, 30)\nreturn [d.timestamp(), d.replace(fold=1).timestamp(), datetime.datetime(2024, 3, 31, 2, 30).timestamp(), time.localtime(4102444800).tm_zone, time.localtime(4118083200).tm_zone]", `[1729989000.0,1729992600.0,1711848600.0,"CET","CEST"]`},
	{"zone data", "import os, zoneinfo\ntry: zoneinfo.ZoneInfo('Europe')\nexcept zoneinfo.ZoneInfoNotFoundError as e: r = str(e)\nreturn [r, os.path.isfile('/usr/share/zoneinfo/Europe/Berlin'), 'Europe/Berlin' in zoneinfo.available_timezones(), str(zoneinfo.ZoneInfo('UTC'))]", `["'No time zone found with key Europe'",true,true,"UTC"]`},
	{"long ranges", "import random\nr = range(10**9, 10**10)\nx = random.sample(r, 3)\nfor _ in range(9): n = len(r)\nreturn [n, all(i in r for i in x), random.choice(r) in r, len(range(5)), r[-1]]", `[9000000000,true,true,5,9999999999]`},
	{"too long a range", "try: len(range(2**64))\nexcept OverflowError as e: return 'OverflowError'", `"OverflowError"`},
	{"signatures of builtins", "import inspect\nreturn [str(inspect.signature(len)), len.__doc__.splitlines()[0]]", `["(obj, /)","Return the number of items in a container."]`},
	{"pydoc", "import pydoc\nreturn pydoc.plain(pydoc.render_doc(len)).splitlines()[0]", `"Python Library Documentation: built-in function len in module builtins"`},
	{"builtins of site", "try: exit(3)\nexcept SystemExit as e: return [e.code, callable(quit), callable(help)]", `[3,true,true]`},
	{"overflow of a float", "try: 10.0 ** 400\nexcept OverflowError as e: return e.args", `[34,"Numerical result out of range"]`},
	{"nested expression", "return eval('[' * 180 + ']' * 180) is not None", `true`},
	{"zone by its file", "import os, time\nos.environ['TZ'] = '/usr/share/zoneinfo/Asia/Tokyo'; time.tzset()\nreturn time.tzname", `["JST","JST"]`},
	{"long expression", "return eval('+'.join(['1'] * 2000))", `2000`},
	{"encoding of the locale", "import locale\nreturn [locale.nl_langinfo(locale.CODESET), locale.nl_langinfo(locale.RADIXCHAR)]", `["UTF-8","."]`},
	{"name of the program", "import argparse, sys\nreturn [sys.argv, argparse.ArgumentParser().prog]", `[["/function/f.py"],"f.py"]`},
	{"files of the system", "import os\nreturn [open('/etc/hostname').read(), 'localhost' in open('/etc/hosts').read(), open('/etc/passwd').read().split(':')[0], sorted(os.listdir('/etc'))]", `["localhost\n",true,"root",["group","hostname","hosts","passwd","ssl"]]`},
	{"trust anchors", `
texts = [open(p).read() for p in ('/etc/ssl/certs/ca-certificates.crt', '/usr/lib/ssl/cert.pem')]
try:
    open('/etc/ssl/certs/ca-certificates.crt', 'a')
except OSError as e:
    texts.append(type(e).__name__)
return [texts[0] == texts[1], texts[0].count('BEGIN CERTIFICATE') > 0, texts[0].count('BEGIN') == texts[0].count('BEGIN CERTIFICATE'), texts[2]]`, `[true,true,true,"OSError"]`},
	{"times of the process", "import os, time\na, b = os.times(), time.process_time()\nreturn [0 <= b - a.user < 1, a.system, a.children_user, os.times().elapsed >= a.elapsed]", `[true,0.0,0.0,true]`},
	{"flags of getrandom", "import os\nr = [len(os.getrandom(3, os.GRND_NONBLOCK | os.GRND_RANDOM))]\nfor a in ((-1, 0), (1, 4)):\n    try: os.getrandom(*a)\n    except OSError as e: r.append(e.errno)\nreturn r", `[3,22,22]`},
	{"modes of links", "import os, posix\nopen('/tmp/f', 'w').close(); os.symlink('f', '/tmp/l')\ntry: os.chmod('/tmp/l', 0, follow_symlinks=False)\nexcept NotImplementedError as e: r = str(e)\nposix.chmod('/tmp/l', 0o600)\nreturn [r, oct(os.stat('/tmp/f').st_mode), hasattr(os, 'lchmod'), os.chmod in os.supports_fd]", `["chmod: follow_symlinks unavailable on this platform","0o100600",false,true]`},
	{"open without flags", "import os\nopen('/tmp/f', 'w').write('x'); f = os.open('/tmp/f', 0)\ntry: os.write(f, b'y')\nexcept OSError as e: return [os.read(f, 9).decode(), e.errno]", `["x",9]`},
	{"keys of long derivations", "import hashlib\nreturn len(hashlib.pbkdf2_hmac('sha3_256', b'p', b's', 1, 2_000_000))", `2000000`},
	{"platform", "import platform, sys, os\nreturn [platform.libc_ver(), os.path.exists(sys.executable)]", `[["",""],true]`},
}

// TestAsOnLinux verifies that programs find what they expect of Linux.
func TestAsOnLinux(t *testing.T) {
	box := boxes["mapped"]
	for _, c := range onLinux {
		t.Run(c.name, func(t *testing.T) {
			p := deployed(t, box, body(c.main), runtime.Limits{})
			defer box.Forget(p.FunctionID, p.Version)
			if got := result(t, box, p, "{}"); got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

// TestSourceEncodings verifies that a source is the text that was sent, whatever its first lines say
// about bytes.
func TestSourceEncodings(t *testing.T) {
	box := boxes["mapped"]
	for _, first := range []string{"# coding: latin-1\n", "#!/usr/bin/python3\n# -*- coding: cp1252 -*-\n", "\ufeff", "\ufeff# coding: utf-8\n"} {
		p := deployed(t, box, first+"def main(args, context): return 'caf\u00e9 \u20ac'\n", runtime.Limits{})
		if got := result(t, box, p, "{}"); got != "\"caf\u00e9 \u20ac\"" {
			t.Errorf("%q: got %s", first, got)
		}
	}
}

// deepInC has programs that recurse to the standard limit of frames by way of C.
var deepInC = []struct{ name, main string }{
	{"cache", "import functools\n@functools.cache\ndef f(n): return 0 if n == 0 else f(n - 1) + 1\nreturn f(N)"},
	{"partial", "import functools\ndef f(n): return 0 if n == 0 else functools.partial(f, n - 1)() + 1\nreturn f(N)"},
	{"str", "class C:\n    def __init__(self, n): self.n = n\n    def __str__(self): return '' if self.n == 0 else f'.{C(self.n - 1)}'\nreturn len(str(C(N)))"},
	{"repr in lists", "class C:\n    def __init__(self, n): self.n = n\n    def __repr__(self): return '' if self.n == 0 else repr([C(self.n - 1)])\nreturn len(repr(C(N))) // 2"},
	{"sorted", "def f(n): return 0 if n == 0 else len(sorted([1], key=lambda _: f(n - 1))) + n - 1\nreturn f(N // 2) * 2"},
	{"getattr", "class C:\n    def __getattr__(self, name): return 0 if name == 'x' * N else getattr(self, name + 'x') + 1\nreturn C().x + 1"},
	{"getitem", "class C(dict):\n    def __missing__(self, n): return 0 if n == 0 else self[n - 1] + 1\nreturn C()[N]"},
	{"json default", "import json\nclass C:\n    def __init__(self, n): self.n = n\ndef d(c): return 0 if c.n == 0 else [C(c.n - 1)]\nreturn json.dumps(C(200), default=d).count('[') + N - 200"},
	{"json nested", "import json\nt = '[' * N + ']' * N\nreturn json.dumps(json.loads(t)).count('[')"},
	{"pickle", "import pickle\nl = []\nfor _ in range(N): l = [l]\nn = 0\nl = pickle.loads(pickle.dumps(l))\nwhile l: l = l[0]; n += 1\nreturn n"},
	{"equality", "class C:\n    def __init__(self, n): self.n = n\n    def __eq__(self, o): return self.n == 0 or [C(self.n - 1)] == [C(0)]\nreturn N if C(N) == C(1) else 0"},
	{"map", "def f(n): return 0 if n == 0 else list(map(f, [n - 1]))[0] + 1\nreturn f(N)"},
	{"reduce", "import functools\ndef f(n): return 0 if n == 0 else functools.reduce(lambda a, b: f(n - 1), [1, 2]) + 2\nreturn f(N // 2)"},
	{"call", "class C:\n    def __call__(self, n): return 0 if n == 0 else self(n - 1) + 1\nreturn C()(N)"},
	{"regular expression", "import re\ndef f(n): return 0 if n == 0 else int(re.sub('a', lambda m: str(f(n - 1) + 3), 'a'))\nreturn f(N // 3)"},
}

func TestRecursionThroughC(t *testing.T) {
	box := boxes["mapped"]
	for _, c := range deepInC {
		t.Run(c.name, func(t *testing.T) {
			main := "N = 900\n" + c.main
			p := deployed(t, box, body(main), runtime.Limits{})
			defer box.Forget(p.FunctionID, p.Version)
			if got := result(t, box, p, "{}"); got != "900" {
				t.Errorf("got %s", got)
			}
		})
	}
}

// TestEndlessRecursionIsRecursionError verifies the class of what never ends, also without the
// standard limit.
func TestEndlessRecursionIsRecursionError(t *testing.T) {
	box := boxes["mapped"]
	for name, main := range map[string]string{
		"partial": "import functools\ndef f(): return functools.partial(f)()\nf()",
		"repr":    "class C:\n    def __repr__(self): return repr([self])\nrepr(C())",
		"getattr": "class C:\n    def __getattr__(self, name): return getattr(self, name + 'x')\nC().x",
		"sort":    "def f(x): return sorted([1], key=f)\nf(1)",
		"cache":   "import functools\n@functools.cache\ndef f(n): return f(n + 1)\nf(0)",
		"lists":   "l = []\nfor _ in range(10**5): l = [l]\nrepr(l)",
	} {
		for _, limit := range []string{"", "import sys; sys.setrecursionlimit(10**6)\n"} {
			t.Run(name, func(t *testing.T) {
				p := deployed(t, box, body(limit+main), runtime.Limits{})
				defer box.Forget(p.FunctionID, p.Version)
				if f := fails(t, box, p, "{}", runtime.ClassError); f.Type != "RecursionError" {
					t.Errorf("got %s: %s", f.Type, strings.SplitN(f.Message, "\n", 2)[0])
				}
			})
		}
	}
}

// TestZoneOfAJob verifies that a run with the variable TZ starts with that zone, and that the next
// run does not.
func TestZoneOfAJob(t *testing.T) {
	box := boxes["mapped"]
	p := deployed(t, box, "import time, datetime\ndef main(args, context): return [time.localtime(1720000000).tm_hour, time.tzname[0], datetime.datetime.fromtimestamp(0).hour]\n", runtime.Limits{})
	for _, c := range []struct {
		env  map[string]string
		want string
	}{
		{map[string]string{"TZ": "Asia/Tokyo"}, `[18,"JST",9]`},
		{nil, `[9,"UTC",0]`},
		{map[string]string{"TZ": "EST5EDT"}, `[5,"EST",19]`},
		{map[string]string{"X": "y"}, `[9,"UTC",0]`},
	} {
		if o := runWith(t, box, p, "{}", "{}", c.env); string(o.Result) != c.want {
			t.Errorf("%v: got %s, %+v; want %s", c.env, o.Result, o.Failure, c.want)
		}
	}
}
