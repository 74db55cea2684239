package pyguest

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"regexp"
	"strconv"
	"testing"
)

func TestArtefactsMatchTheManifest(t *testing.T) {
	text, err := os.ReadFile("MANIFEST.json")
	if err != nil {
		t.Fatal(err)
	}
	var manifest struct {
		Protocol int
		Outputs  []struct {
			File       string
			SHA256     string
			Compressed struct {
				File   string
				SHA256 string
			}
		}
	}
	if err := json.Unmarshal(text, &manifest); err != nil {
		t.Fatal(err)
	}
	if manifest.Protocol != Protocol {
		t.Errorf("built for protocol %d; this is %d", manifest.Protocol, Protocol)
	}
	module, err := Module()
	if err != nil {
		t.Fatal(err)
	}
	archive, err := decompress("stdlib.zip.zst", stdlibZstd)
	if err != nil {
		t.Fatal(err)
	}
	contents := map[string][]byte{
		"guest.wasm": module, "guest.wasm.zst": moduleZstd,
		"stdlib.zip": archive, "stdlib.zip.zst": stdlibZstd,
	}
	check := func(name, want string) {
		sum := sha256.Sum256(contents[name])
		if got := hex.EncodeToString(sum[:]); got != want {
			t.Errorf("%s has SHA-256 %s; want %s as in the manifest", name, got, want)
		}
		delete(contents, name)
	}
	for _, o := range manifest.Outputs {
		check(o.File, o.SHA256)
		check(o.Compressed.File, o.Compressed.SHA256)
	}
	for name := range contents {
		t.Errorf("the manifest does not mention %s", name)
	}
}

// TestSourcesMatchTheManifest fails if the guest's own sources have changed since the guest was
// built.
func TestSourcesMatchTheManifest(t *testing.T) {
	text, err := os.ReadFile("MANIFEST.json")
	if err != nil {
		t.Fatal(err)
	}
	var manifest struct {
		OwnSources []struct{ File, SHA256 string } `json:"own_sources"`
	}
	if err := json.Unmarshal(text, &manifest); err != nil {
		t.Fatal(err)
	}
	if len(manifest.OwnSources) == 0 {
		t.Fatal("the manifest lists no own sources")
	}
	for _, s := range manifest.OwnSources {
		content, err := os.ReadFile("../" + s.File)
		if err != nil {
			t.Error(err)
			continue
		}
		sum := sha256.Sum256(content)
		if got := hex.EncodeToString(sum[:]); got != s.SHA256 {
			t.Errorf("%s has changed since the guest was built: run 'make guest' and commit the result", s.File)
		}
	}
}

func TestProtocolMatchesTheHeader(t *testing.T) {
	text, err := os.ReadFile("guest/protocol.h")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]int{
		"FAAS_PROTOCOL_VERSION": Protocol,
		"FAAS_OP_NAME":          OpName, "FAAS_OP_SOURCE": OpSource, "FAAS_OP_CODE": OpCode,
		"FAAS_OP_ARGS": OpArgs, "FAAS_OP_CONTEXT": OpContext,
		"FAAS_OP_RESULT": OpResult, "FAAS_OP_FAILURE": OpFailure, "FAAS_OP_WAIT": OpWait, "FAAS_WAITS": Waits,
		"FAAS_HASH_MD5": HashMD5, "FAAS_HASH_SHA1": HashSHA1, "FAAS_HASH_SHA256": HashSHA256, "FAAS_HASH_SHA512": HashSHA512,
	} {
		m := regexp.MustCompile(`(?m)^#define ` + name + ` (\d+)\b`).FindSubmatch(text)
		if m == nil {
			t.Errorf("guest/protocol.h does not define %s", name)
		} else if got, _ := strconv.Atoi(string(m[1])); got != want {
			t.Errorf("%s is %d in guest/protocol.h and %d here", name, got, want)
		}
	}
}

func TestDamagedArtefactIsRefused(t *testing.T) {
	damaged := append([]byte(nil), moduleZstd...)
	damaged[len(damaged)/2] ^= 1
	if _, err := decompress("guest.wasm.zst", damaged); err == nil {
		t.Error("a damaged artefact was accepted")
	}
	if _, err := decompress("guest.wasm.zst", moduleZstd[:len(moduleZstd)/2]); err == nil {
		t.Error("a truncated artefact was accepted")
	}
}
