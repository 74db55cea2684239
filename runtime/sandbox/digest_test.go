package sandbox

import (
	"strings"
	"testing"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

// digestsSource hashes inputs of all lengths around the blocks, and derives keys. CPython 3.13 with
// OpenSSL on Debian 13 returns digestsWant for it.
const digestsSource = `import hashlib
def main(args, context):
    r={}
    for n in ["ripemd160","sm3","sha512_224","sha512_256","md5-sha1"]:
        h=hashlib.sha256()
        for size in list(range(0,300))+[1000,100001]: h.update(hashlib.new(n,bytes(i*7&255 for i in range(size))).digest())
        r[n]=h.hexdigest()
    h=hashlib.sha256()
    for n in ["md5","sha1","sha224","sha256","sha384","sha512","sha512_224","sha512_256","ripemd160","sm3","md5-sha1","sha3_256","blake2b"]:
        for pl,sl,it,dk in [(0,0,1,None),(10,8,2,20),(200,100,37,200),(129,16,100,65)]:
            h.update(hashlib.pbkdf2_hmac(n,b"p"*pl,b"s"*sl,it,dk))
    r["pbkdf2"]=h.hexdigest()
    h=hashlib.sha256()
    for n,k,p,dk in [(2,1,1,1),(64,3,5,100),(1024,8,2,64)]: h.update(hashlib.scrypt(b"p",salt=b"s",n=n,r=k,p=p,dklen=dk))
    r["scrypt"]=h.hexdigest()
    return r
`

const digestsWant = `{"ripemd160":"f06b6bf051ddc94b05852116cb4f58fc12dbfe32c505bf4383b14e63e8f84f4b","sm3":"66219bb0a209bec20c01429766699f8e2bbc08bdd27b5f7fdeb4c31cbdeb96cb","sha512_224":"2d3646dab4acd4618ab9a1aea46268e295ce4be1cb649ee31866299651060a2e","sha512_256":"6c787f86abfc12b8451f84c45845c40cfae364dbf6ec1b95001c3530bf3a3d36","md5-sha1":"c76940f8fab93ee1a9de480a68d5fc13d331c798ed6720488496d5d8ba6f7f75","pbkdf2":"0756b476e4a5a209346820c31128775a530b40e594b466e55b09bb0efb2e8b14","scrypt":"e742655d74a5262ef489c5b7948920d12b542d5c02512d8ea454cf0ceefd86b7"}`

func TestDigestsOfOpenSSL(t *testing.T) {
	box := boxes["mapped"]
	if got := result(t, box, deployed(t, box, digestsSource, runtime.Limits{}), "{}"); got != digestsWant {
		t.Errorf("got\n%s\nwant\n%s", got, digestsWant)
	}
}

// TestAlgorithmsAvailable verifies that hashlib has all that it has on Debian 13.
func TestAlgorithmsAvailable(t *testing.T) {
	box := boxes["mapped"]
	p := deployed(t, box, body(`import hashlib, hmac
names = "blake2b blake2s md5 md5-sha1 ripemd160 sha1 sha224 sha256 sha384 sha3_224 sha3_256 sha3_384 sha3_512 sha512 sha512_224 sha512_256 shake_128 shake_256 sm3".split()
for name in names:
    h = hashlib.new(name, b"x", usedforsecurity=False)
    assert h.name == name and h.copy().block_size > 0, name
    if not name.startswith("shake"):
        assert len(hmac.new(b"k", b"m", name).digest()) == h.digest_size, name
return sorted(hashlib.algorithms_available) == names`), runtime.Limits{})
	if got := result(t, box, p, "{}"); got != "true" {
		t.Errorf("got %s", got)
	}
}

// TestKeyDerivationIsBounded verifies that the limits of a run end a derivation.
func TestKeyDerivationIsBounded(t *testing.T) {
	box := boxes["mapped"]
	for _, c := range []struct {
		name, main string
		class      runtime.Class
	}{
		{"time of pbkdf2", "hashlib.pbkdf2_hmac('sha256', b'p', b's', 2**31 - 1)", runtime.ClassTimeout},
		{"time of pbkdf2 without the host", "hashlib.pbkdf2_hmac('sm3', b'p', b's', 2**31 - 1)", runtime.ClassTimeout},
		{"length of pbkdf2", "hashlib.pbkdf2_hmac('sha1', b'p', b's', 1, 2**30)", runtime.ClassMemory},
		{"time of scrypt", "hashlib.scrypt(b'p', salt=b's', n=2**17, r=1, p=1000, maxmem=2**30)", runtime.ClassTimeout},
		{"memory of scrypt", "hashlib.scrypt(b'p', salt=b's', n=2**20, r=8, p=1, maxmem=2**31 - 1)", runtime.ClassMemory},
		{"time of a digest", "hashlib.new('ripemd160', bytes(10**6)); [hashlib.new('sm3', b'x' * 10**6) for _ in range(10**6)]", runtime.ClassTimeout},
	} {
		t.Run(c.name, func(t *testing.T) {
			timeout := runtime.MinTimeout
			if c.class == runtime.ClassMemory {
				timeout = 20 * time.Second
			}
			p := deployed(t, box, "import hashlib\n"+body(c.main), runtime.Limits{Timeout: timeout})
			defer box.Forget(p.FunctionID, p.Version)
			f := fails(t, box, p, "{}", c.class)
			if strings.Contains(f.Message, "_faas") {
				t.Errorf("the message is %q", f.Message)
			}
		})
	}
}
